#include "streaming/hl7/code_map.h"

#include <algorithm>

#include "state/records/nearest.h"
#include "streaming/files/cell_text.h"
#include "streaming/files/csv_reader.h"
#include "streaming/hl7/message.h"

namespace lacuna::streaming::hl7 {

namespace {

constexpr char kKeySeparator = '^';

std::string name_of_target(const SchemaField& field) { return "'" + field.path + "'"; }

/// "GLU^L^mg/dL", taken apart: the unit may hold the separator.
void split_key(std::string_view key, std::string_view& code, std::string_view& system, std::string_view& unit) {
  const std::size_t first = key.find(kKeySeparator);
  code = key.substr(0, first);
  if (first == std::string_view::npos) return;
  const std::size_t second = key.find(kKeySeparator, first + 1);
  system = key.substr(first + 1, second == std::string_view::npos ? second : second - first - 1);
  if (second != std::string_view::npos) unit = key.substr(second + 1);
}

/// Of a text modality, or "modality.feature".
bool resolve(const std::string& to, const SchemaIndex& index, CodeRow& row, std::string& problem) {
  const Schema& schema = index.schema();
  const std::size_t dot = to.find('.');
  row.modality = index.find_modality(std::string_view(to).substr(0, dot));
  std::vector<std::string> known;
  for (FeatureId f = 0; f < schema.feature_count(); ++f) known.push_back(schema.qualified_name(f));
  for (const Modality& m : schema.modalities()) {
    if (m.kind != ModalityKind::tabular) known.push_back(m.name);
  }
  if (dot == std::string::npos) {
    if (row.modality != kNoModality && schema.modalities()[row.modality].kind != ModalityKind::tabular) return true;
    problem = "leads to '" + to + "', which is no modality.feature of the schema, and no modality of payloads" + did_you_mean(to, known);
    return false;
  }
  const auto feature = row.modality == kNoModality ? std::nullopt : index.find_feature(row.modality, std::string_view(to).substr(dot + 1));
  if (!feature) {
    problem = "the schema has no feature " + to + did_you_mean(to, known);
    return false;
  }
  row.feature = *feature;
  row.field = &index.feature(*feature);
  return true;
}

}  // namespace

bool TextMeanings::is_missing(std::string_view text) const { return std::find(missing.begin(), missing.end(), text) != missing.end(); }

std::optional<double> TextMeanings::category(std::string_view text) const {
  for (const auto& [written, value] : categories) {
    if (written == text) return value;
  }
  return std::nullopt;
}

std::optional<UnitConversion> CodeRow::conversion(std::string_view from) {
  constexpr std::size_t kKnownMax = 16;
  if (from.empty() || from == field->unit) return UnitConversion{};
  for (const KnownUnit& one : known_units) {
    if (one.unit == from) return one.conversion;
  }
  const auto found = unit_conversion(field->name, from, field->unit);
  if (known_units.size() < kKnownMax && from.size() <= kNameBytesMax) known_units.push_back({std::string(from), found});
  return found;
}

TextMeanings text_meanings(const SchemaField& field, const std::vector<std::string>& missing,
                           const std::map<std::string, std::string>& categories, const std::string& key,
                           std::vector<CodeMap::Problem>& problems) {
  TextMeanings out;
  out.missing = missing;
  for (const auto& [text, category] : categories) {
    double value = 0;
    bool good = has_categories(field.likelihood) && !field.from_text(category, value);
    if (field.likelihood == Likelihood::bernoulli) {
      value = category == "true" || category == "1" ? 1 : 0;
      good = value == 1 || category == "false" || category == "0";
    }
    if (good) out.categories.emplace_back(text, value);
    else problems.emplace_back(key, name_of_target(field) + " has no category " + category + did_you_mean(category, field.categories));
  }
  return out;
}

void CodeMap::add(const std::string& key, const CodeTarget* target, const SchemaIndex& index, std::vector<Problem>& problems) {
  const std::string path = (target == nullptr ? "ignored_codes." : "codes.") + key;
  const auto complain = [&](std::string message) { problems.emplace_back(path, std::move(message)); };
  std::string_view code, system, unit;
  split_key(key, code, system, unit);
  if (code.empty()) return complain("names no code");
  CodeRow row;
  row.system = system;
  row.unit = unit;
  row.ignored = target == nullptr;
  if (target != nullptr) {
    std::string problem;
    if (target->to.empty()) return complain("needs `to`: modality.feature, or a modality of payloads");
    if (!resolve(target->to, index, row, problem)) return complain(problem);
    row.default_unit = target->unit;
    row.meanings.missing = target->missing;
    const bool has_number = row.field != nullptr && !is_discrete(row.field->likelihood);
    if (!target->unit.empty() && !has_number) return complain("has a unit, and leads to no number");
    if (has_number && !row.conversion(target->unit)) return complain(unit_refusal(target->unit, row.field->unit));
    if (has_number && !unit.empty() && !row.conversion(unit)) return complain(unit_refusal(unit, row.field->unit));
    if (row.field != nullptr) row.meanings = text_meanings(*row.field, target->missing, target->categories, path, problems);
    else if (!target->categories.empty()) return complain("has categories, and leads to a modality of payloads");
  }
  std::vector<CodeRow>& rows = rows_[std::string(code)];
  const auto same = std::find_if(rows.begin(), rows.end(), [&](const CodeRow& r) { return r.system == row.system && r.unit == row.unit; });
  if (same != rows.end()) return complain("is there twice");
  rows.push_back(std::move(row));
}

CodeMap::CodeMap(const SchemaIndex& index, const FeedOptions& options, std::vector<Problem>& problems) {
  for (const auto& [key, target] : options.codes) add(key, &target, index, problems);
  for (const std::string& key : options.ignored_codes) add(key, nullptr, index, problems);
}

CodeRow* CodeMap::find(std::string_view code, std::string_view system, std::string_view unit) {
  const auto found = rows_.find(code);
  if (found == rows_.end()) return nullptr;
  CodeRow* best = nullptr;
  int best_says = -1;
  for (CodeRow& row : found->second) {
    if ((!row.system.empty() && row.system != system) || (!row.unit.empty() && row.unit != unit)) continue;
    const int says = (row.unit.empty() ? 0 : 2) + (row.system.empty() ? 0 : 1);
    if (says > best_says) best = &row;
    best_says = std::max(best_says, says);
  }
  return best;
}

namespace {

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> out;
  bool first = true;
  std::string_view one;
  while (!text.empty() && next_piece(text, first, separator, one)) {
    if (!trim(one).empty()) out.emplace_back(trim(one));
  }
  return out;
}

/// A row, as its header names the cells. Empty: it is good.
std::string read_row(const std::vector<std::string>& names, const std::vector<std::string_view>& cells,
                     std::map<std::string, CodeTarget>& codes) {
  std::string code, system, when_unit;
  CodeTarget target;
  for (std::size_t i = 0; i < names.size() && i < cells.size(); ++i) {
    const std::string_view cell = trim(cells[i]);
    if (names[i] == "code") code = cell;
    else if (names[i] == "system") system = cell;
    else if (names[i] == "when_unit") when_unit = cell;
    else if (names[i] == "to") target.to = cell;
    else if (names[i] == "unit") target.unit = cell;
    else if (names[i] == "missing") target.missing = split(cell, '|');
    else if (names[i] == "categories") {
      for (const std::string& pair : split(cell, '|')) {
        const std::size_t equals = pair.rfind('=');
        if (equals == std::string::npos) return "categories: text=category, parted by |";
        target.categories[std::string(trim(std::string_view(pair).substr(0, equals)))] = trim(std::string_view(pair).substr(equals + 1));
      }
    }
  }
  if (target.to.empty()) return "";  // a code that is not mapped (yet)
  if (code.empty()) return "it names no code";
  if (code.find(kKeySeparator) != std::string::npos || system.find(kKeySeparator) != std::string::npos) return "a code or system holds ^";
  std::string key = code;
  if (!system.empty() || !when_unit.empty()) key += kKeySeparator + system;
  if (!when_unit.empty()) key += kKeySeparator + when_unit;
  return codes.emplace(key, std::move(target)).second ? "" : "the code is there already";
}

}  // namespace

Status read_codes(const std::string& path, std::map<std::string, CodeTarget>& codes) {
  Result<LineReader> lines = LineReader::open(path);
  if (!lines.ok()) return lines.status();
  FileRows rows(std::move(*lines));
  CsvCells splitter(',');
  std::map<std::string, CodeTarget> read = codes;
  std::vector<std::string> names;
  std::vector<std::string_view> cells;
  CsvRow row;
  for (CsvRows::Outcome outcome = rows.next(row); outcome != CsvRows::Outcome::end; outcome = rows.next(row)) {
    if (outcome == CsvRows::Outcome::failed) return {Code::invalid, path + ": " + rows.problem()};
    const std::string where = path + ":" + std::to_string(row.line) + ": ";
    if (outcome == CsvRows::Outcome::malformed || !splitter.split(row, cells)) return {Code::invalid, where + "a quote does not close"};
    if (names.empty()) {
      for (const std::string_view cell : cells) names.emplace_back(trim(cell));
      for (const char* needed : {"code", "to"}) {
        if (std::find(names.begin(), names.end(), needed) == names.end()) {
          return {Code::invalid, where + "the header has no column '" + needed + "'"};
        }
      }
      continue;
    }
    if (const std::string problem = read_row(names, cells, read); !problem.empty()) return {Code::invalid, where + problem};
  }
  codes = std::move(read);
  return {};
}

}  // namespace lacuna::streaming::hl7
