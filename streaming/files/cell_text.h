#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace lacuna::streaming {

/// Without the blanks around it: spaces, tabs, spaces that do not break, and marks of byte order and of width zero.
std::string_view trim(std::string_view text);

/// A cell for each name of the header, and behind them nothing but empty ones, which a separator at the end of a line makes.
bool is_whole_row(const std::vector<std::string_view>& cells, std::size_t names);

/// All of it, with a point; no blanks. A plus may stand before it.
bool read_plain_number(std::string_view text, double& out);

/// How `input.decimal` says "1,000.5": a point parts the fraction, and commas may part groups.
inline constexpr char kPointAndGroups = 'g';

/// As people write it where `decimal` (a point, a comma, or kPointAndGroups) parts the fraction. Signs that part groups of three digits are
/// passed over: with a comma points ("1.080,5"), with kPointAndGroups commas, and always spaces and apostrophes ("1 080", "1'080"). With a
/// point commas are passed over only where they can be nothing else ("1,080.5", "1,080,000"). A minus may be the sign of typesetters.
bool read_number(std::string_view text, char decimal, double& out);

/// A number with what stands behind it ("150 mg/L"), in two. False: it does not begin with a number. `behind` is empty where nothing does.
bool split_number(std::string_view text, char decimal, double& number, std::string_view& behind);

/// Bytes of the sign that a number begins with; 0: none.
std::size_t sign_size(std::string_view text);

/// "0.0" is "0": whether both are numbers, and the same one.
bool is_same_number(std::string_view a, std::string_view b);

}  // namespace lacuna::streaming
