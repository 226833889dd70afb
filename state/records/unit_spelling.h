#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lacuna {

/// The UCUM codes that laboratories mean with a spelling that is none ("mmHg", "K/mcL", "MG/DL"), or that is the code of something nobody
/// means ("K/uL": kelvin), the likeliest first. More than one where only the quantity tells ("IU/L": [iU]/L, of an enzyme U/L). Empty for
/// codes that stand for themselves, and for what is not certain. docs/units.md has the table.
std::vector<std::string> ucum_codes_meant(std::string_view spelling);

/// Whether a code of UCUM says what nobody means (UcumUnit::improbable).
bool is_improbable(std::string_view code);

/// "ug/kg.min": UCUM reads from left to right, so that the minutes multiply, and nearly all who write it mean that they divide.
bool is_mixed(std::string_view code);

}  // namespace lacuna
