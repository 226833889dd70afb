#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lacuna {

/// What every unit is made of. Equivalents, osmoles and international units are dimensions of their own: without knowing the substance they
/// convert to nothing else. So is pH, a logarithm.
enum UnitBase : std::uint8_t {
  kMeter,
  kGram,
  kSecond,
  kKelvin,
  kCoulomb,
  kMole,
  kEquivalent,
  kOsmole,
  kInternationalUnit,
  kPh,
  kUnitBases
};
using UnitDimension = std::array<std::int16_t, kUnitBases>;

/// A UCUM code that was read. Two units convert where dimension and kinds are equal.
struct UcumUnit {
  long double factor = 1;  ///< base units = factor x value + offset
  long double offset = 0;  ///< of temperatures that stand alone
  UnitDimension dimension{};
  /// What does not turn into anything else, in order: annotations that may change the meaning ("{FEU}"), arbitrary units ("[CFU]"), and
  /// units whose size is not told here ("[gal_us]").
  std::vector<std::string> kinds{};
  bool has_moles = false;  ///< "mmol/mol" is a ratio of amounts, "%" is not
  /// A code all right, but what stands there was meant otherwise: a million litres ("ML"), a number that is no power of ten ("103/uL", a
  /// superscript lost; "1.73", which UCUM reads as 1 times 73).
  bool improbable = false;
};

/// UCUM 2.2, case-sensitive, with parentheses. Empty for what is no code, and for what cannot be told apart: a temperature in a product
/// ("Cel/h") may be a difference or a temperature.
std::optional<UcumUnit> read_ucum(std::string_view code);

}  // namespace lacuna
