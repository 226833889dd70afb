#include "daemon/table_imputation/patient_table.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "streaming/files/file_list.h"

namespace lacuna::daemon {

namespace {

std::size_t bytes_of(const Event& event) {
  const std::size_t payload = event.payload ? event.payload->values.size() * sizeof(float) + event.payload->text.size() : 0;
  return sizeof event + event.event_id.size() + event.patient_id.size() + event.values.size() * sizeof(FeatureValue) +
         event.attributes.size() * sizeof(AttributeValue) + payload;
}

/// Fills a table from one path after the other.
class TableReader {
 public:
  explicit TableReader(PatientTable& table) : table_(table) {}

  void begin(bool keep_rows) { keep_rows_ = keep_rows; }

  Status take(std::vector<Event> events) {
    for (Event& event : events) {
      if (event.person != PersonChange::none) {
        return {Code::invalid, "a table cannot merge or forget persons: put such events on a log (lacuna replay, lacuna run)"};
      }
      bytes_ += bytes_of(event);
      table_.patients[place_of(event.patient_id)].events.push_back(std::move(event));
    }
    if (bytes_ <= kTableBytesMax) return {};
    return {Code::invalid, "more than 4 GB of events: lacuna replay and lacuna run learn from any amount, lacuna tail has what is imputed"};
  }

  void see(const streaming::FileRow& row) {
    const std::size_t patient = place_of(row.patient);
    TablePatient& of = table_.patients[patient];
    of.moments.push_back(row.time);
    if (!row.time_text.empty()) of.time_texts.try_emplace(row.time, row.time_text);
    if (keep_rows_) table_.rows[row.path].emplace(row.line, TableRow{patient, row.time});
  }

  /// Everything was read.
  void finish() {
    for (TablePatient& patient : table_.patients) {
      patient.events = standing_facts(std::move(patient.events));
      for (const Event& event : patient.events) patient.moments.push_back(event.time);
      std::ranges::sort(patient.moments);
      const auto [from, to] = std::ranges::unique(patient.moments);
      patient.moments.erase(from, to);
    }
  }

 private:
  std::size_t place_of(std::string_view id) {
    const auto [at, fresh] = places_.try_emplace(std::string(id), table_.patients.size());
    if (fresh) {
      table_.patients.emplace_back();
      table_.patients.back().id = id;
    }
    return at->second;
  }

  PatientTable& table_;
  std::unordered_map<std::string, std::size_t> places_;
  std::size_t bytes_ = 0;
  bool keep_rows_ = false;
};

}  // namespace

streaming::FileMapping mapping_of(const streaming::FileMapping& mapping, const std::string& path) {
  streaming::FileMapping out = mapping;
  const std::string extension = std::filesystem::path(streaming::without_packing(path)).extension();
  if (extension == ".ndjson" || extension == ".jsonl") out.format = streaming::FileFormat::ndjson;
  return out;
}

std::vector<Event> standing_facts(std::vector<Event> events) {
  std::stable_sort(events.begin(), events.end(), [](const Event& a, const Event& b) { return a.time < b.time; });
  // Of each result, which event stands for each of its features; kNoFeature: for whatever has no features.
  constexpr FeatureId kNoFeature = static_cast<FeatureId>(-1);
  std::map<std::pair<std::string, FeatureId>, std::size_t> newest;
  const auto is_older = [&](std::size_t a, std::size_t b) {
    return events[a].revision.kind == events[b].revision.kind && events[b].revision.kind != Revision::Kind::none &&
           events[a].revision.value < events[b].revision.value;
  };
  const auto note = [&](std::size_t i, FeatureId feature) {
    const auto [at, fresh] = newest.try_emplace({events[i].result_id, feature}, i);
    if (!fresh && !is_older(i, at->second)) at->second = i;
  };
  std::map<std::string, std::vector<FeatureId>> features_of;
  for (const Event& event : events) {
    for (const FeatureValue& v : event.values) {
      if (!event.result_id.empty()) features_of[event.result_id].push_back(v.feature);
    }
  }
  for (std::size_t i = 0; i < events.size(); ++i) {
    if (events[i].result_id.empty()) continue;
    note(i, kNoFeature);
    const bool all = withdraws(events[i].status) && events[i].values.empty();
    for (const FeatureId f : all ? features_of[events[i].result_id] : std::vector<FeatureId>()) note(i, f);
    for (const FeatureValue& v : events[i].values) note(i, v.feature);
  }
  std::vector<Event> out;
  for (std::size_t i = 0; i < events.size(); ++i) {
    Event& event = events[i];
    if (withdraws(event.status)) continue;
    if (!event.result_id.empty()) {
      std::erase_if(event.values, [&](const FeatureValue& v) { return newest.at({event.result_id, v.feature}) != i; });
      if (event.payload && newest.at({event.result_id, kNoFeature}) != i) event.payload = {};
    }
    if (!event.values.empty() || !event.attributes.empty() || event.payload) out.push_back(std::move(event));
  }
  return out;
}

Result<PatientTable> read_table(const Schema& schema, const streaming::FileMapping& mapping, const std::vector<std::string>& paths,
                                const std::function<void(std::uint64_t, std::uint64_t)>& progress) {
  PatientTable table;
  TableReader reader(table);
  for (const std::string& path : paths) {
    const streaming::FileMapping of_path = mapping_of(mapping, path);
    reader.begin(of_path.format == streaming::FileFormat::wide_csv);
    streaming::FileReport report;
    const Status read = streaming::read_patients(
        schema, of_path, path, 0, [&reader](std::vector<Event> events) { return reader.take(std::move(events)); }, progress, report,
        [&reader](const streaming::FileRow& row) { reader.see(row); });
    table.report.add(report);
    if (!read.ok()) return read;
  }
  reader.finish();
  return table;
}

}  // namespace lacuna::daemon
