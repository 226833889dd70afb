#pragma once

#include <optional>
#include <string_view>

namespace lacuna::streaming {

std::string_view trim(std::string_view text);

/// All of it, with a point; no blanks, no sign of plus.
bool read_plain_number(std::string_view text, double& out);

/// As people write it where `decimal` (a point or a comma) parts the fraction. With a comma, points that part groups of three digits are
/// passed over ("1.080,5"), and other points are none of a number.
bool read_number(std::string_view text, char decimal, double& out);

/// "0.0" is "0": whether both are numbers, and the same one.
bool is_same_number(std::string_view a, std::string_view b);

}  // namespace lacuna::streaming
