#include "daemon/evaluation/coverage.h"

#include <cmath>
#include <cstdio>

#include <nlohmann/json.hpp>

#include "daemon/tables/text_table.h"

namespace lacuna::daemon {

namespace {

std::string number(double value, const char* form = "%.3f") {
  char text[40];
  std::snprintf(text, sizeof text, form, value);
  return text;
}

std::string percent(double share) { return number(100 * share, "%.4g"); }

bool within(double share, double level, double slack) { return std::abs(share - level) <= slack + 1e-9; }

std::string list(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : ", ") + name;
  return out.empty() ? "none" : out;
}

}  // namespace

CoverageVerdict verdict(const Schema& schema, const CoverageRow& row, double level) {
  const model::Coverage& c = row.intervals;
  if (c.count < kCoverageValuesMin) return CoverageVerdict::few;
  if (c.single_valued()) return CoverageVerdict::single_valued;
  const bool all = within(c.ratio(), level, kCoverageSlack);
  const bool windows = !c.has_window() || (within(c.worst_window(), level, kWindowSlack) && within(c.best_window(), level, kWindowSlack));
  if (all && windows) return CoverageVerdict::held;
  const bool never_less = c.ratio() >= level - kCoverageSlack && (!c.has_window() || c.worst_window() >= level - kWindowSlack - 1e-9);
  if (never_less && is_discrete(schema.features()[row.feature].likelihood)) return CoverageVerdict::classes;
  return all ? CoverageVerdict::outside_once : CoverageVerdict::outside;
}

std::string_view to_string(CoverageVerdict verdict) {
  switch (verdict) {
    case CoverageVerdict::few: return "few values";
    case CoverageVerdict::held: return "";
    case CoverageVerdict::outside: return "outside";
    case CoverageVerdict::outside_once: return "outside in a window";
    case CoverageVerdict::classes: return "whole classes";
    case CoverageVerdict::single_valued: return "one value";
  }
  return "";
}

std::vector<std::string> names_of(const Schema& schema, const std::vector<CoverageRow>& rows, double level, CoverageVerdict wanted) {
  std::vector<std::string> out;
  for (const CoverageRow& row : rows) {
    if (verdict(schema, row, level) == wanted) out.push_back(schema.qualified_name(row.feature));
  }
  return out;
}

void add_coverage(nlohmann::ordered_json& feature, const model::Coverage& intervals) {
  feature["coverage_values"] = intervals.count;
  feature["coverage_of_the_models_own"] = intervals.central_ratio();
  if (!intervals.has_window()) return;
  feature["coverage_worst_window"] = intervals.worst_window();
  feature["coverage_best_window"] = intervals.best_window();
}

nlohmann::ordered_json coverage_json(const Schema& schema, const std::vector<CoverageRow>& rows, double level) {
  const auto names = [&](CoverageVerdict wanted) { return names_of(schema, rows, level, wanted); };
  return {{"level", level},
          {"values_min", kCoverageValuesMin},
          {"window", model::kCoverageWindow},
          {"held", names(CoverageVerdict::held)},
          {"outside", names(CoverageVerdict::outside)},
          {"outside_in_a_window", names(CoverageVerdict::outside_once)},
          {"above_by_whole_classes", names(CoverageVerdict::classes)},
          {"single_valued", names(CoverageVerdict::single_valued)},
          {"few_values", names(CoverageVerdict::few)}};
}

std::string format_coverage(const Schema& schema, const std::vector<CoverageRow>& rows, double level) {
  const std::string nominal = percent(level), window = std::to_string(model::kCoverageWindow);
  std::vector<std::vector<std::string>> table{{"feature", "values", "cover" + nominal, "worst", "best", "own", "width", "CRPS", ""}};
  std::size_t judged = 0;
  for (const CoverageRow& row : rows) {
    const model::Coverage& c = row.intervals;
    const CoverageVerdict found = verdict(schema, row, level);
    judged += found == CoverageVerdict::few ? 0 : 1;
    table.push_back({schema.qualified_name(row.feature), std::to_string(c.count), number(c.ratio()),
                     c.has_window() ? number(c.worst_window()) : "-", c.has_window() ? number(c.best_window()) : "-",
                     number(c.central_ratio()), number(row.width), number(row.crps), std::string(to_string(found))});
  }
  const auto range = [level](double slack) { return percent(level - slack) + " to " + percent(level + slack) + " %"; };
  const auto line = [&](const std::string& title, CoverageVerdict wanted, bool always) {
    const std::vector<std::string> names = names_of(schema, rows, level, wanted);
    return names.empty() && !always ? std::string() : title + ": " + list(names) + "\n";
  };
  return text_table(std::move(table), "lrrrrrrrl") + "worst, best: of " + window +
         " values in a row; own: of the model's own intervals\nOf " + std::to_string(judged) + " features with " +
         std::to_string(kCoverageValuesMin) + " values, outside " + range(kCoverageSlack) + line("", CoverageVerdict::outside, true) +
         line("within, but in some " + window + " values in a row outside " + range(kWindowSlack), CoverageVerdict::outside_once, true) +
         line("above, since classes are in or out as a whole (compare the model's own)", CoverageVerdict::classes, false) +
         line("always, since all values are the same", CoverageVerdict::single_valued, false);
}

}  // namespace lacuna::daemon
