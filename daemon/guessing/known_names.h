#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace lacuna::daemon {

/// A unit in which a quantity is reported. The ranges are wide: what is outside of the plausible one is a mistake, and where the middle of
/// many patients is outside of the typical one, the numbers are in another unit.
struct KnownUnit {
  std::string_view code;             ///< UCUM; empty: a pure number
  double low, high;                  ///< plausible for one value
  double typical_low, typical_high;  ///< for the median of a column
};

/// What a column is by its name alone.
struct KnownName {
  std::string_view names;  ///< as key_of() gives them, parted by blanks
  std::string_view group;  ///< "vitals", "chemistry", ...: what it is usually looked at with
  KnownUnit units[3];      ///< the likeliest first; fewer: `high` is 0
};

/// Lower-case letters and digits alone: "alk.phos" is "alkphos".
std::string key_of(std::string_view name);
/// Null for what is not known.
const KnownName* find_known(std::string_view name);
/// Whether the name's key is among `keys`, which are parted by blanks.
bool is_among(std::string_view name, std::string_view keys);

/// As the schema wants it: snake_case, at most 48 bytes, beginning with a letter: "NIDiasABP" is ni_dias_abp, "pH" ph.
std::string schema_name(std::string_view name);

}  // namespace lacuna::daemon
