#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

// What fits on a screen.

namespace lacuna::daemon {

/// Every table and help text fits into so many, unless there are more.
inline constexpr std::size_t kColumns = 80;

/// The environment's COLUMNS, else the width of the terminal that standard output is, else kColumns; at least 40.
std::size_t screen_columns();

/// Lines longer than `columns` are broken at their last space (or within a word that is longer than a line). What goes on is indented as
/// its line is, and by `hang` more.
std::string wrapped(std::string_view text, std::size_t columns, std::size_t hang = 0);

/// How many places a text takes on the screen, as far as each character takes one.
std::size_t width_of(std::string_view text);

/// "1 row", "2 rows".
std::string counted(std::uint64_t count, std::string_view one, std::string_view many);

}  // namespace lacuna::daemon
