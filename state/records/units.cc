#include "state/records/units.h"

#include <array>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

// UCUM conversions by dimension: a unit is read as factor x base units, and two units convert when their dimensions
// agree. Only what is certain is in the tables; everything else is refused rather than guessed. Factors are long double
// so that 37 Cel becomes 98.6 [degF] and not 98.60000000000001.

#include "state/records/schema.h"

namespace lacuna {

namespace {

// Equivalents, arbitrary units and osmoles are dimensions of their own: without knowing the substance they convert to
// nothing else. So is pH, a logarithm.
enum Base : std::uint8_t { kMeter, kGram, kSecond, kKelvin, kCoulomb, kMole, kEquivalent, kOsmole, kArbitrary, kPh, kBases };
using Dimension = std::array<std::int16_t, kBases>;

struct Atom {
  std::string_view symbol;
  long double factor;  // to base units
  Dimension dimension;
  bool metric = false;     // takes prefixes
  long double offset = 0;  // kelvin = factor * x + offset; only where a unit stands alone
};

//                                      m  g  s  K  C mol eq os iU pH
constexpr Dimension kNone{};
constexpr Dimension kLength{{1}};
constexpr Dimension kMass{{0, 1}};
constexpr Dimension kTime{{0, 0, 1}};
constexpr Dimension kTemperature{{0, 0, 0, 1}};
constexpr Dimension kCharge{{0, 0, 0, 0, 1}};
constexpr Dimension kAmount{{0, 0, 0, 0, 0, 1}};
constexpr Dimension kVolume{{3}};
constexpr Dimension kPressure{{-1, 1, -2}};
constexpr Dimension kEnergy{{2, 1, -2}};
constexpr Dimension kPower{{2, 1, -3}};
constexpr Dimension kForce{{1, 1, -2}};
constexpr Dimension kVoltage{{2, 1, -2, 0, -1}};
constexpr Dimension kCurrent{{0, 0, -1, 0, 1}};
constexpr Dimension kFrequency{{0, 0, -1}};
constexpr Dimension kCatalysis{{0, 0, -1, 0, 0, 1}};

constexpr std::array kAtoms{
    Atom{"m", 1, kLength, true},
    Atom{"g", 1, kMass, true},
    Atom{"s", 1, kTime, true},
    Atom{"K", 1, kTemperature, true},
    Atom{"C", 1, kCharge, true},
    Atom{"mol", 1, kAmount, true},
    Atom{"eq", 1, {{0, 0, 0, 0, 0, 0, 1}}, true},
    Atom{"osm", 1, {{0, 0, 0, 0, 0, 0, 0, 1}}, true},
    Atom{"[iU]", 1, {{0, 0, 0, 0, 0, 0, 0, 0, 1}}, true},
    Atom{"[IU]", 1, {{0, 0, 0, 0, 0, 0, 0, 0, 1}}, true},
    Atom{"[pH]", 1, {{0, 0, 0, 0, 0, 0, 0, 0, 0, 1}}},
    Atom{"L", 1e-3L, kVolume, true},
    Atom{"l", 1e-3L, kVolume, true},
    Atom{"min", 60, kTime},
    Atom{"h", 3600, kTime},
    Atom{"d", 86400, kTime},
    Atom{"wk", 604800, kTime},
    Atom{"Hz", 1, kFrequency, true},
    Atom{"Cel", 1, kTemperature, false, 273.15L},
    Atom{"[degF]", 5.0L / 9, kTemperature, false, 459.67L * 5 / 9},
    Atom{"Pa", 1e3L, kPressure, true},
    Atom{"bar", 1e8L, kPressure, true},
    Atom{"atm", 101325e3L, kPressure},
    Atom{"m[Hg]", 133322e3L, kPressure, true},
    Atom{"m[H2O]", 9806.65e3L, kPressure, true},
    Atom{"[psi]", 6894757.293168361L, kPressure},
    Atom{"N", 1e3L, kForce, true},
    Atom{"J", 1e3L, kEnergy, true},
    Atom{"cal", 4184, kEnergy, true},
    Atom{"W", 1e3L, kPower, true},
    Atom{"V", 1e3L, kVoltage, true},
    Atom{"A", 1, kCurrent, true},
    Atom{"U", 1e-6L / 60, kCatalysis, true},
    Atom{"kat", 1, kCatalysis, true},
    Atom{"t", 1e6L, kMass, true},
    Atom{"[lb_av]", 453.59237L, kMass},
    Atom{"[oz_av]", 28.349523125L, kMass},
    Atom{"[in_i]", 0.0254L, kLength},
    Atom{"[ft_i]", 0.3048L, kLength},
    Atom{"%", 1e-2L, kNone},
    Atom{"[ppth]", 1e-3L, kNone},
    Atom{"[ppm]", 1e-6L, kNone},
};

struct Prefix {
  std::string_view symbol;
  long double factor;
};
constexpr std::array kPrefixes{Prefix{"da", 1e1L}, Prefix{"f", 1e-15L}, Prefix{"p", 1e-12L}, Prefix{"n", 1e-9L},
                               Prefix{"u", 1e-6L}, Prefix{"m", 1e-3L},  Prefix{"c", 1e-2L},  Prefix{"d", 1e-1L},
                               Prefix{"h", 1e2L},  Prefix{"k", 1e3L},   Prefix{"M", 1e6L},   Prefix{"G", 1e9L}};

// Grams per mole, and charges per molecule where electrolytes are reported in equivalents. A name is listed only where
// laboratories agree on what is weighed; the conventions are spelled out in docs/messages.md.
struct Substance {
  std::string_view feature;
  double grams_per_mole;
  double charges = 0;  // 0: not reported in equivalents
};
constexpr std::array kSubstances{
    Substance{"glucose", 180.156},
    Substance{"creatinine", 113.12},
    Substance{"bun", 28.014},
    Substance{"urea_nitrogen", 28.014},
    Substance{"urea", 60.056},
    Substance{"bilirubin", 584.66},
    Substance{"bilirubin_total", 584.66},
    Substance{"bilirubin_direct", 584.66},
    Substance{"cholesterol", 386.65},
    Substance{"cholesterol_hdl", 386.65},
    Substance{"cholesterol_ldl", 386.65},
    Substance{"triglycerides", 885.7},
    Substance{"lactate", 90.08},
    Substance{"uric_acid", 168.11},
    Substance{"iron", 55.845},
    Substance{"ammonia", 17.031},
    Substance{"phosphate", 30.974},
    Substance{"phosphorus", 30.974},
    Substance{"hemoglobin", 16114.5},
    Substance{"haemoglobin", 16114.5},
    Substance{"calcium", 40.078, 2},
    Substance{"calcium_ionized", 40.078, 2},
    Substance{"magnesium", 24.305, 2},
    Substance{"sodium", 22.990, 1},
    Substance{"potassium", 39.098, 1},
    Substance{"chloride", 35.45, 1},
    Substance{"bicarbonate", 61.017, 1},
    Substance{"hco3", 61.017, 1},
    Substance{"mg", 24.305, 2},
    Substance{"na", 22.990, 1},
    Substance{"k", 39.098, 1},
    Substance{"cl", 35.45, 1},
    Substance{"ca", 40.078, 2},
};

struct Unit {
  long double factor = 1;
  long double offset = 0;
  Dimension dimension{};
  std::vector<std::string_view> annotations;  // those that may change the meaning
};

constexpr int kExponentMax = 18;      // of 10*
constexpr int kDimensionMax = 6;      // |exponent| of a unit
constexpr std::size_t kTermsMax = 8;  // components of one unit

struct Component {
  long double factor = 1;
  long double offset = 0;
  Dimension dimension{};
};

std::optional<Component> find_atom(std::string_view symbol) {
  for (const Atom& atom : kAtoms) {
    if (atom.symbol == symbol) return Component{atom.factor, atom.offset, atom.dimension};
  }
  for (const Prefix& prefix : kPrefixes) {
    if (!symbol.starts_with(prefix.symbol)) continue;
    for (const Atom& atom : kAtoms) {
      if (atom.metric && atom.symbol == symbol.substr(prefix.symbol.size())) {
        return Component{prefix.factor * atom.factor, 0, atom.dimension};
      }
    }
  }
  return std::nullopt;
}

long double power(long double base, int exponent) {
  long double result = 1;
  for (int i = 0; i < (exponent < 0 ? -exponent : exponent); ++i) result *= base;
  return exponent < 0 ? 1 / result : result;
}

class UnitParser {
 public:
  explicit UnitParser(std::string_view text) : left_(text) {}

  std::optional<Unit> parse() {
    bool divide = take('/');
    if (left_.empty()) return divide ? std::nullopt : std::optional<Unit>(Unit{});  // "" is the pure number
    for (std::size_t terms = 1; terms <= kTermsMax; ++terms) {
      if (!parse_component(divide, terms == 1)) return std::nullopt;
      if (left_.empty()) return unit_;
      divide = take('/');
      if (!divide && !take('.')) return std::nullopt;
      unit_.offset = 0;
      if (affine_) return std::nullopt;  // Cel/h: is it a difference or a temperature? Not ours to say
    }
    return std::nullopt;
  }

 private:
  bool take(char c) {
    if (left_.empty() || left_.front() != c) return false;
    left_.remove_prefix(1);
    return true;
  }
  static bool is_digit(char c) { return c >= '0' && c <= '9'; }

  // [+-]digits, at most two of them; 1 when there is none, empty when it is wrong.
  std::optional<int> exponent() {
    const bool minus = take('-');
    const bool plus = !minus && take('+');
    int value = 0;
    std::size_t used = 0;
    while (used < left_.size() && is_digit(left_[used])) {
      if (used == 2) return std::nullopt;
      value = value * 10 + (left_[used++] - '0');
    }
    left_.remove_prefix(used);
    if (used == 0) return minus || plus ? std::nullopt : std::optional<int>(1);
    return minus ? -value : value;
  }

  // "{beats}": says what is counted and has no say in the conversion; but "ug{FEU}/L" is not "ug/L", so one that hangs
  // on a unit, or divides, must be the same on both sides.
  bool annotation(bool matters) {
    const auto end = left_.find('}');
    if (end == std::string_view::npos) return false;
    if (matters) unit_.annotations.push_back(left_.substr(0, end + 1));
    left_.remove_prefix(end + 1);
    return true;
  }

  bool parse_component(bool divide, bool first) {
    if (left_.starts_with('{')) return annotation(divide);
    if (left_.starts_with("10*") || left_.starts_with("10^")) {
      left_.remove_prefix(3);
      const auto n = exponent();
      if (!n || *n > kExponentMax || *n < -kExponentMax) return false;
      unit_.factor *= power(10, divide ? -*n : *n);
      return left_.starts_with('{') ? annotation(divide) : true;
    }
    if (!left_.empty() && is_digit(left_.front())) return parse_number(divide);
    return parse_atom(divide, first);
  }

  bool parse_number(bool divide) {
    long double value = 0;
    std::size_t used = 0;
    while (used < left_.size() && is_digit(left_[used])) {
      if (used == 9) return false;
      value = value * 10 + (left_[used++] - '0');
    }
    left_.remove_prefix(used);
    if (value == 0) return false;
    unit_.factor = divide ? unit_.factor / value : unit_.factor * value;
    return left_.starts_with('{') ? annotation(divide) : true;
  }

  bool parse_atom(bool divide, bool first) {
    std::size_t size = 0;
    bool bracket = false;
    for (; size < left_.size(); ++size) {
      const char c = left_[size];
      if (c == '[') bracket = true;
      if (!bracket && (c == '.' || c == '/' || c == '{' || c == '+' || c == '-' || is_digit(c))) break;
      if (c == ']') bracket = false;
    }
    const auto atom = find_atom(left_.substr(0, size));
    if (!atom) return false;
    left_.remove_prefix(size);
    const bool alone = left_.empty();
    const auto n = exponent();
    if (!n || *n > kDimensionMax || *n < -kDimensionMax) return false;
    if (atom->offset != 0) {
      if (divide || !first || !alone) return false;
      affine_ = true;
      unit_.offset = atom->offset;
    }
    const int signed_n = divide ? -*n : *n;
    unit_.factor *= power(atom->factor, signed_n);
    for (std::size_t i = 0; i < kBases; ++i) {
      unit_.dimension[i] = static_cast<std::int16_t>(unit_.dimension[i] + signed_n * atom->dimension[i]);
    }
    return left_.starts_with('{') ? annotation(true) : true;
  }

  std::string_view left_;
  Unit unit_;
  bool affine_ = false;
};

// Rewrites mass and equivalents of a known substance as amount, so that its units share one dimension.
void to_amount(const Substance& substance, Unit& unit) {
  auto& d = unit.dimension;
  // Only a plain quantity of the substance: its mass may not be confused with the kilograms inside a pascal.
  if (d[kGram] == 1 && d[kMole] == 0 && d[kEquivalent] == 0) {
    unit.factor /= static_cast<long double>(substance.grams_per_mole);
    d[kGram] = 0;
    d[kMole] = 1;
  } else if (d[kEquivalent] == 1 && d[kMole] == 0 && d[kGram] == 0 && substance.charges > 0) {
    unit.factor /= static_cast<long double>(substance.charges);
    d[kEquivalent] = 0;
    d[kMole] = 1;
  }
}

bool is_ph(std::string_view unit) { return unit == "[pH]" || unit.empty() || unit == "1"; }

}  // namespace

std::optional<UnitConversion> unit_conversion(std::string_view feature, std::string_view from, std::string_view to) {
  if (from == to) return UnitConversion{};
  if (from.size() > kNameBytesMax || to.size() > kNameBytesMax) return std::nullopt;
  // Many declare pH as a pure number. As a logarithm it converts to nothing but itself: no percent, no ratio.
  if (is_ph(from) && is_ph(to)) return UnitConversion{};
  auto source = UnitParser(from).parse();
  auto target = UnitParser(to).parse();
  if (!source || !target || source->annotations != target->annotations) return std::nullopt;
  if (source->dimension != target->dimension) {
    for (const Substance& substance : kSubstances) {
      if (substance.feature != feature) continue;
      to_amount(substance, *source);
      to_amount(substance, *target);
    }
  }
  if (source->dimension != target->dimension) return std::nullopt;
  const UnitConversion conversion{static_cast<double>(source->factor / target->factor),
                                  static_cast<double>((source->offset - target->offset) / target->factor)};
  if (!std::isnormal(conversion.factor)) return std::nullopt;  // "kg6.kg6.kg6" to "ng6.ng6.ng6"
  return conversion;
}

}  // namespace lacuna
