#include "streaming/files/cell_values.h"

#include <algorithm>
#include <utility>

#include "state/records/unit_spelling.h"
#include "streaming/files/cell_text.h"
#include "streaming/messages/censored_text.h"

namespace lacuna::streaming {

/// As the schema's classes have it: by the mapping, by name, or as the same number ("0.0" is "0").
CellValue CellValues::read_class(const CellTarget& target, std::string_view text) const {
  const auto& categories = target.column.categories;
  auto mapped = categories.find(std::string(text));
  if (mapped == categories.end()) {
    mapped = std::find_if(categories.begin(), categories.end(), [&](const auto& c) { return is_same_number(c.first, text); });
  }
  if (mapped != categories.end()) text = mapped->second;
  CellValue out;
  std::optional<ValueProblem> problem = target.field.from_text(text, out.number);
  if (problem && mapped == categories.end()) {
    const auto& classes = target.field.categories;
    const auto same = std::find_if(classes.begin(), classes.end(), [&](const std::string& c) { return is_same_number(c, text); });
    if (same != classes.end()) problem = target.field.from_text(*same, out.number);
  }
  if (problem) out = {0, CellValue::Outcome::out_of_range, "not one of the classes"};
  return out;
}

/// What a text of the file means as a unit.
std::string_view CellValues::named_unit(std::string_view text) const {
  const auto named = mapping_.units.find(text);
  return named == mapping_.units.end() ? text : std::string_view(named->second);
}

const std::optional<UnitConversion>& CellValues::conversion(const CellTarget& target, std::string_view unit) {
  const auto at = conversions_.find(std::pair(&target.field, std::string(unit)));
  if (at != conversions_.end()) return at->second;
  constexpr std::size_t kRememberedMax = 10'000;
  if (conversions_.size() >= kRememberedMax) conversions_.clear();
  return conversions_.emplace(std::pair(&target.field, std::string(unit)), unit_conversion(target.field.name, unit, target.field.unit))
      .first->second;
}

bool CellValues::is_same_unit(const CellTarget& target, std::string_view a, std::string_view b) {
  if (a == b) return true;
  const std::optional<UnitConversion> one = conversion(target, a), other = conversion(target, b);
  return one && other && one->factor == other->factor && one->offset == other->offset;
}

CellValue CellValues::read(const CellTarget& target, CellText told) {
  const SchemaField& field = target.field;
  if (has_categories(field.likelihood)) return read_class(target, told.text);
  const auto& categories = target.column.categories;
  if (const auto mapped = categories.find(std::string(told.text)); mapped != categories.end()) told.text = mapped->second;
  const std::string_view text = told.text;
  if (field.likelihood != Likelihood::bernoulli || (text != "true" && text != "false" && text != "True" && text != "False")) {
    return read_number(target, told);
  }
  CellValue out;
  if (const auto problem = field.from_truth(text == "true" || text == "True", out.number)) {
    out = {0, CellValue::Outcome::out_of_range, problem->message};
  }
  return out;
}

namespace {

/// The numbers that OMOP has for comparators (operator_concept_id of its MEASUREMENT); loaders write 0 where there is none.
constexpr std::pair<std::string_view, std::string_view> kOmopComparators[] = {{"0", "="},        {"4172703", "="},  {"4171756", "<"},
                                                                              {"4171754", "<="}, {"4171755", ">="}, {"4172704", ">"}};

/// What a cell and the comparator's column say together. False: they contradict each other, or the column says something else.
bool join_comparators(std::string_view& text, std::string_view column, Comparator& out) {
  const std::optional<Comparator> of_cell = take_comparator(text);
  if (!column.empty() && column.front() >= '0' && column.front() <= '9') {
    const auto omop = std::ranges::find_if(kOmopComparators, [&](const auto& c) { return is_same_number(column, c.first); });
    if (omop != std::end(kOmopComparators)) column = omop->second;
  }
  if (column.empty() || column == "=") {
    out = of_cell.value_or(Comparator::equal);
    return true;
  }
  const std::optional<Comparator> told = take_comparator(column);
  if (!told || !column.empty() || (of_cell && of_cell != told)) return false;
  out = *told;
  return true;
}

}  // namespace

/// The unit of a number that has `inside` behind it; empty: nothing says one. `problem`: what says one contradicts itself.
std::string_view CellValues::unit_of(const CellText& told, std::string_view inside, const CellTarget& target, std::string& problem) {
  const auto differ = [&](std::string_view a, std::string_view b) { return !a.empty() && !b.empty() && !is_same_unit(target, a, b); };
  const std::string_view first = named_unit(told.unit), second = named_unit(told.second_unit), of_row = first.empty() ? second : first;
  if (differ(first, second)) problem = "the row names two units that are not the same (`units` can say what a text means)";
  if (differ(of_row, inside)) problem = "the cell names another unit than its row";
  if (!of_row.empty()) return of_row;
  return inside.empty() ? std::string_view(target.column.unit) : inside;
}

CellValue CellValues::read_number(const CellTarget& target, const CellText& told) {
  const SchemaField& field = target.field;
  std::string_view text = told.text, inside;
  CellValue out;
  double number = 0;
  if (!join_comparators(text, told.comparator, out.comparator)) {
    return {0, CellValue::Outcome::unreadable, field.path + ": the comparator is none, or another one than the cell's"};
  }
  const bool split = split_number(text, mapping_.decimal, number, inside);
  inside = named_unit(inside);
  if (split && !inside.empty() && !conversion(target, inside) && (!unit_problem(inside) || !ucum_codes_meant(inside).empty())) {
    return {0, CellValue::Outcome::unit, unit_refusal(inside, field.unit)};
  }
  if (!split || (!inside.empty() && !conversion(target, inside))) {
    const bool comma = mapping_.decimal == '.' && text.find(',') != std::string_view::npos;
    return {0, CellValue::Outcome::unreadable,
            field.path + " is not a number" +
                (comma ? " (with a decimal comma: `decimal: \",\"`; with commas that group thousands: `decimal: \"1,000.5\"`)" : "")};
  }
  std::string contradiction;
  const std::string_view unit = unit_of(told, inside, target, contradiction);
  if (!contradiction.empty()) return {0, CellValue::Outcome::unit, contradiction};
  if (is_censored(out.comparator) && target.is_attribute) {
    return {0, CellValue::Outcome::unreadable,
            field.path + " is an attribute, of which no limit can be kept (`categories` may map the cell)"};
  }
  UnitConversion scale{target.column.scale, target.column.offset};
  if (!unit.empty()) {
    const std::optional<UnitConversion>& found = conversion(target, unit);
    if (!found) return {0, CellValue::Outcome::unit, unit_refusal(unit, field.unit)};
    scale = *found;
  }
  if (scale.factor < 0) out.comparator = turned(out.comparator);
  if (const auto problem = field.from_limit(number * scale.factor + scale.offset, out.comparator, out.number)) {
    const bool classes = problem->reason == Refusal::malformed;
    return {0, classes ? CellValue::Outcome::unreadable : CellValue::Outcome::out_of_range, problem->message};
  }
  return out;
}

}  // namespace lacuna::streaming
