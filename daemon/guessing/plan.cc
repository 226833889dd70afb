#include "daemon/guessing/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <set>

#include "state/records/unit_spelling.h"
#include "state/records/units.h"

namespace lacuna::daemon {

namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;
using streaming::FileFormat;
using streaming::FileMapping;

std::string listed(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 12;
  std::string out;
  for (std::size_t i = 0; i < std::min(names.size(), kShown); ++i) out += (i > 0 ? ", " : "") + names[i];
  return out + (names.size() > kShown ? fmt::format(" and {} more", names.size() - kShown) : "");
}

class Planner {
 public:
  Planner(Roles roles, Survey survey, bool events, Time now) : survey_(std::move(survey)), now_(now) {
    plan_.roles = std::move(roles);
    plan_.events = events;
    plan_.rows = survey_.rows;
    plan_.patients = survey_.patients;
    plan_.moments = std::min(survey_.moments, static_cast<double>(survey_.rows));
    plan_.doubts = plan_.roles.doubts;
    plan_.left_out = plan_.roles.left_out;
    plan_.payloads = survey_.payloads;
  }

  Result<Plan> make() {
    guess_variables();
    name_variables();
    collect();
    if (!group() && plan_.payloads.empty()) {
      return {Code::invalid, "no column holds measurements: all are ids, dates, free text, always the same, or empty"};
    }
    set_times();
    set_training();
    tell();
    return std::move(plan_);
  }

 private:
  FileMapping& mapping() { return plan_.roles.mapping; }

  /// The second column of units is of use only where it says what the first does.
  void settle_second_units() {
    if (!mapping().second_unit_column) return;
    std::vector<std::string> others;
    for (const Variable& v : survey_.variables) {
      if (!units_agree(v)) others.push_back(v.name);
    }
    if (others.empty()) {
      for (Variable& v : survey_.variables) {
        for (const auto& [pair, count] : v.unit_pairs) {
          if (pair.first.empty()) v.units[pair.second] += count;
        }
      }
      return;
    }
    plan_.left_out.push_back({*mapping().second_unit_column, "names other units than the first"});
    plan_.doubts.push_back(
        fmt::format("'{}' names another unit than '{}' in some rows ({}): values are read in the latter's, so look which one is right",
                    *mapping().second_unit_column, *mapping().unit_column, listed(others)));
    mapping().second_unit_column.reset();
  }

  void guess_variables() {
    settle_second_units();
    std::vector<UnitGuess> units;
    std::vector<Marks> marks;
    std::vector<std::set<std::uint32_t>> hashes;
    for (Variable& v : survey_.variables) {
      take_cell_units(v);
      units.push_back(guess_unit(v));
      marks.push_back(guess_marks(v.profile, units.back().limits));
      if (plan_.events) {
        if (!marks.back().empty()) events_marks_.push_back(fmt::format("{} {}", v.name, marks.back().cells));
        marks.back() = {};
      }
      std::set<std::uint32_t>& of = hashes.emplace_back();
      for (const double number : marks.back().numbers) of.insert(value_hash(number));
      for (const std::string& word : marks.back().words) of.insert(value_hash(word));
    }
    courses_ = measure_courses(survey_.cells, survey_.variables.size(), hashes);
    TableFacts facts;
    facts.events = plan_.events;
    facts.is_long = mapping().format == FileFormat::long_csv;
    facts.one_moment = courses_.moments < courses_.patients + courses_.patients / 5;
    facts.decimal = mapping().decimal;
    facts.patients = courses_.patients;
    for (std::size_t i = 0; i < survey_.variables.size(); ++i) {
      const Variable& v = survey_.variables[i];
      Plan::PlannedVariable& planned = plan_.variables.emplace_back();
      planned.column = v.name;
      planned.guess = guess_variable(v, units[i], marks[i], courses_.of[i], facts);
      planned.share = courses_.moments > 0 ? static_cast<double>(courses_.of[i].values) / static_cast<double>(courses_.moments) : 0;
    }
  }

  /// Each name once, over all modalities.
  void name_variables() {
    std::set<std::string> names;
    for (std::size_t i = 0; i < plan_.variables.size(); ++i) {
      VariableGuess& guess = plan_.variables[i].guess;
      if (plan_.events) guess.name = survey_.variables[i].name;
      if (plan_.events || guess.kind == VariableGuess::Kind::left_out) continue;
      const std::string base = guess.name;
      for (int n = 2; !names.insert(guess.name).second; ++n) guess.name = base + "_" + std::to_string(n);
    }
  }

  void collect() {
    std::set<std::string> missing;
    for (std::size_t i = 0; i < plan_.variables.size(); ++i) {
      const Plan::PlannedVariable& v = plan_.variables[i];
      for (const auto& [word, count] : survey_.variables[i].profile.words()) {
        if (is_missing_word(word)) missing.insert(word);
      }
      const bool is_site = mapping().site_column == v.column;
      if (v.guess.kind == VariableGuess::Kind::left_out && !is_site) plan_.left_out.push_back({v.column, v.guess.why});
    }
    plan_.missing.assign(missing.begin(), missing.end());
    check_units();
  }

  /// Units that rows say are of use only where all of them convert. A range holds what the numbers may come to.
  void check_units() {
    std::vector<std::string> strangers;
    for (std::size_t i = 0; i < plan_.variables.size(); ++i) {
      VariableGuess& guess = plan_.variables[i].guess;
      if (!mapping().unit_column && survey_.variables[i].cell_units.empty()) continue;
      if (guess.kind == VariableGuess::Kind::left_out || has_categories(guess.likelihood) || guess.likelihood == Likelihood::bernoulli)
        continue;
      double low = guess.low, high = guess.high;
      for (const auto& [unit, count] : survey_.variables[i].units) {
        const auto conversion = unit_conversion(guess.name, unit, guess.unit);
        if (!conversion) {
          strangers.push_back(guess.name);
          break;
        }
        low = std::min(low, guess.low * conversion->factor + conversion->offset);
        high = std::max(high, guess.high * conversion->factor + conversion->offset);
      }
      guess.low = low;
      guess.high = high;
    }
    if (strangers.empty() || !mapping().unit_column) return;
    plan_.left_out.push_back({*mapping().unit_column, "holds units that do not convert"});
    plan_.doubts.push_back(
        fmt::format("the units in '{}' are not used: some do not convert ({}); values are taken as they are, so look whether one "
                    "parameter comes in two units",
                    *mapping().unit_column, listed(strangers)));
    mapping().unit_column.reset();
    if (mapping().second_unit_column) plan_.left_out.push_back({*mapping().second_unit_column, "holds units that do not convert"});
    mapping().second_unit_column.reset();
  }

  bool group() {
    std::vector<Groupable> features;
    for (std::size_t i = 0; i < plan_.variables.size(); ++i) {
      const VariableGuess& guess = plan_.variables[i].guess;
      if (guess.kind == VariableGuess::Kind::feature) features.push_back({i, guess.name, guess.group});
      if (guess.kind == VariableGuess::Kind::attribute) plan_.variables[i].to = guess.name;
    }
    if (features.empty()) return false;
    std::vector<Group> groups;
    if (plan_.events) groups = by_modality(features);
    else groups = group_features(features, courses_);
    for (const Group& group : groups) {
      Plan::PlannedModality& modality = plan_.modalities.emplace_back();
      modality.name = group.name;
      for (const std::size_t f : group.features) {
        modality.features.push_back({features[f].variable, Millis(0)});
        plan_.variables[features[f].variable].to = group.name + "." + features[f].name;
      }
      set_staleness(modality);
    }
    return true;
  }

  std::vector<Group> by_modality(const std::vector<Groupable>& features) const {
    std::vector<Group> out;
    for (std::size_t f = 0; f < features.size(); ++f) {
      const std::string& name = survey_.variables[features[f].variable].modality;
      auto at = std::ranges::find(out, name, &Group::name);
      if (at == out.end()) at = out.insert(out.end(), {name, {}});
      at->features.push_back(f);
    }
    return out;
  }

  /// Half as long again as it usually takes until the next value. The modality's is its most frequent feature's.
  void set_staleness(Plan::PlannedModality& modality) {
    constexpr double kPatience = 1.5;
    const auto gap = [&](const Plan::PlannedFeature& f) { return courses_.of[f.variable].gap_ms; };
    double least = 0;
    for (const Plan::PlannedFeature& f : modality.features) {
      if (gap(f) > 0 && (least == 0 || gap(f) < least)) least = gap(f);
    }
    modality.stale_is_guessed = least > 0;
    modality.stale_after = least > 0 ? round_up(kPatience * least) : Millis(days(365));
    for (Plan::PlannedFeature& f : modality.features) {
      const Millis own = gap(f) > 0 ? round_up(kPatience * gap(f)) : modality.stale_after;
      if (own > 2 * modality.stale_after) f.stale_after = own;
    }
  }

  void set_times() {
    const auto latest = Time(Millis(survey_.latest)), earliest = Time(Millis(survey_.earliest));
    if (!plan_.events && mapping().is_relative()) return stagger();
    constexpr auto kCentury = days(36500), kAhead = days(3650);
    if (now_ - earliest > kCentury) plan_.past_max = Millis(days(365000));
    if (latest <= now_ + hours(1)) return;
    plan_.shift_to_now = latest - now_ > kAhead - days(1);
    plan_.future_max = plan_.shift_to_now ? Millis(0) : Millis(kAhead);
    plan_.doubts.emplace_back(plan_.shift_to_now ? "times lie far in the future (moved to hide whose they are): replay with --shift-to-now"
                                                 : "times lie in the future: limits.future_max lets them in");
  }

  /// Stays begin one after the other and overlap, and all of it lies in the past.
  void stagger() {
    constexpr double kOverlap = 20;  // of a stay's length
    const auto patients = static_cast<double>(std::max<std::uint64_t>(1, survey_.patients));
    const double wanted = courses_.span_ms / kOverlap, most = static_cast<double>(Millis(days(3650)).count()) / patients;
    const double least = static_cast<double>(Millis(minutes(1)).count());
    const auto minutes_apart =
        static_cast<std::int64_t>(std::max(least, std::min({wanted, most, static_cast<double>(Millis(days(30)).count())})) / least);
    plan_.stagger = minutes(minutes_apart);
    if (minutes_apart > 2 * 24 * 60) plan_.stagger = hours(24 * (minutes_apart / 60 / 24));
    else if (minutes_apart > 120) plan_.stagger = hours(minutes_apart / 60);
    const Time end = Time(Millis(survey_.latest)) + plan_.stagger * static_cast<std::int64_t>(survey_.patients);
    // Whatever the day: the same table gives the same configuration.
    constexpr auto kOver = std::chrono::sys_days(std::chrono::year(2020) / 1 / 1);
    const std::chrono::year_month_day first{kOver - std::chrono::ceil<days>(end.time_since_epoch())};
    plan_.start = std::chrono::sys_days(first.year() / 1 / 1);
  }

  void set_training() {
    constexpr double kSteps = 4000, kSeenMax = 120, kSmall = 20'000, kTiny = 2'000;
    constexpr int kEpochsMax = 40;
    if (plan_.moments < kTiny) plan_.train = {64, 16};
    else if (plan_.moments < kSmall) plan_.train = {128, 32};
    // Each pass is over the same patients: what they have at one time is much like what they have at the next.
    const double wanted = kSteps * plan_.train.examples_per_step / std::max(1.0, plan_.moments);
    const double most = kSeenMax * static_cast<double>(plan_.patients) / std::max(1.0, plan_.moments);
    plan_.epochs = std::clamp(static_cast<int>(std::min(std::ceil(wanted), most)), 1, kEpochsMax);
  }

  /// What a person should look at, shortly.
  void tell() {
    std::vector<std::string> out, afterwards, no_unit, marks, seldom;
    for (const LeftOut& l : plan_.left_out) out.push_back(l.name.empty() ? "(no name)" : l.name);
    for (std::size_t i = 0; i < plan_.variables.size(); ++i) {
      const Plan::PlannedVariable& v = plan_.variables[i];
      const VariableGuess& g = v.guess;
      if (g.kind == VariableGuess::Kind::left_out) continue;
      for (const std::string& doubt : g.doubts) plan_.doubts.push_back(v.column + ": " + doubt);
      tell_marks(v, survey_.variables[i].profile, marks);
      if (g.afterwards) afterwards.push_back(v.column);
      if (g.kind == VariableGuess::Kind::feature && courses_.of[i].patients < kFewPatients && courses_.patients >= 2 * kFewPatients) {
        seldom.push_back(fmt::format("{} {}", v.column, courses_.of[i].patients));
      }
      if (!g.group.empty() && g.unit.empty() && has_known_unit(v.column) && !is_discrete(g.likelihood)) no_unit.push_back(v.column);
    }
    if (!marks.empty())
      plan_.doubts.push_back("cells read as missing, since they cannot be values (`missing` of the column): " + listed(marks));
    if (!events_marks_.empty()) {
      plan_.doubts.push_back(
          "values that look like mistakes or marks for missing, and events have none: a narrower `range` refuses them: " +
          listed(events_marks_));
    }
    if (!out.empty()) plan_.doubts.push_back("left out (the file says why): " + listed(out));
    if (!seldom.empty()) plan_.doubts.push_back("measured in so few patients that little can be learned of them: " + listed(seldom));
    if (!no_unit.empty()) plan_.doubts.push_back("no unit was found for: " + listed(no_unit));
    if (!afterwards.empty())
      plan_.doubts.push_back("known only when all is over, by its name; leave it out to impute what was not known yet: " +
                             listed(afterwards));
    if (survey_.unreadable_times > 0)
      plan_.doubts.push_back(fmt::format("{} rows have a time that cannot be read, and are lost", survey_.unreadable_times));
  }

  /// Few cells in one line of all columns; many in one of their own.
  void tell_marks(const Plan::PlannedVariable& v, const ColumnProfile& profile, std::vector<std::string>& few) {
    constexpr double kMany = 0.02;
    const Marks& marks = v.guess.marks;
    if (marks.empty()) return;
    const double share = static_cast<double>(marks.cells) / static_cast<double>(profile.filled());
    if (share < kMany) return few.push_back(fmt::format("{} {}", v.column, marks.cells));
    plan_.doubts.push_back(fmt::format("{}: {} of {} cells are read as missing, since they cannot be values (`missing` of the column)",
                                       v.column, marks.cells, profile.filled()));
  }

  static bool has_known_unit(const std::string& name) {
    const KnownName* known = find_known(name);
    return known != nullptr && known->units[0].high > 0 && !known->units[0].code.empty();
  }

  Plan plan_;
  Survey survey_;
  Courses courses_;
  std::vector<std::string> events_marks_;
  const Time now_;
};

}  // namespace

Millis round_up(double milliseconds) {
  constexpr Millis kSteps[] = {minutes(1), minutes(2), minutes(5), minutes(10), minutes(15), minutes(30), hours(1),   hours(2),  hours(4),
                               hours(6),   hours(8),   hours(12),  days(1),     days(2),     days(3),     days(5),    days(7),   days(14),
                               days(30),   days(60),   days(90),   days(180),   days(365),   days(730),   days(1095), days(1825)};
  for (const Millis step : kSteps) {
    if (static_cast<double>(step.count()) >= milliseconds) return step;
  }
  return days(3650);
}

Result<Plan> make_plan(Roles roles, Survey survey, bool events, Time now) {
  if (survey.variables.size() > kFeaturesMax) {
    return {Code::invalid,
            fmt::format("{} columns or parameters are more than the {} features of a schema", survey.variables.size(), kFeaturesMax)};
  }
  return Planner(std::move(roles), std::move(survey), events, now).make();
}

}  // namespace lacuna::daemon
