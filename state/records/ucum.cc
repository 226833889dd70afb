#include "state/records/ucum.h"

#include <algorithm>
#include <cctype>
#include <span>
#include <utility>

// A unit is read as factor x base units. Factors are long double so that 37 Cel becomes 98.6 [degF] and not 98.60000000000001.

namespace lacuna {
namespace {

struct Atom {
  std::string_view symbol;
  long double factor;  // to base units
  UnitDimension dimension;
  bool metric = false;     // takes prefixes
  long double offset = 0;  // kelvin = factor * x + offset; only where a unit stands alone
};

//                                          m  g  s  K  C mol eq os iU pH
constexpr UnitDimension kNone{};
constexpr UnitDimension kLength{{1}};
constexpr UnitDimension kMass{{0, 1}};
constexpr UnitDimension kTime{{0, 0, 1}};
constexpr UnitDimension kTemperature{{0, 0, 0, 1}};
constexpr UnitDimension kCharge{{0, 0, 0, 0, 1}};
constexpr UnitDimension kAmount{{0, 0, 0, 0, 0, 1}};
constexpr UnitDimension kInternational{{0, 0, 0, 0, 0, 0, 0, 0, 1}};
constexpr UnitDimension kVolume{{3}};
constexpr UnitDimension kPressure{{-1, 1, -2}};
constexpr UnitDimension kEnergy{{2, 1, -2}};
constexpr UnitDimension kPower{{2, 1, -3}};
constexpr UnitDimension kForce{{1, 1, -2}};
constexpr UnitDimension kVoltage{{2, 1, -2, 0, -1}};
constexpr UnitDimension kCurrent{{0, 0, -1, 0, 1}};
constexpr UnitDimension kResistance{{2, 1, -1, 0, -2}};
constexpr UnitDimension kFrequency{{0, 0, -1}};
constexpr UnitDimension kCatalysis{{0, 0, -1, 0, 0, 1}};
constexpr UnitDimension kDose{{2, 0, -2}};

constexpr long double kPascal = 1e3L, kMercury = 133322e3L, kWater = 9806.65e3L, kDay = 86400, kInch = 0.0254L;

// Only what is certain and measured in hospitals.
constexpr std::array kAtoms{
    Atom{"m", 1, kLength, true},
    Atom{"g", 1, kMass, true},
    Atom{"s", 1, kTime, true},
    Atom{"K", 1, kTemperature, true},
    Atom{"C", 1, kCharge, true},
    Atom{"mol", 1, kAmount, true},
    Atom{"eq", 1, {{0, 0, 0, 0, 0, 0, 1}}, true},
    Atom{"osm", 1, {{0, 0, 0, 0, 0, 0, 0, 1}}, true},
    Atom{"[iU]", 1, kInternational, true},
    Atom{"[IU]", 1, kInternational, true},
    Atom{"[pH]", 1, {{0, 0, 0, 0, 0, 0, 0, 0, 0, 1}}},
    Atom{"L", 1e-3L, kVolume, true},
    Atom{"l", 1e-3L, kVolume, true},
    Atom{"min", 60, kTime},
    Atom{"h", 3600, kTime},
    Atom{"d", kDay, kTime},
    Atom{"wk", 7 * kDay, kTime},
    Atom{"mo", 365.25L / 12 * kDay, kTime},  // UCUM's month and year are the mean Julian ones
    Atom{"a", 365.25L * kDay, kTime},
    Atom{"Hz", 1, kFrequency, true},
    Atom{"Bq", 1, kFrequency, true},
    Atom{"Ci", 37e9L, kFrequency, true},
    Atom{"Gy", 1, kDose, true},
    Atom{"Sv", 1, kDose, true},
    Atom{"Cel", 1, kTemperature, false, 273.15L},
    Atom{"[degF]", 5.0L / 9, kTemperature, false, 459.67L * 5 / 9},
    Atom{"Pa", kPascal, kPressure, true},
    Atom{"bar", 1e5L * kPascal, kPressure, true},
    Atom{"atm", 101325 * kPascal, kPressure},
    Atom{"m[Hg]", kMercury, kPressure, true},
    Atom{"m[H2O]", kWater, kPressure, true},
    Atom{"[in_i'Hg]", kMercury* kInch, kPressure},
    Atom{"[in_i'H2O]", kWater* kInch, kPressure},
    Atom{"[psi]", 6894757.293168361L, kPressure},
    Atom{"N", 1e3L, kForce, true},
    Atom{"dyn", 1e-2L, kForce, true},
    Atom{"J", 1e3L, kEnergy, true},
    Atom{"cal", 4184, kEnergy, true},
    Atom{"[Cal]", 4184e3L, kEnergy},
    Atom{"W", 1e3L, kPower, true},
    Atom{"V", 1e3L, kVoltage, true},
    Atom{"A", 1, kCurrent, true},
    Atom{"Ohm", 1e3L, kResistance, true},
    Atom{"P", 1e2L, {{-1, 1, -1}}, true},
    Atom{"St", 1e-4L, {{2, 0, -1}}, true},
    Atom{"[wood'U]", kMercury * 1e-3L * 60 / 1e-3L, {{-4, 1, -1}}},
    Atom{"[PRU]", kMercury * 1e-3L / 1e-6L, {{-4, 1, -1}}},
    Atom{"[diop]", 1, {{-1}}},
    Atom{"[MET]", 3.5e-6L / 60 / 1e3L, {{3, -1, -1}}},
    Atom{"[drp]", 1e-6L / 20, kVolume},
    Atom{"[Ch]", 1e-3L / 3, kLength},
    Atom{"U", 1e-6L / 60, kCatalysis, true},
    Atom{"kat", 1, kCatalysis, true},
    Atom{"t", 1e6L, kMass, true},
    Atom{"[gr]", 0.06479891L, kMass},
    Atom{"[lb_av]", 453.59237L, kMass},
    Atom{"[oz_av]", 28.349523125L, kMass},
    Atom{"[stone_av]", 14 * 453.59237L, kMass},
    Atom{"g%", 1e4L, {{-3, 1}}, true},
    Atom{"[foz_us]", 231 * kInch* kInch* kInch / 128, kVolume},
    Atom{"[in_i]", kInch, kLength},
    Atom{"[ft_i]", 12 * kInch, kLength},
    Atom{"%", 1e-2L, kNone},
    Atom{"[ppth]", 1e-3L, kNone},
    Atom{"[ppm]", 1e-6L, kNone},
    Atom{"[ppb]", 1e-9L, kNone},
    Atom{"[pptr]", 1e-12L, kNone},
};

// The other atoms of UCUM 2.2: codes all the same, which convert to nothing but themselves.
constexpr std::string_view kOtherMetric[] = {
    "rad",    "cd",   "sr",    "F",     "S",        "Wb",       "T",      "H",      "lm",     "lx",    "ar",  "u",
    "eV",     "pc",   "[c]",   "[h]",   "[k]",      "[eps_0]",  "[mu_0]", "[e]",    "[m_e]",  "[m_p]", "[G]", "[g]",
    "[ly]",   "gf",   "Ky",    "Gal",   "erg",      "Bi",       "Mx",     "G",      "Oe",     "Gb",    "sb",  "Lmb",
    "ph",     "R",    "RAD",   "REM",   "cal_[15]", "cal_[20]", "cal_m",  "cal_IT", "cal_th", "tex",   "Np",  "B",
    "B[SPL]", "B[V]", "B[mV]", "B[uV]", "B[10.nV]", "B[W]",     "B[kW]",  "st",     "mho",    "bit",   "By",  "Bd",
};
constexpr std::string_view kOtherPlain[] = {
    "[pi]",      "gon",       "deg",      "'",        "''",          "a_t",       "a_j",         "a_g",      "mo_s",      "mo_j",
    "mo_g",      "AU",        "[lbf_av]", "[yd_i]",   "[mi_i]",      "[fth_i]",   "[nmi_i]",     "[kn_i]",   "[sin_i]",   "[sft_i]",
    "[syd_i]",   "[cin_i]",   "[cft_i]",  "[cyd_i]",  "[bf_i]",      "[cr_i]",    "[mil_i]",     "[cml_i]",  "[hd_i]",    "[ft_us]",
    "[yd_us]",   "[in_us]",   "[rd_us]",  "[ch_us]",  "[lk_us]",     "[rch_us]",  "[rlk_us]",    "[fth_us]", "[fur_us]",  "[mi_us]",
    "[acr_us]",  "[srd_us]",  "[smi_us]", "[sct]",    "[twp]",       "[mil_us]",  "[in_br]",     "[ft_br]",  "[rd_br]",   "[ch_br]",
    "[lk_br]",   "[fth_br]",  "[pc_br]",  "[yd_br]",  "[mi_br]",     "[nmi_br]",  "[kn_br]",     "[acr_br]", "[gal_us]",  "[bbl_us]",
    "[qt_us]",   "[pt_us]",   "[gil_us]", "[fdr_us]", "[min_us]",    "[crd_us]",  "[bu_us]",     "[gal_wi]", "[pk_us]",   "[dqt_us]",
    "[dpt_us]",  "[tbs_us]",  "[tsp_us]", "[cup_us]", "[foz_m]",     "[cup_m]",   "[tsp_m]",     "[tbs_m]",  "[gal_br]",  "[pk_br]",
    "[bu_br]",   "[qt_br]",   "[pt_br]",  "[gil_br]", "[foz_br]",    "[fdr_br]",  "[min_br]",    "[dr_av]",  "[scwt_av]", "[lcwt_av]",
    "[ston_av]", "[lton_av]", "[pwt_tr]", "[oz_tr]",  "[lb_tr]",     "[sc_ap]",   "[dr_ap]",     "[oz_ap]",  "[lb_ap]",   "[oz_m]",
    "[lne]",     "[pnt]",     "[pca]",    "[pnt_pr]", "[pca_pr]",    "[pied]",    "[pouce]",     "[ligne]",  "[didot]",   "[cicero]",
    "[degR]",    "[degRe]",   "[Btu_39]", "[Btu_59]", "[Btu_60]",    "[Btu_m]",   "[Btu_IT]",    "[Btu_th]", "[Btu]",     "[HP]",
    "[den]",     "[p'diop]",  "%[slope]", "[mesh_i]", "[hnsf'U]",    "[hp'_X]",   "[hp'_C]",     "[hp'_M]",  "[hp'_Q]",   "[hp_X]",
    "[hp_C]",    "[hp_M]",    "[hp_Q]",   "[kp_X]",   "[kp_C]",      "[kp_M]",    "[kp_Q]",      "[S]",      "[HPF]",     "[LPF]",
    "[arb'U]",   "[USP'U]",   "[GPL'U]",  "[MPL'U]",  "[APL'U]",     "[beth'U]",  "[anti'Xa'U]", "[todd'U]", "[dye'U]",   "[smgy'U]",
    "[bdsk'U]",  "[ka'U]",    "[knk'U]",  "[mclg'U]", "[tb'U]",      "[CCID_50]", "[TCID_50]",   "[EID_50]", "[PFU]",     "[FFU]",
    "[CFU]",     "[IR]",      "[BAU]",    "[AU]",     "[Amb'a'1'U]", "[PNU]",     "[Lf]",        "[D'ag'U]", "[FEU]",     "[ELU]",
    "[EU]",      "Ao",        "b",        "att",      "circ",        "sph",       "[car_m]",     "[car_Au]", "[smoot]",   "[m/s2/Hz^(1/2)]",
    "[NTU]",     "[FNU]",     "bit_s",
};

struct Prefix {
  std::string_view symbol;
  long double factor;
};
constexpr Prefix kPrefixes[] = {{"da", 1e1L}, {"y", 1e-24L}, {"z", 1e-21L}, {"a", 1e-18L}, {"f", 1e-15L}, {"p", 1e-12L}, {"n", 1e-9L},
                                {"u", 1e-6L}, {"m", 1e-3L},  {"c", 1e-2L},  {"d", 1e-1L},  {"h", 1e2L},   {"k", 1e3L},   {"M", 1e6L},
                                {"G", 1e9L},  {"T", 1e12L},  {"P", 1e15L},  {"E", 1e18L},  {"Z", 1e21L},  {"Y", 1e24L}};

// Annotations on a unit that say what is counted, or in what: within one feature they change nothing.
constexpr std::string_view kHarmless[] = {"cells",   "cell",  "wbc",   "rbc", "plt",  "count",     "counts", "beats",
                                          "breaths", "spo2",  "o2",    "hb",  "hgb",  "hba1c",     "total",  "serum",
                                          "plasma",  "blood", "creat", "cre", "crea", "creatinine"};

constexpr int kExponentMax = 18;      // of 10*
constexpr int kDimensionMax = 6;      // |exponent| of a unit
constexpr std::size_t kTermsMax = 8;  // components of one unit

bool is_one_of(std::string_view symbol, std::span<const std::string_view> list) { return std::ranges::find(list, symbol) != list.end(); }

bool is_harmless(std::string_view annotation) {
  std::string low(annotation);
  std::ranges::transform(low, low.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return is_one_of(low, kHarmless);
}

struct Component {
  long double factor = 1;
  long double offset = 0;
  UnitDimension dimension{};
  bool is_kind = false;  // stands for itself alone
  std::string_view symbol;
};

std::optional<Component> find_unprefixed(std::string_view symbol, bool metric) {
  for (const Atom& atom : kAtoms) {
    if (atom.symbol == symbol && (atom.metric || !metric)) return Component{atom.factor, atom.offset, atom.dimension, false, symbol};
  }
  if (is_one_of(symbol, kOtherMetric) || (!metric && is_one_of(symbol, kOtherPlain))) return Component{1, 0, {}, true, symbol};
  return std::nullopt;
}

std::optional<Component> find_atom(std::string_view symbol) {
  if (const auto whole = find_unprefixed(symbol, false)) return whole;
  for (const Prefix& prefix : kPrefixes) {
    if (!symbol.starts_with(prefix.symbol)) continue;
    std::optional<Component> found = find_unprefixed(symbol.substr(prefix.symbol.size()), true);
    if (!found) continue;
    found->factor *= prefix.factor;
    return found;
  }
  return std::nullopt;
}

long double power(long double base, int exponent) {
  long double result = 1;
  for (int i = 0; i < (exponent < 0 ? -exponent : exponent); ++i) result *= base;
  return exponent < 0 ? 1 / result : result;
}

class Parser {
 public:
  explicit Parser(std::string_view text) : left_(text) {}

  std::optional<UcumUnit> parse() {
    if (left_.empty()) return UcumUnit{};  // "" is the pure number
    if (!term(false, false)) return std::nullopt;
    return std::move(unit_);
  }

 private:
  bool take(char c) {
    if (left_.empty() || left_.front() != c) return false;
    left_.remove_prefix(1);
    return true;
  }
  static bool is_digit(char c) { return c >= '0' && c <= '9'; }

  // Up to the end, or to the parenthesis that closes it.
  bool term(bool invert, bool nested) {
    bool divide = take('/');
    while (components_++ < kTermsMax) {
      if (!component(divide != invert)) return false;
      if (left_.empty()) return !nested;
      if (nested && take(')')) return true;
      divide = take('/');
      if (!divide && !take('.')) return false;
      if (affine_) return false;  // Cel/h: is it a difference or a temperature? Not ours to say
    }
    return false;
  }

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
    if (end == std::string_view::npos || left_.find('{', 1) < end) return false;
    if (matters && !is_harmless(left_.substr(1, end - 1))) unit_.kinds.emplace_back(left_.substr(0, end + 1));
    left_.remove_prefix(end + 1);
    return true;
  }

  bool component(bool divide) {
    const bool first = std::exchange(first_, false);
    if (take('(')) return term(divide, true);
    if (left_.starts_with('{')) return annotation(divide);
    if (left_.starts_with("10*") || left_.starts_with("10^")) {
      left_.remove_prefix(3);
      const auto n = exponent();
      if (!n || *n > kExponentMax || *n < -kExponentMax) return false;
      unit_.factor *= power(10, divide ? -*n : *n);
      return left_.starts_with('{') ? annotation(divide) : true;
    }
    if (!left_.empty() && is_digit(left_.front())) return number(divide);
    return atom(divide, first);
  }

  bool number(bool divide) {
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

  // Where the symbol ends. Inside brackets anything goes.
  std::size_t symbol_size() const {
    bool bracket = false;
    for (std::size_t i = 0; i < left_.size(); ++i) {
      const char c = left_[i];
      if (c == '[') bracket = true;
      if (!bracket && (std::string_view("./(){+-").find(c) != std::string_view::npos || is_digit(c))) return i;
      if (c == ']') bracket = false;
    }
    return left_.size();
  }

  bool atom(bool divide, bool first) {
    const std::size_t size = symbol_size();
    const auto found = find_atom(left_.substr(0, size));
    if (!found) return false;
    left_.remove_prefix(size);
    const bool alone = left_.empty();
    const auto n = exponent();
    if (!n || *n > kDimensionMax || *n < -kDimensionMax) return false;
    if (found->offset != 0) {
      if (divide || !first || !alone) return false;
      affine_ = true;
      unit_.offset = found->offset;
    }
    const int signed_n = divide ? -*n : *n;
    unit_.factor *= power(found->factor, signed_n);
    for (std::size_t i = 0; i < kUnitBases; ++i) {
      unit_.dimension[i] = static_cast<std::int16_t>(unit_.dimension[i] + signed_n * found->dimension[i]);
    }
    unit_.has_moles = unit_.has_moles || found->dimension[kMole] != 0;
    if (found->is_kind) unit_.kinds.push_back(std::string(found->symbol) + (signed_n == 1 ? "" : std::to_string(signed_n)));
    return left_.starts_with('{') ? annotation(true) : true;
  }

  std::string_view left_;
  UcumUnit unit_;
  std::size_t components_ = 0;
  bool first_ = true;
  bool affine_ = false;
};

}  // namespace

std::optional<UcumUnit> read_ucum(std::string_view code) { return Parser(code).parse(); }

}  // namespace lacuna
