#include "state/records/ucum.h"

#include <algorithm>
#include <cctype>
#include <span>
#include <utility>

#include "state/records/ucum_atoms.h"

// A unit is read as factor x base units. Factors are long double so that 37 Cel becomes 98.6 [degF] and not 98.60000000000001.

namespace lacuna {
namespace {

using ucum_atoms::Atom;
using ucum_atoms::kAtoms;
using ucum_atoms::kOtherMetric;
using ucum_atoms::kOtherPlain;
using ucum_atoms::kPrefixes;
using ucum_atoms::Prefix;

// Annotations on a unit that say what is counted, or in what: within one feature they change nothing.
constexpr std::string_view kHarmless[] = {"cells", "cell", "wbc", "rbc",   "plt",   "count", "counts", "beats", "breaths",   "spo2",
                                          "o2",    "hb",   "hgb", "hba1c", "total", "creat", "cre",    "crea",  "creatinine"};

// Of which nobody has millions: a capital there is a small letter that was shouted.
constexpr std::string_view kNeverMillions[] = {"m", "g", "L", "l", "mol", "eq", "osm", "U", "[iU]", "[IU]", "s"};
constexpr long double kMega = 1e6L;

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
  bool improbable = false;
  std::string_view symbol;
};

std::optional<Component> find_unprefixed(std::string_view symbol, bool metric) {
  for (const Atom& atom : kAtoms) {
    if (atom.symbol == symbol && (atom.metric || !metric)) return Component{atom.factor, atom.offset, atom.dimension, false, false, symbol};
  }
  if (is_one_of(symbol, kOtherMetric) || (!metric && is_one_of(symbol, kOtherPlain))) return Component{1, 0, {}, true, false, symbol};
  return std::nullopt;
}

std::optional<Component> find_atom(std::string_view symbol) {
  if (const auto whole = find_unprefixed(symbol, false)) return whole;
  for (const Prefix& prefix : kPrefixes) {
    if (!symbol.starts_with(prefix.symbol)) continue;
    std::optional<Component> found = find_unprefixed(symbol.substr(prefix.symbol.size()), true);
    if (!found) continue;
    found->factor *= prefix.factor;
    found->improbable = prefix.factor >= kMega && is_one_of(found->symbol, kNeverMillions);
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
    const std::string_view text = left_.substr(1, end - 1);
    if (std::ranges::any_of(text, [](char c) { return c < 33 || c > 126; })) return false;
    if ((matters && !is_harmless(text)) || text == "FEU" || text == "DDU") unit_.kinds.emplace_back(left_.substr(0, end + 1));
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
    if (!left_.empty() && is_digit(left_.front())) return number(divide, first);
    return atom(divide, first);
  }

  bool number(bool divide, bool first) {
    long double value = 0;
    std::size_t used = 0;
    while (used < left_.size() && is_digit(left_[used])) {
      if (used == 9) return false;
      value = value * 10 + (left_[used++] - '0');
    }
    const std::string_view digits = left_.substr(0, used);
    left_.remove_prefix(used);
    if (value == 0) return false;
    const bool power_of_ten = digits.front() == '1' && digits.find_first_not_of('0', 1) == std::string_view::npos;
    const bool fraction = left_.size() > 1 && left_.front() == '.' && is_digit(left_[1]);
    unit_.improbable = unit_.improbable || fraction || (first && !divide && !power_of_ten);
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
    unit_.improbable = unit_.improbable || found->improbable;
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
