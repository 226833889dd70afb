#include "streaming/files/csv_files.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "state/records/hash.h"
#include "streaming/files/cell_text.h"
#include "streaming/messages/event_decoder.h"
#include "streaming/messages/json_writer.h"

namespace lacuna::streaming {

namespace {

constexpr std::size_t kHeaderColumnsMax = 10'000;

bool read_revision(std::string_view text, Revision& out) {
  double number = 0;
  if (text.empty()) {
    out = {};
  } else if (read_plain_number(text, number) && std::isfinite(number)) {
    out = {Revision::Kind::number, number + 0.0};  // there is one zero
  } else if (const auto time = parse_rfc3339(text)) {
    out = {Revision::Kind::time, static_cast<double>(time->time_since_epoch().count())};
  } else {
    return false;
  }
  return true;
}

std::string shown(std::string_view name) { return name.empty() ? "(empty)" : std::string(name); }

}  // namespace

bool CsvPatients::Columns::is_one(int column) const {
  const int all[] = {patient, time, parameter, value, unit, second_unit, comparator, site, result, revision};
  return std::ranges::find(all, column) != std::end(all);
}

CsvPatients::CsvPatients(const Schema& schema, const FileMapping& mapping, std::size_t limit_patients, const Sink& sink, FileReport& report,
                         const RowSink& rows)
    : mapping_(mapping),
      index_(schema),
      limit_(limit_patients),
      sink_(sink),
      report_(report),
      rows_(rows),
      ignored_(mapping.ignored.begin(), mapping.ignored.end()),
      values_(mapping),
      events_(index_, report) {
  for (const auto& [name, column] : mapping.columns) {
    Route route{name, &column};
    if (column.modality.empty()) {
      const auto index = index_.find_attribute(column.feature);
      if (!index) {
        problems_.push_back("the schema has no attribute '" + column.feature + "'");
        continue;
      }
      route.is_attribute = true;
      route.index = static_cast<std::uint32_t>(*index);
      route.target = &index_.attribute(*index);
    } else {
      const ModalityId modality = index_.find_modality(column.modality);
      const auto id = modality == kNoModality ? std::nullopt : index_.find_feature(modality, column.feature);
      if (!id) {
        problems_.push_back("the schema has no feature '" + column.modality + "." + column.feature + "'");
        continue;
      }
      route.index = *id;
      route.target = &index_.feature(*id);
    }
    route.number = routes_.size();
    routes_.emplace(name, route);
  }
  told_.resize(routes_.size());
  const bool is_long = mapping.format == FileFormat::long_csv;
  if (is_long && !mapping.parameter_column) problems_.emplace_back("parameter_column is missing");
  if (is_long && !mapping.value_column) problems_.emplace_back("value_column is missing");
  if (!mapping.time_column && !mapping.is_relative()) problems_.emplace_back("time_column is missing");
  if (mapping.revision_column && !mapping.result_column) problems_.emplace_back("result_column is missing");
  Result<TimeReader> times = TimeReader::make(mapping);
  if (times.ok()) times_ = *times;
  else problems_.push_back(times.status().message());
}

Status CsvPatients::check() const {
  if (problems_.empty()) return {};
  std::string text = "file mapping: ";
  for (std::size_t i = 0; i < problems_.size(); ++i) text += (i == 0 ? "" : "; ") + problems_[i];
  return {Code::invalid, text};
}

void CsvPatients::lose(Losses& losses, std::string_view name, const std::string& why) const {
  Loss& loss = losses[std::string(name)];
  if (loss.count++ == 0) loss.first = place_.text() + (why.empty() ? "" : ": " + why);
}

bool CsvPatients::is_missing(std::string_view text) const {
  return text.empty() || std::find(mapping_.missing_texts.begin(), mapping_.missing_texts.end(), text) != mapping_.missing_texts.end();
}

bool CsvPatients::is_missing(const Route& route, std::string_view text) const {
  const auto is_mark = [&](const std::string& mark) { return text == mark || is_same_number(text, mark); };
  return is_missing(text) || std::ranges::any_of(route.column->missing_texts, is_mark);
}

Status CsvPatients::find_columns(const std::vector<std::string_view>& header, Columns& columns) const {
  std::string missing;
  const auto find = [&](const FileMapping::Column& name, int& position) {
    if (!name) return;
    for (std::size_t i = 0; i < header.size() && position < 0; ++i) {
      if (trim(header[i]) == *name) position = static_cast<int>(i);
    }
    if (position < 0) missing += (missing.empty() ? "'" : ", '") + *name + "'";
  };
  find(mapping_.patient_column, columns.patient);
  if (mapping_.time_form != FileMapping::TimeForm::none) find(mapping_.time_column, columns.time);
  find(mapping_.site_column, columns.site);
  find(mapping_.result_column, columns.result);
  find(mapping_.revision_column, columns.revision);
  if (mapping_.format == FileFormat::long_csv) {
    find(mapping_.parameter_column, columns.parameter);
    find(mapping_.value_column, columns.value);
    find(mapping_.unit_column, columns.unit);
    find(mapping_.second_unit_column, columns.second_unit);
    find(mapping_.comparator_column, columns.comparator);
  }
  if (missing.empty()) return {};
  std::string there;
  for (std::size_t i = 0; i < std::min<std::size_t>(header.size(), 12); ++i)
    there += (i == 0 ? "'" : ", '") + std::string(trim(header[i])) + "'";
  return {Code::invalid, *place_.path + ": no column " + missing + "; the header has " + std::to_string(header.size()) + ": " + there};
}

Status CsvPatients::read_header(CsvReader& reader, Columns& columns) {
  std::vector<std::string_view> cells;
  const bool read = reader.next(cells) == CsvReader::Outcome::row;
  place_.line = reader.line_number();
  if (!read || cells.size() > kHeaderColumnsMax) return {Code::invalid, *place_.path + ": no header line that can be read"};
  LACUNA_RETURN_IF_ERROR(find_columns(cells, columns));
  std::map<std::string_view, std::size_t> names;
  const bool is_long = mapping_.format == FileFormat::long_csv;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const std::string_view name = trim(cells[i]);
    const auto route = routes_.find(name);
    columns.first.push_back(names.try_emplace(name, i).first->second);
    columns.routes.push_back(route == routes_.end() || is_long ? nullptr : &route->second);
    columns.names.emplace_back(name);
    if (is_long && !columns.is_one(static_cast<int>(columns.first[i])) && !ignored_.contains(name)) columns.unused.push_back(i);
  }
  return {};
}

void CsvPatients::take_cell(std::string_view name, const Route* route, const CellText& told, Time time, std::uint32_t fact) {
  if (route == nullptr) {
    if (!ignored_.contains(name)) lose(report_.unmapped, shown(name), "");
    return;
  }
  if (is_missing(*route, told.text)) {
    ++report_.missing;
    return;
  }
  ++told_[route->number];
  const CellValue value = values_.read({*route->target, *route->column, route->is_attribute}, told);
  switch (value.outcome) {
    case CellValue::Outcome::taken:
      return events_.add({time, fact, route->is_attribute, route->index, value.number, value.comparator, route->name, place_});
    case CellValue::Outcome::unreadable: return lose(report_.unreadable, name, value.why);
    case CellValue::Outcome::out_of_range: return lose(report_.out_of_range, name, value.why);
    case CellValue::Outcome::unit: return lose(report_.units, name, value.why);
  }
}

Status CsvPatients::begin_patient(std::string_view patient) {
  if (!seen_.insert(hash64(patient)).second) {
    return {Code::invalid, "the rows of a patient do not stand together: sort the file by patient"};
  }
  const Time start = mapping_.start + mapping_.stagger * static_cast<std::int64_t>(patients_);
  events_.begin(patient, mapping_.is_relative() ? start : Time{});
  ++patients_;
  open_ = true;
  return {};
}

std::optional<Time> CsvPatients::take_time(const Columns& columns, const std::vector<std::string_view>& cells) {
  if (columns.time < 0) return events_.start();
  const auto column = static_cast<std::size_t>(columns.time);
  const auto read = times_->read(trim(cells[column]), events_.start());
  if (!read) {
    lose(report_.unreadable, "", "the time cannot be read");
    return std::nullopt;
  }
  if (read->time < mapping_.earliest) {
    lose(report_.unreadable, "", "the time is further back than limits.past_max");
    return std::nullopt;
  }
  if (read->clock != TimeReader::Clock::one) {
    const bool twice = read->clock == TimeReader::Clock::twice;
    lose(report_.clocks, columns.names[column],
         twice ? "the clock shows it twice: the earlier one" : "the clock never shows it: put forward");
  }
  return read->time;
}

Status CsvPatients::take_row(const Columns& columns, const std::vector<std::string_view>& cells, const std::string& patient_of_file) {
  const auto is_name = [](std::string_view cell, const std::string& name) { return trim(cell) == name; };
  if (std::ranges::equal(cells, columns.names, is_name)) return {};  // of files that were put behind one another
  ++report_.rows;
  if (!is_whole_row(cells, columns.names.size())) {
    lose(report_.unreadable, "", std::to_string(cells.size()) + " cells where the header has " + std::to_string(columns.names.size()));
    return {};
  }
  const auto cell = [&](int column) { return trim(cells[static_cast<std::size_t>(column)]); };
  const std::string numbered = mapping_.row_is_patient ? patient_of_file + "-" + std::to_string(place_.line) : "";
  const std::string_view patient = mapping_.row_is_patient ? std::string_view(numbered)
                                   : columns.patient < 0   ? std::string_view(patient_of_file)
                                                           : cell(columns.patient);
  if (!open_ || patient != events_.patient()) {
    if (patient.empty() || !is_utf8(patient) || check_id("patient", patient, CodecLimits{}.id_bytes_max)) {
      lose(report_.unreadable, "", "no usable patient id");
      return {};
    }
    LACUNA_RETURN_IF_ERROR(end_patient());
    if (done()) return {};
    LACUNA_RETURN_IF_ERROR(begin_patient(patient));
  }
  const std::optional<Time> time = take_time(columns, cells);
  if (!time) return {};
  if (rows_) rows_({*place_.path, place_.line, events_.patient(), *time, columns.time < 0 ? std::string_view() : cell(columns.time)});
  const std::optional<std::uint32_t> fact = take_fact(columns, cells, *time);
  if (fact) take_cells(columns, cells, *time, *fact);
  else lose(report_.unreadable, "", "the result's id or its revision cannot be read");
  return {};
}

void CsvPatients::take_cells(const Columns& columns, const std::vector<std::string_view>& cells, Time time, std::uint32_t fact) {
  const auto cell = [&](std::size_t column) { return trim(cells[column]); };
  if (columns.parameter >= 0) {
    const std::string_view name = cell(static_cast<std::size_t>(columns.parameter));
    const auto route = routes_.find(name);
    const auto of = [&](int column) {
      const std::string_view text = column < 0 ? std::string_view() : cell(static_cast<std::size_t>(column));
      return is_missing(text) ? std::string_view() : text;
    };
    take_cell(name, route == routes_.end() ? nullptr : &route->second,
              {cell(static_cast<std::size_t>(columns.value)), of(columns.unit), of(columns.second_unit), of(columns.comparator)}, time,
              fact);
    for (const std::size_t unused : columns.unused) {
      if (!is_missing(cell(unused))) lose(report_.unmapped, shown(columns.names[unused]), "a column");
    }
    return;
  }
  for (std::size_t i = 0; i < columns.names.size(); ++i) {
    const std::string_view text = cell(i);
    const bool is_read = columns.routes[i] != nullptr || columns.is_one(static_cast<int>(columns.first[i]));
    if (columns.first[i] != i && is_read) {
      if (is_missing(text)) continue;
      if (text == cell(columns.first[i])) ++report_.duplicates;
      else lose(report_.repeated, columns.names[i], "the header has this name twice: only the first column is read");
      continue;
    }
    if (columns.routes[i] == nullptr && (is_read || is_missing(text))) continue;
    take_cell(columns.names[i], columns.routes[i], {text}, time, fact);
  }
}

/// Empty: what it says cannot be taken. A row without a result is a fact of its source.
std::optional<std::uint32_t> CsvPatients::take_fact(const Columns& columns, const std::vector<std::string_view>& cells, Time time) {
  Fact fact{source_, {}, {}, {}};
  const auto cell = [&](int column) {
    const std::string_view text = column < 0 ? std::string_view() : trim(cells[static_cast<std::size_t>(column)]);
    return is_missing(text) ? std::string_view() : text;
  };
  if (const std::string_view site = cell(columns.site); !site.empty()) {
    const bool usable = is_utf8(site) && !check_id("site", site, CodecLimits{}.id_bytes_max);
    if (!usable) lose(report_.unreadable, columns.names[static_cast<std::size_t>(columns.site)], "no usable site");
    fact.site = usable ? site : std::string_view();
    events_.note_site(time, *fact.site);
  }
  fact.result_id = cell(columns.result);
  if (!read_revision(cell(columns.revision), fact.revision)) return std::nullopt;
  if (fact.result_id.empty() && fact.revision.kind != Revision::Kind::none) return std::nullopt;
  if (!is_utf8(fact.result_id) || check_id("result.id", fact.result_id, CodecLimits{}.id_bytes_max)) return std::nullopt;
  return events_.note(std::move(fact));
}

Status CsvPatients::end_patient() {
  if (!open_) return {};
  open_ = false;
  std::vector<Event> events = events_.take();
  return events.empty() ? Status() : sink_(std::move(events));
}

Status CsvPatients::read_file(const std::string& path, const std::string& name, const std::string& patient_of_file,
                              const std::function<void(std::uint64_t)>& progress) {
  auto lines = LineReader::open(path);
  if (!lines.ok()) return lines.status();
  return read_rows(CsvReader(std::move(*lines), mapping_.separator), path, name, patient_of_file, progress);
}

Status CsvPatients::read_rows(CsvReader reader, const std::string& path, const std::string& name, const std::string& patient_of_file,
                              const std::function<void(std::uint64_t)>& progress) {
  source_ = hash64(mapping_.source.empty() ? name : mapping_.source);
  place_.path = &paths_.emplace_back(path);
  Columns columns;
  LACUNA_RETURN_IF_ERROR(read_header(reader, columns));
  std::vector<std::string_view> cells;
  std::uint64_t told = 0;
  while (!done()) {
    const CsvReader::Outcome outcome = reader.next(cells);
    if (reader.bytes_read() != told) progress(told = reader.bytes_read());
    if (outcome == CsvReader::Outcome::end) break;
    if (outcome == CsvReader::Outcome::failed) return {Code::unavailable, "cannot read " + path + ": " + reader.problem()};
    place_.line = reader.line_number();
    if (outcome == CsvReader::Outcome::malformed) {
      ++report_.rows;
      lose(report_.unreadable, "", "quotes that do not match, or a line without end");
      continue;
    }
    const Status status = take_row(columns, cells, patient_of_file);
    if (!status.ok()) return {status.code(), place_.text() + ": " + status.message()};
  }
  // A file that is a patient ends with it; otherwise the next file may go on with the same one.
  return mapping_.patient_column ? Status() : end_patient();
}

void CsvPatients::tell_cells() {
  for (const auto& [name, route] : routes_) {
    if (std::uint64_t& told = told_[route.number]; told > 0) report_.told[std::string(name)] += std::exchange(told, 0);
  }
}

Status CsvPatients::finish() {
  tell_cells();
  return end_patient();
}

}  // namespace lacuna::streaming
