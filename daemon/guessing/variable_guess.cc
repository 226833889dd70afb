#include "daemon/guessing/variable_guess.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "state/records/unit_spelling.h"
#include "state/records/units.h"
#include "streaming/messages/json_writer.h"

namespace lacuna::daemon {

namespace {

constexpr std::size_t kClassesMax = 60;
constexpr std::string_view kSexes = "sex gender geschlecht";

/// "Glucose (mg/dL)" is Glucose, in mg/dL.
std::pair<std::string, std::string> parted(const std::string& name) {
  for (const auto& [open, close] : {std::pair('(', ')'), std::pair('[', ']')}) {
    const std::size_t at = name.rfind(open);
    if (name.ends_with(close) && at != std::string::npos && at > 0) {
      return {name.substr(0, at), name.substr(at + 1, name.size() - at - 2)};
    }
  }
  return {name, ""};
}

/// The UCUM code of what is written. Empty: none.
std::string code_of(std::string_view written) {
  if (written.empty()) return "";
  const auto meant = ucum_codes_meant(written);
  if (!meant.empty()) return meant.front();
  return unit_problem(written) ? "" : std::string(written);
}

const KnownName* known_of(const Variable& variable) {
  const KnownName* known = find_known(variable.name);
  return known != nullptr ? known : find_known(parted(variable.name).first);
}

Limits limits_of(const KnownUnit& unit) { return {true, unit.low, unit.high}; }

double skewness(const std::vector<double>& x) {
  double mean = 0, second = 0, third = 0;
  for (const double v : x) mean += v / static_cast<double>(x.size());
  for (const double v : x) second += (v - mean) * (v - mean), third += (v - mean) * (v - mean) * (v - mean);
  const double n = static_cast<double>(x.size()), sd = std::sqrt(second / n);
  return sd > 0 ? third / n / (sd * sd * sd) : 0;
}

double deviation(const std::vector<double>& x) {
  double mean = 0, second = 0;
  for (const double v : x) mean += v / static_cast<double>(x.size());
  for (const double v : x) second += (v - mean) * (v - mean);
  return std::sqrt(second / static_cast<double>(x.size()));
}

/// Outwards to two figures.
double round_out(double value, bool up) {
  if (value == 0) return 0;
  const double step = std::pow(10, std::floor(std::log10(std::abs(value))) - 1);
  const double steps = value / step;
  return std::stod(fmt::format("{:.6g}", (up ? std::ceil(steps - 1e-9) : std::floor(steps + 1e-9)) * step));
}

class VariableDecision {
 public:
  VariableDecision(const Variable& variable, const UnitGuess& unit, const Marks& marks, const Course& course, const TableFacts& facts)
      : variable_(variable), profile_(variable.profile), unit_(unit), course_(course), facts_(facts) {
    known_ = known_of(variable);
    out_.marks = marks;
    out_.name = schema_name(parted(variable.name).first);
    out_.group = known_ != nullptr ? std::string(known_->group) : "";
    out_.afterwards = out_.group == "outcome";
    for (const auto& [value, count] : profile_.values()) {
      if (!marks.numbers.contains(value)) values_[value] = count;
    }
    for (const auto& [word, count] : profile_.words()) {
      if (!is_missing_word(word) && std::ranges::find(marks.words, word) == marks.words.end()) words_[word] = count;
    }
  }

  VariableGuess guess() {
    if (variable_.name.empty()) return left_out("has no name");
    std::uint64_t words = 0;
    for (const auto& [word, count] : words_) words += count;
    const bool numeric = profile_.numbers() > 0 && (words == 0 || 10 * profile_.numbers() >= 9 * (profile_.numbers() + words));
    filled_ = profile_.numbers() + words;
    for (const auto& [value, count] : values_) first_count_ = first_count_ == 0 ? count : first_count_;
    if (values_.empty() && words_.empty()) return left_out("has no value");
    if (numeric) take_numbers();
    else take_words();
    const bool quantity = !is_discrete(out_.likelihood);
    if (known_ != nullptr && known_->units[0].high > 0 && !quantity) out_.group.clear();  // "ca" that is a cancer
    if (out_.kind == VariableGuess::Kind::feature && is_id()) leave_out("an id");
    if (out_.kind == VariableGuess::Kind::feature && is_attribute()) to_attribute();
    if (out_.kind == VariableGuess::Kind::feature && is_seldom()) {
      leave_out(fmt::format("in {} of {} patients: too few to learn from", course_.patients, facts_.patients));
    }
    if (out_.kind == VariableGuess::Kind::left_out) out_.marks = {};
    return std::move(out_);
  }

 private:
  VariableGuess left_out(std::string why) {
    out_.kind = VariableGuess::Kind::left_out;
    out_.why = std::move(why);
    return std::move(out_);
  }
  void leave_out(std::string why) {
    out_.kind = VariableGuess::Kind::left_out;
    out_.why = std::move(why);
  }

  void take_words() {
    // Numbers among words are classes like them.
    std::vector<std::string> classes;
    for (const auto& [value, count] : values_) classes.push_back(number_text(value));
    for (const auto& [word, count] : words_) classes.push_back(word);
    const bool few =
        profile_.has_all_words() && profile_.has_all_values() && classes.size() <= kClassesMax && 5 * classes.size() <= filled_;
    if (!std::ranges::all_of(classes, streaming::is_utf8)) return leave_out("texts that are not UTF-8");
    if (classes.size() == 1) return leave_out("always the same: nothing to impute");
    if (!few) return leave_out(fmt::format("about {:.0f} different texts: free text, names or ids", profile_.distinct()));
    if (std::ranges::any_of(classes, [](const std::string& c) { return c.size() > kNameBytesMax; })) return leave_out("long texts");
    const auto is_truth = [](const std::string& c) { return c == "true" || c == "false" || c == "True" || c == "False"; };
    if (std::ranges::all_of(classes, is_truth)) {
      out_.likelihood = Likelihood::bernoulli;
      return;
    }
    to_classes(Likelihood::categorical, std::move(classes));
  }

  void to_classes(Likelihood likelihood, std::vector<std::string> classes) {
    out_.likelihood = likelihood;
    out_.categories = std::move(classes);
  }

  void take_numbers() {
    const std::vector<double> sample = profile_.sample(out_.marks.numbers);
    if (values_.size() == 1 && profile_.has_all_values()) return leave_out("always the same: nothing to impute");
    if (!profile_.has_all_values() || values_.size() > kClassesMax || sample.size() < 2 || !take_few_numbers()) take_many_numbers(sample);
  }

  bool is_whole() const {
    return std::ranges::all_of(values_, [](const auto& v) { return v.first == std::floor(v.first); });
  }

  /// Truths, classes, grades and counts. False: none of them.
  bool take_few_numbers() {
    constexpr std::size_t kLevelsMax = 10, kCountsMax = 40, kNominalMax = 5, kPartsMax = 6;
    const double low = values_.begin()->first, high = values_.rbegin()->first;
    const bool whole = is_whole(), has_unit = !unit_.code.empty() || (unit_.limits.known && !is_among(variable_.name, kSexes));
    if (values_.size() == 2 && low == 0 && high == 1 && variable_.cell_units.empty()) {
      out_.likelihood = Likelihood::bernoulli;
      return true;
    }
    // Classes are matched by value, which is read with a point.
    if (has_unit || (!whole && facts_.decimal != '.')) return false;
    const std::string key = key_of(variable_.name);
    const auto says = [&](std::string_view word) { return key.find(word) != std::string::npos; };
    const bool graded =
        says("stage") || says("grade") || says("class") || says("severity") || says("level") || says("edema") || says("score");
    const bool counted =
        whole && low >= 0 && values_.size() <= kCountsMax && 2 * static_cast<double>(values_.size()) > high && mostly_least();
    const bool says_count = says("count") || says("number") || (key.starts_with("num") && key.size() > 3);
    std::vector<std::string> classes;
    for (const auto& [value, count] : values_) classes.push_back(number_text(value));
    if (values_.size() == 2 || (whole && values_.size() <= kNominalMax && high - low <= 2 * kLevelsMax && !graded && !says_count)) {
      to_classes(Likelihood::categorical, std::move(classes));
    } else if (counted && low == 0 && (says_count || values_.size() > kLevelsMax)) {
      out_.likelihood = Likelihood::negative_binomial;
      set_range({values_.begin()->first, values_.rbegin()->first});
    } else if (whole ? values_.size() <= kLevelsMax && high - low <= 2 * kLevelsMax : values_.size() <= kPartsMax) {
      to_classes(Likelihood::ordinal, std::move(classes));
    } else {
      return false;
    }
    return true;
  }

  /// The least value is the most frequent one, and half of all are at most three.
  bool mostly_least() const {
    std::uint64_t most = 0, below = 0, all = 0;
    for (const auto& [value, count] : values_) {
      most = std::max(most, count);
      below += value <= 3 ? count : 0;
      all += count;
    }
    return first_count_ == most && 2 * below >= all;
  }

  void take_many_numbers(const std::vector<double>& sample) {
    out_.unit = unit_.code;
    out_.unit_is_guessed = unit_.guessed && !unit_.code.empty();
    doubt_unit();
    const Likelihood scale = guess_scale(sample);
    const auto outer = extremes();
    out_.likelihood = scale == Likelihood::log_normal && outer.first < 0 ? Likelihood::student_t : scale;
    if (out_.marks.too_many_beyond) {
      out_.doubts.push_back(fmt::format("has values outside of {} to {}, too many to be mistakes: its range is what is there",
                                        number_text(unit_.limits.low), number_text(unit_.limits.high)));
      if (out_.likelihood == Likelihood::normal) out_.likelihood = Likelihood::student_t;
    }
    set_range(outer);
  }

  /// Values that cannot be in the unit may be in another one.
  void doubt_unit() {
    constexpr std::size_t kFewMin = 3;
    if (known_ == nullptr || out_.marks.beyond < kFewMin) return;
    for (const KnownUnit& other : known_->units) {
      const auto fits = [&](double v) { return v >= other.typical_low && v <= other.typical_high; };
      const auto typical = static_cast<std::size_t>(std::ranges::count_if(out_.marks.numbers, fits));
      if (other.high <= 0 || other.code == unit_.code || 2 * typical <= out_.marks.numbers.size()) continue;
      out_.doubts.push_back(fmt::format("{} values that cannot be in {} could be in {}: convert them, else they are read as missing",
                                        out_.marks.beyond, unit_.code.empty() ? "the column's unit" : unit_.code,
                                        other.code.empty() ? "parts of one" : other.code));
    }
  }

  /// Lowest and highest that are no mark.
  std::pair<double, double> extremes() const {
    std::pair<double, double> out{0, 0};
    for (const auto& [value, count] : profile_.highest()) {
      if (!out_.marks.numbers.contains(value)) out.second = value;
    }
    for (auto at = profile_.lowest().rbegin(); at != profile_.lowest().rend(); ++at) {
      if (!out_.marks.numbers.contains(at->first)) out.first = at->first;
    }
    return out;
  }

  /// What the quantity can be, or what is there and half as much again.
  void set_range(std::pair<double, double> outer) {
    const bool fits = unit_.limits.known && outer.first >= unit_.limits.low && outer.second <= unit_.limits.high;
    const double margin = std::max((outer.second - outer.first) / 2, 1e-9 + std::abs(outer.second) / 10);
    constexpr double kHuge = 1e300;  // no number with room beyond it
    out_.has_range = outer.first > -kHuge && outer.second < kHuge;
    if (!out_.has_range) return;
    out_.low = fits ? unit_.limits.low : outer.first >= 0 ? 0 : round_out(outer.first - margin, false);
    out_.high = fits                                    ? unit_.limits.high
                : outer.first >= 0 && outer.second <= 1 ? 1
                : outer.second <= 0                     ? 0
                                                        : round_out(outer.second + margin, true);
    const bool positive = out_.likelihood == Likelihood::log_normal || out_.likelihood == Likelihood::negative_binomial;
    if (positive) out_.low = std::max(out_.low, 0.0);
  }

  /// Another number in nearly each patient, called so.
  bool is_id() const {
    const bool others = profile_.distinct() > 0.9 * facts_.patients && facts_.patients > 20;
    return !facts_.events && others && key_of(variable_.name).ends_with("id") && course_.constant == course_.repeated;
  }

  /// In so few patients, and so small a share, that what is imputed of it for all others would be made up.
  bool is_seldom() const { return !facts_.events && course_.patients < kFewPatients && 100 * course_.patients < 3 * facts_.patients; }

  /// The same in each patient at all times.
  bool is_attribute() const {
    constexpr double kNearlyAll = 0.95, kConstant = 0.99;
    if (facts_.events) return variable_.attribute;
    const bool person = is_among(variable_.name, kSexes) ||
                        is_among(variable_.name, "age alter ageyears race ethnicity ethnic site siteid hospital center centre clinic");
    const double patients = course_.patients, all = facts_.patients;
    if (facts_.one_moment) return person && patients >= all;
    if (course_.repeated > 0 && course_.constant < kConstant * course_.repeated) return false;
    if (course_.repeated == 0 && !facts_.is_long) return false;
    const bool body = is_among(variable_.name, "height bodyheight heightcm groesse");
    return person || body || patients >= kNearlyAll * all;
  }

  void to_attribute() {
    constexpr std::size_t kGroupsMax = 10;
    out_.kind = VariableGuess::Kind::attribute;
    if (out_.likelihood == Likelihood::bernoulli || has_categories(out_.likelihood)) {
      if (out_.categories.empty()) {
        for (const auto& [value, count] : values_) out_.categories.push_back(number_text(value));
        for (const auto& [word, count] : words_) out_.categories.push_back(word);
      }
      out_.likelihood = Likelihood::categorical;
      out_.has_range = false;
      out_.subgroup = out_.categories.size() <= kGroupsMax && !out_.afterwards;
    } else {
      out_.likelihood = Likelihood::normal;
    }
  }

  const Variable& variable_;
  const ColumnProfile& profile_;
  const UnitGuess& unit_;
  const Course& course_;
  const TableFacts& facts_;
  const KnownName* known_ = nullptr;
  std::map<double, std::uint64_t> values_;  // that are no marks
  std::map<std::string, std::uint64_t> words_;
  std::uint64_t filled_ = 0, first_count_ = 0;
  VariableGuess out_;
};

}  // namespace

void take_cell_units(Variable& variable) {
  if (!variable.without_units || variable.cell_units.size() >= Variable::kUnitsMax) return;
  const ColumnProfile& profile = *variable.without_units;
  std::uint64_t words = profile.word_count();
  for (const auto& [word, count] : profile.words()) words -= is_missing_word(word) ? count : 0;
  if (profile.numbers() == 0 || 10 * profile.numbers() < 9 * (profile.numbers() + words)) return;
  const std::string name = schema_name(parted(variable.name).first);
  const std::string most = code_of(std::ranges::max_element(variable.cell_units, {}, [](const auto& u) { return u.second; })->first);
  const auto converts = [&](const auto& unit) { return unit_conversion(name, unit.first, most).has_value(); };
  if (most.empty() || !std::ranges::all_of(variable.cell_units, converts)) return;
  variable.profile = std::move(*variable.without_units);
  variable.without_units.reset();
  for (const auto& [unit, count] : variable.cell_units) variable.units[unit] += count;
}

bool units_agree(const Variable& variable) {
  const std::string name = schema_name(parted(variable.name).first);
  if (variable.unit_pairs.size() >= Variable::kUnitsMax) return false;
  return std::ranges::all_of(variable.unit_pairs, [&](const auto& pair) {
    const auto& [first, second] = pair.first;
    if (first.empty() || first == second) return true;
    const auto conversion = unit_conversion(name, second, code_of(first));
    return !code_of(first).empty() && conversion && std::abs(conversion->factor - 1) < 1e-9 && conversion->offset == 0;
  });
}

UnitGuess guess_unit(const Variable& variable) {
  UnitGuess out;
  const auto said = std::ranges::max_element(variable.units, {}, [](const auto& u) { return u.second; });
  if (said != variable.units.end()) out.code = code_of(said->first);
  if (out.code.empty()) out.code = code_of(parted(variable.name).second);
  out.guessed = out.code.empty();
  const KnownName* known = known_of(variable);
  const std::vector<double> sample = variable.profile.sample();
  if (is_among(variable.name, kSexes) && variable.profile.word_count() == 0) out.limits = {true, 0, 2};
  if (known == nullptr || sample.empty()) return out;
  std::optional<KnownUnit> best;
  for (const KnownUnit& unit : known->units) {
    if (unit.high <= 0) continue;
    const std::vector<double> inside = variable.profile.sample({-1, -9, -99, -999, -9999, 0});
    const double middle = quantile(inside.empty() ? sample : inside, 0.5);
    const bool typical = out.guessed ? middle >= unit.typical_low && middle <= unit.typical_high : unit.code == out.code;
    if (typical && !best) best = unit;
  }
  if (best) {
    out.code = best->code;
    out.limits = limits_of(*best);
  }
  return out;
}

Likelihood guess_scale(const std::vector<double>& sorted) {
  constexpr std::size_t kEnough = 20;
  constexpr double kSkewed = 0.8, kGain = 0.04, kHeavy = 9;  // a normal's outer thousandths are 4.6 times as far apart as its quarters
  if (sorted.size() < kEnough) return Likelihood::normal;
  std::vector<double> x, logs;
  double log_mean = 0;
  const double low = quantile(sorted, 0.005), high = quantile(sorted, 0.995);
  for (const double v : sorted) {
    x.push_back(std::clamp(v, low, high));
    if (sorted.front() < 0) continue;
    logs.push_back(std::log1p(x.back()));
    log_mean += logs.back() / static_cast<double>(sorted.size());
  }
  // The log-likelihood of a normal on either scale, with log(1 + x)'s change of measure.
  if (!logs.empty() && skewness(x) > kSkewed && deviation(logs) > 0) {
    if (-std::log(deviation(logs)) - log_mean > -std::log(deviation(x)) + kGain) return Likelihood::log_normal;
  }
  const double quarters = quantile(sorted, 0.75) - quantile(sorted, 0.25), outer = quantile(sorted, 0.999) - quantile(sorted, 0.001);
  return quarters > 0 && outer > kHeavy * quarters ? Likelihood::student_t : Likelihood::normal;
}

VariableGuess guess_variable(const Variable& variable, const UnitGuess& unit, const Marks& marks, const Course& course,
                             const TableFacts& facts) {
  return VariableDecision(variable, unit, marks, course, facts).guess();
}

}  // namespace lacuna::daemon
