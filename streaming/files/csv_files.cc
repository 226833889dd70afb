#include "streaming/files/csv_files.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <tuple>

#include "state/records/hash.h"
#include "streaming/messages/event_decoder.h"
#include "streaming/messages/json_writer.h"

namespace lacuna::streaming {

namespace {

constexpr std::size_t kHeaderColumnsMax = 10'000;

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool read_number(std::string_view text, double& out) {
  const auto end = std::from_chars(text.data(), text.data() + text.size(), out);
  return end.ec == std::errc() && end.ptr == text.data() + text.size();
}

// "37:05" as minutes; hours go on past a day.
std::optional<double> read_hours_minutes(std::string_view text) {
  const auto colon = text.find(':');
  if (colon == std::string_view::npos || colon == 0 || text.size() != colon + 3) return std::nullopt;
  unsigned hours = 0;
  unsigned minutes = 0;
  const char* middle = text.data() + colon;
  const char* end = text.data() + text.size();
  if (std::from_chars(text.data(), middle, hours).ptr != middle || std::from_chars(middle + 1, end, minutes).ptr != end) {
    return std::nullopt;
  }
  if (minutes > 59) return std::nullopt;
  return hours * 60.0 + minutes;
}

// Past this a relative time is a mistake, and far below what a time can hold.
constexpr double kMinutesMax = 60.0 * 24 * 366 * 150;

bool read_revision(std::string_view text, Revision& out) {
  double number = 0;
  if (text.empty()) {
    out = {};
  } else if (read_number(text, number) && std::isfinite(number)) {
    out = {Revision::Kind::number, number + 0.0};  // there is one zero
  } else if (const auto time = parse_rfc3339(text)) {
    out = {Revision::Kind::time, static_cast<double>(time->time_since_epoch().count())};
  } else {
    return false;
  }
  return true;
}

// One part of what a hash is made of; nothing that a part holds can end it.
void add_part(std::string& to, std::string_view part) { to.append(std::to_string(part.size())).append(":").append(part); }

void add_number(std::string& to, double value) {
  char digits[32];
  add_part(to, {digits, static_cast<std::size_t>(std::to_chars(digits, digits + sizeof digits, value).ptr - digits)});
}

void add_value(std::string& to, const SchemaField& field, double value) {
  add_part(to, field.path);
  if (has_categories(field.likelihood)) add_part(to, field.categories[static_cast<std::size_t>(value)]);
  else add_number(to, value);
}

std::string hex(std::uint64_t hash) {
  char digits[17];
  std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(hash));
  return digits;
}

}  // namespace

CsvPatients::CsvPatients(const Schema& schema, const FileMapping& mapping, std::size_t limit_patients, const Sink& sink, FileReport& report)
    : mapping_(mapping),
      index_(schema),
      limit_(limit_patients),
      sink_(sink),
      report_(report),
      ignored_(mapping.ignored.begin(), mapping.ignored.end()),
      attributes_(schema.attributes().size()) {
  for (const auto& [name, column] : mapping.columns) {
    Route route;
    route.column = &column;
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
    routes_.emplace(name, route);
  }
  const bool is_long = mapping.format == FileFormat::long_csv;
  if (is_long && mapping.parameter_column.empty()) problems_.emplace_back("parameter_column is missing");
  if (is_long && mapping.value_column.empty()) problems_.emplace_back("value_column is missing");
  if (mapping.time_column.empty() && mapping.time_form == FileMapping::TimeForm::rfc3339) {
    problems_.emplace_back("time_column is missing");
  }
  if (!mapping.revision_column.empty() && mapping.result_column.empty()) problems_.emplace_back("result_column is missing");
}

Status CsvPatients::check() const {
  if (problems_.empty()) return {};
  std::string text = "file mapping: ";
  for (std::size_t i = 0; i < problems_.size(); ++i) text += (i == 0 ? "" : "; ") + problems_[i];
  return {Code::invalid, text};
}

void CsvPatients::unreadable(const std::string& path, std::uint64_t line, const std::string& what) {
  ++report_.unreadable;
  if (report_.first_problem.empty()) report_.first_problem = path + ":" + std::to_string(line) + ": " + what;
}

bool CsvPatients::is_missing(std::string_view text) const {
  return text.empty() || std::find(mapping_.missing_texts.begin(), mapping_.missing_texts.end(), text) != mapping_.missing_texts.end();
}

Status CsvPatients::read_header(CsvReader& reader, const std::string& path, Columns& columns) {
  std::vector<std::string_view> cells;
  if (reader.next(cells) != CsvReader::Outcome::row || cells.size() > kHeaderColumnsMax) {
    return {Code::invalid, path + ": no header line that can be read"};
  }
  std::string missing;
  const auto find = [&](const std::string& name, int& position) {
    if (name.empty()) return;
    for (std::size_t i = 0; i < cells.size() && position < 0; ++i) {
      if (trim(cells[i]) == name) position = static_cast<int>(i);
    }
    if (position < 0) missing += (missing.empty() ? "'" : ", '") + name + "'";
  };
  find(mapping_.patient_column, columns.patient);
  find(mapping_.time_column, columns.time);
  find(mapping_.site_column, columns.site);
  find(mapping_.result_column, columns.result);
  find(mapping_.revision_column, columns.revision);
  if (mapping_.format == FileFormat::long_csv) {
    find(mapping_.parameter_column, columns.parameter);
    find(mapping_.value_column, columns.value);
  }
  if (!missing.empty()) return {Code::invalid, path + ": no column " + missing};
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const std::string_view name = trim(cells[i]);
    const auto route = routes_.find(name);
    columns.routes.push_back(route == routes_.end() ? nullptr : &route->second);
    columns.names.emplace_back(name);
  }
  return {};
}

std::optional<Time> CsvPatients::parse_time(std::string_view text) const {
  using TimeForm = FileMapping::TimeForm;
  if (mapping_.time_form == TimeForm::rfc3339) return parse_rfc3339(text);
  double minutes = 0;
  if (mapping_.time_form == TimeForm::hours_minutes) {
    const auto read = read_hours_minutes(text);
    if (!read) return std::nullopt;
    minutes = *read;
  } else {
    if (!read_number(text, minutes)) return std::nullopt;
    if (mapping_.time_form == TimeForm::hours) minutes *= 60;
    if (mapping_.time_form == TimeForm::days) minutes *= 24 * 60;
  }
  if (!(std::abs(minutes) <= kMinutesMax)) return std::nullopt;  // NaN too
  return start_ + Millis(std::llround(minutes * 60'000));
}

// False: the text cannot be read as what the target holds. `problem`: it can, but the schema does not take it.
bool CsvPatients::parse_value(const Route& route, std::string_view text, double& out, std::optional<ValueProblem>& problem) const {
  const SchemaField& target = *route.target;
  const auto& categories = route.column->categories;
  if (!categories.empty()) {
    const auto mapped = categories.find(std::string(text));
    if (mapped != categories.end()) text = mapped->second;
  }
  if (has_categories(target.likelihood)) {
    problem = target.from_text(text, out);
    return true;
  }
  if (target.likelihood == Likelihood::bernoulli && (text == "true" || text == "false")) {
    problem = target.from_truth(text == "true", out);
    return true;
  }
  double number = 0;
  if (!read_number(text, number)) return false;
  problem = target.from_number(number * route.column->scale + route.column->offset, out);
  return true;
}

void CsvPatients::take_cell(std::string_view name, const Route* route, std::string_view text, Time time, const std::string& path,
                            std::uint64_t line) {
  text = trim(text);
  if (route == nullptr) {
    if (!ignored_.contains(name)) ++report_.unmapped[name.empty() ? "(empty)" : std::string(name)];
    return;
  }
  if (is_missing(text)) {
    ++report_.missing;
    return;
  }
  double value = 0;
  std::optional<ValueProblem> problem;
  if (!parse_value(*route, text, value, problem)) return unreadable(path, line, route->target->path + " is not a number");
  if (problem) {
    ++report_.out_of_range;
  } else if (route->is_attribute) {
    std::optional<double>& attribute = attributes_[route->index];
    if (attribute && *attribute != value) ++report_.duplicates;
    attribute = value;
  } else {
    cells_.push_back({time, route->index, fact_, value});
  }
}

Status CsvPatients::begin_patient(std::string_view patient) {
  if (!seen_.insert(hash64(patient)).second) {
    return {Code::invalid, "the rows of a patient do not stand together: sort the file by patient"};
  }
  patient_ = patient;
  site_.clear();
  facts_.clear();
  first_row_.reset();
  start_ = mapping_.time_form == FileMapping::TimeForm::rfc3339 ? Time{}
                                                                : mapping_.start + mapping_.stagger * static_cast<std::int64_t>(patients_);
  ++patients_;
  open_ = true;
  return {};
}

Status CsvPatients::take_row(const Columns& columns, const std::vector<std::string_view>& cells, const std::string& path,
                             std::uint64_t line, const std::string& patient_of_file) {
  ++report_.rows;
  if (cells.size() != columns.names.size()) {
    unreadable(path, line, std::to_string(cells.size()) + " cells where the header has " + std::to_string(columns.names.size()));
    return {};
  }
  const auto cell = [&](int column) { return trim(cells[static_cast<std::size_t>(column)]); };
  const std::string_view patient = columns.patient < 0 ? std::string_view(patient_of_file) : cell(columns.patient);
  if (!open_ || patient != patient_) {
    if (patient.empty() || !is_utf8(patient) || check_id("patient", patient, CodecLimits{}.id_bytes_max)) {
      unreadable(path, line, "no usable patient id");
      return {};
    }
    LACUNA_RETURN_IF_ERROR(end_patient());
    if (done()) return {};
    LACUNA_RETURN_IF_ERROR(begin_patient(patient));
  }
  if (columns.site >= 0 && is_utf8(cell(columns.site)) && !check_id("site", cell(columns.site), CodecLimits{}.id_bytes_max)) {
    site_ = cell(columns.site);
  }
  const auto time = columns.time < 0 ? std::optional<Time>(start_) : parse_time(cell(columns.time));
  if (!time) {
    unreadable(path, line, "the time cannot be read");
    return {};
  }
  if (!take_fact(columns, cells)) {
    unreadable(path, line, "the result's id or its revision cannot be read");
    return {};
  }
  first_row_ = first_row_ ? std::min(*first_row_, *time) : *time;
  if (columns.parameter >= 0) {
    const std::string_view name = cell(columns.parameter);
    const auto route = routes_.find(name);
    take_cell(name, route == routes_.end() ? nullptr : &route->second, cell(columns.value), *time, path, line);
    return {};
  }
  for (int i = 0; i < static_cast<int>(cells.size()); ++i) {
    if (columns.is_one(i)) continue;
    const auto at = static_cast<std::size_t>(i);
    take_cell(columns.names[at], columns.routes[at], cells[at], *time, path, line);
  }
  return {};
}

// False: what it says cannot be taken. A row without a result is a fact of its source.
bool CsvPatients::take_fact(const Columns& columns, const std::vector<std::string_view>& cells) {
  Fact fact{source_, {}, {}};
  if (columns.result >= 0) fact.result_id = trim(cells[static_cast<std::size_t>(columns.result)]);
  if (columns.revision >= 0 && !read_revision(trim(cells[static_cast<std::size_t>(columns.revision)]), fact.revision)) return false;
  if (fact.result_id.empty() && fact.revision.kind != Revision::Kind::none) return false;
  if (!is_utf8(fact.result_id) || check_id("result.id", fact.result_id, CodecLimits{}.id_bytes_max)) return false;
  if (!facts_.empty() && facts_[fact_] == fact) return true;
  // Rows of a result stand near one another, and a patient's results may be many.
  constexpr std::size_t kLookBack = 64;
  for (std::size_t i = facts_.size(); i > 0 && facts_.size() - i < kLookBack; --i) {
    if (facts_[i - 1] != fact) continue;
    fact_ = static_cast<std::uint32_t>(i - 1);
    return true;
  }
  fact_ = static_cast<std::uint32_t>(facts_.size());
  facts_.push_back(std::move(fact));
  return true;
}

/// The file, the patient, the time as the file tells it and the values: whatever of these differs is another event, and the same row read
/// again is the same one. Only their hash, since an id goes into logs of others. The site is left out: it is of the whole stay.
std::string CsvPatients::event_id(const Event& event, const Fact& fact) const {
  std::string content;
  add_part(content, event.patient_id);
  add_part(content, std::to_string((event.time - start_).count()));
  add_part(content, fact.result_id);
  if (fact.revision.kind != Revision::Kind::none) add_number(content, fact.revision.value);
  for (const FeatureValue& v : event.values) add_value(content, index_.feature(v.feature), v.value);
  for (const AttributeValue& a : event.attributes) add_value(content, index_.attribute(a.attribute), a.value);
  return "csv-" + hex(fact.source) + "-" + hex(hash64(content));
}

Event CsvPatients::make_event(Time time, ModalityId modality, const Fact& fact) const {
  Event event;
  event.patient_id = patient_;
  event.site = site_;
  event.modality = modality;
  event.time = time;
  event.result_id = fact.result_id;
  event.revision = fact.revision;
  return event;
}

std::vector<AttributeValue> CsvPatients::take_attributes() {
  std::vector<AttributeValue> out;
  for (std::uint32_t i = 0; i < attributes_.size(); ++i) {
    if (attributes_[i]) out.push_back({i, *attributes_[i]});
    attributes_[i].reset();
  }
  report_.values += out.size();
  return out;
}

std::vector<Event> CsvPatients::take_events() {
  const auto& features = index_.schema().features();
  // This order puts each event's values side by side; being stable it keeps the order of the file among those that are the same.
  const auto place = [&features](const Cell& c) { return std::tuple(c.time, features[c.feature].modality, c.fact, c.feature); };
  std::stable_sort(cells_.begin(), cells_.end(), [&place](const Cell& a, const Cell& b) { return place(a) < place(b); });
  std::vector<Event> events;
  std::vector<const Fact*> facts;  // of each event
  std::size_t group = 0;           // the first event of this time, modality and fact
  std::set<double> values;         // of this feature, in the group
  for (std::size_t i = 0; i < cells_.size(); ++i) {
    const Cell& cell = cells_[i];
    const ModalityId modality = features[cell.feature].modality;
    const bool begins = i == 0 || cells_[i - 1].time != cell.time || cells_[i - 1].fact != cell.fact || events.back().modality != modality;
    if (begins) group = events.size();
    if (begins || cells_[i - 1].feature != cell.feature) values.clear();
    const std::size_t at = group + values.size();  // a feature's second value is the second event's
    if (!values.insert(cell.value).second) {
      ++report_.duplicates;
      continue;
    }
    if (at == events.size()) {
      facts.push_back(&facts_[cell.fact]);
      events.push_back(make_event(cell.time, modality, *facts.back()));
    }
    events[at].values.push_back({cell.feature, cell.value});
    ++report_.values;
  }
  cells_.clear();
  std::vector<AttributeValue> attributes = take_attributes();
  if (events.empty() && !attributes.empty()) {
    // Without a single measurement: the beginning of the stay, or what was first heard of this patient.
    const Time time = mapping_.time_form == FileMapping::TimeForm::rfc3339 ? *first_row_ : start_;
    facts.push_back(&facts_.back());
    events.push_back(make_event(time, kNoModality, *facts.back()));
  }
  if (!attributes.empty()) events.front().attributes = std::move(attributes);
  for (std::size_t i = 0; i < events.size(); ++i) events[i].event_id = event_id(events[i], *facts[i]);
  return events;
}

Status CsvPatients::end_patient() {
  if (!open_) return {};
  open_ = false;
  std::vector<Event> events = take_events();
  return events.empty() ? Status() : sink_(std::move(events));
}

Status CsvPatients::read_file(const std::string& path, const std::string& name, const std::string& patient_of_file,
                              const std::function<void(std::uint64_t)>& progress) {
  auto lines = LineReader::open(path);
  if (!lines.ok()) return lines.status();
  CsvReader reader(std::move(*lines), mapping_.separator);
  source_ = hash64(mapping_.source.empty() ? name : mapping_.source);
  Columns columns;
  LACUNA_RETURN_IF_ERROR(read_header(reader, path, columns));
  std::vector<std::string_view> cells;
  std::uint64_t told = 0;
  while (!done()) {
    const CsvReader::Outcome outcome = reader.next(cells);
    if (reader.bytes_read() != told) progress(told = reader.bytes_read());
    if (outcome == CsvReader::Outcome::end) break;
    if (outcome == CsvReader::Outcome::failed) return {Code::internal, "cannot read " + path};
    if (outcome == CsvReader::Outcome::malformed) {
      ++report_.rows;
      unreadable(path, reader.line_number(), "quotes that do not match, or a line without end");
      continue;
    }
    const Status status = take_row(columns, cells, path, reader.line_number(), patient_of_file);
    if (!status.ok()) {
      return {status.code(), path + ":" + std::to_string(reader.line_number()) + ": " + status.message()};
    }
  }
  // A file that is a patient ends with it; otherwise the next file may go on with the same one.
  return mapping_.patient_column.empty() ? end_patient() : Status();
}

Status CsvPatients::finish() { return end_patient(); }

}  // namespace lacuna::streaming
