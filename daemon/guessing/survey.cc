#include "daemon/guessing/survey.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <optional>
#include <set>

#include "state/records/hash.h"
#include "streaming/files/cell_text.h"
#include "streaming/files/csv_reader.h"
#include "streaming/files/time_reader.h"

namespace lacuna::daemon {

namespace {

using streaming::CsvReader;
using streaming::FileFormat;
using streaming::trim;

}  // namespace

std::uint32_t value_hash(double number) { return static_cast<std::uint32_t>(mix64(std::bit_cast<std::uint64_t>(number + 0.0))); }
std::uint32_t value_hash(std::string_view word) { return static_cast<std::uint32_t>(hash64(word)); }

bool is_missing_word(std::string_view text) {
  static const std::set<std::string_view> kWords{"",     "NA",   "N/A",     "n/a",     "na",      "NaN",    "nan",   "NAN",
                                                 "null", "NULL", "Null",    "?",       ".",       "-",      "--",    "#N/A",
                                                 "<NA>", "NaT",  "missing", "Missing", "MISSING", "NULL()", "#NULL!"};
  return kWords.contains(text);
}

std::uint32_t SurveyBuilder::variable(std::string_view name, std::string_view modality, bool attribute) {
  const std::string key = std::string(modality) + '\0' + std::string(name) + (attribute ? "a" : "f");
  const auto [at, is_new] = variables_.try_emplace(key, static_cast<std::uint32_t>(survey_.variables.size()));
  if (is_new) survey_.variables.push_back({std::string(name), std::string(modality), attribute, ColumnProfile(decimal_)});
  return at->second;
}

std::uint32_t SurveyBuilder::patient(std::string_view id) {
  return patients_.try_emplace(hash64(id), static_cast<std::uint32_t>(patients_.size())).first->second;
}

void SurveyBuilder::moment(std::uint32_t patient, std::int64_t time) {
  moments_.add(mix64(mix64(patient) ^ static_cast<std::uint64_t>(time)));
  survey_.earliest = any_time_ ? std::min(survey_.earliest, time) : time;
  survey_.latest = any_time_ ? std::max(survey_.latest, time) : time;
  any_time_ = true;
}

namespace {

void count_unit(std::map<std::string, std::uint64_t, std::less<>>& units, std::string_view unit) {
  if (const auto at = units.find(unit); at != units.end()) ++at->second;
  else if (units.size() < Variable::kUnitsMax) units.emplace(unit, 1);
}

}  // namespace

void SurveyBuilder::add_units(std::uint32_t variable, std::string_view unit, std::string_view second) {
  if (is_missing_word(second)) return;
  auto& pairs = survey_.variables[variable].unit_pairs;
  const std::pair<std::string, std::string> both(is_missing_word(unit) ? "" : unit, second);
  if (pairs.size() < Variable::kUnitsMax || pairs.contains(both)) ++pairs[both];
}

void SurveyBuilder::profile(Variable& v, std::string_view text) const {
  std::string_view number = text;
  const std::string_view unit = units_in_cells_ ? unit_behind(text, decimal_, number) : std::string_view();
  if (!unit.empty()) {
    if (!v.without_units) v.without_units = v.profile;
    count_unit(v.cell_units, unit);
  }
  v.profile.add(text);
  if (v.without_units) v.without_units->add(unit.empty() ? text : number);
}

void SurveyBuilder::add(std::uint32_t variable, std::uint32_t patient, std::int64_t time, std::string_view text, std::string_view unit) {
  profile(survey_.variables[variable], text);
  if (is_missing_word(text)) return;
  if (!is_missing_word(unit)) count_unit(survey_.variables[variable].units, unit);
  if (survey_.cells.size() >= Survey::kCellsMax) followed_ = std::min(followed_, static_cast<std::uint32_t>(patients_.size()));
  if (patient >= followed_ || survey_.cells.size() >= Survey::kCellsMax + Survey::kCellsMax / 3) return;
  double number = 0;
  const bool is_number = read_number_or_limit(text, decimal_, number) && std::isfinite(number);
  survey_.cells.push_back({patient, variable, time, is_number ? value_hash(number) : value_hash(text)});
}

Survey SurveyBuilder::finish() {
  survey_.patients = patients_.size();
  survey_.moments = moments_.count();
  return std::move(survey_);
}

namespace {

/// Rows of CSV files to a builder.
class CsvSurvey {
 public:
  CsvSurvey(const TableSample& table, const Roles& roles) : table_(table), mapping_(roles.mapping), builder_(table.decimal, true) {
    const auto find = [&](const streaming::FileMapping::Column& name) {
      const auto at = name ? std::ranges::find(table.header, *name) : table.header.end();
      return at == table.header.end() ? -1 : static_cast<int>(at - table.header.begin());
    };
    patient_ = find(mapping_.patient_column);
    time_ = find(mapping_.time_column);
    parameter_ = find(mapping_.parameter_column);
    value_ = find(mapping_.value_column);
    unit_ = find(mapping_.unit_column);
    second_unit_ = find(mapping_.second_unit_column);
    if (mapping_.format == FileFormat::long_csv) return;
    std::set<std::string_view> left_out;
    for (const LeftOut& l : roles.left_out) left_out.insert(l.name);
    for (int i = 0; i < static_cast<int>(table.header.size()); ++i) {
      if (i == patient_ || i == time_ || left_out.contains(table.header[static_cast<std::size_t>(i)])) continue;
      columns_.emplace_back(static_cast<std::size_t>(i), builder_.variable(table.header[static_cast<std::size_t>(i)]));
    }
  }

  Status read(const Progress& progress) {
    auto times = streaming::TimeReader::make(mapping_);
    if (!times.ok()) return times.status();
    times_ = *times;
    std::uint64_t total = 0, before = 0;
    for (const streaming::InputFile& file : table_.files) total += file.bytes;
    for (const streaming::InputFile& file : table_.files) {
      const auto tell = [&](std::uint64_t bytes) {
        if (progress) progress(std::min(before + bytes, total), total);
      };
      LACUNA_RETURN_IF_ERROR(read_file(file, tell));
      before += file.bytes;
    }
    return {};
  }
  Survey finish() { return builder_.finish(); }

 private:
  using Cells = std::vector<std::string_view>;

  Status read_file(const streaming::InputFile& file, const std::function<void(std::uint64_t)>& tell) {
    auto lines = streaming::LineReader::open(file.path);
    if (!lines.ok()) return lines.status();
    CsvReader reader(std::move(*lines), table_.separator);
    Cells cells;
    if (reader.next(cells) != CsvReader::Outcome::row) return {Code::invalid, file.path + ": no header line that can be read"};
    const auto same = [](std::string_view a, const std::string& b) { return trim(a) == b; };
    if (!std::ranges::equal(cells, table_.header, same)) {
      return {Code::invalid, file.path + ": another header than " + table_.files.front().path};
    }
    std::uint64_t told = 0;
    for (;;) {
      const CsvReader::Outcome outcome = reader.next(cells);
      if (reader.bytes_read() != told) tell(told = reader.bytes_read());
      if (outcome == CsvReader::Outcome::end) return {};
      if (outcome == CsvReader::Outcome::failed) return {Code::internal, "cannot read " + file.path + ": " + reader.problem()};
      if (outcome == CsvReader::Outcome::malformed || cells.size() != table_.header.size()) continue;
      take_row(cells, mapping_.row_is_patient ? file.stem + "-" + std::to_string(reader.line_number()) : file.stem);
    }
  }

  void take_row(const Cells& cells, const std::string& patient_of_row) {
    ++builder_.survey().rows;
    const auto cell = [&](int column) { return column < 0 ? std::string_view() : trim(cells[static_cast<std::size_t>(column)]); };
    const std::uint32_t patient = builder_.patient(patient_ < 0 ? std::string_view(patient_of_row) : cell(patient_));
    std::int64_t time = 0;
    if (time_ >= 0) {
      const auto read = times_->read(cell(time_), Time{});
      if (!read) {
        ++builder_.survey().unreadable_times;
        return;
      }
      time = read->time.time_since_epoch().count();
    }
    builder_.moment(patient, time);
    if (parameter_ >= 0) {
      const std::uint32_t variable = builder_.variable(cell(parameter_));
      builder_.add(variable, patient, time, cell(value_), cell(unit_));
      if (second_unit_ >= 0 && !is_missing_word(cell(value_))) builder_.add_units(variable, cell(unit_), cell(second_unit_));
      return;
    }
    for (const auto& [column, variable] : columns_) builder_.add(variable, patient, time, trim(cells[column]), {});
  }

  const TableSample& table_;
  const streaming::FileMapping& mapping_;
  SurveyBuilder builder_;
  std::optional<streaming::TimeReader> times_;
  int patient_ = -1, time_ = -1, parameter_ = -1, value_ = -1, unit_ = -1, second_unit_ = -1;
  std::vector<std::pair<std::size_t, std::uint32_t>> columns_;  // wide: position, variable
};

}  // namespace

Result<Survey> survey_csv(const TableSample& table, const Roles& roles, const Progress& progress) {
  CsvSurvey survey(table, roles);
  LACUNA_RETURN_IF_ERROR(survey.read(progress));
  return survey.finish();
}

}  // namespace lacuna::daemon
