#include "daemon/guessing/event_survey.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "streaming/files/csv_reader.h"

namespace lacuna::daemon {

namespace {

using json = nlohmann::ordered_json;  // features in the order of the messages
using streaming::LineReader;

std::string text_member(const json& object, const char* name) {
  const auto at = object.find(name);
  return at != object.end() && at->is_string() ? at->get<std::string>() : std::string();
}

/// 73, "female", true, {"value":73,"unit":"/min"} as a cell. Empty: it is none of them.
std::string cell_of(const json& value, std::string& unit) {
  if (value.is_object()) {
    unit = text_member(value, "unit");
    const auto at = value.find("value");
    return at == value.end() || at->is_object() ? std::string() : cell_of(*at, unit);
  }
  if (value.is_string()) return value.get<std::string>();
  if (value.is_boolean()) return value.get<bool>() ? "true" : "false";
  return value.is_number() ? number_text(value.get<double>()) : std::string();
}

void take_payload(PayloadSeen& seen, const std::string& modality, const json& payload) {
  const auto shape = payload.find("shape");
  if (shape == payload.end() || !shape->is_array()) return;
  seen.shape.clear();
  for (const json& size : *shape) {
    if (size.is_number_integer()) seen.shape.push_back(size.get<std::int64_t>());
  }
  seen.bytes = text_member(payload, "dtype") == "uint8";
  const bool wave = modality.find("ecg") != std::string::npos || modality.find("wave") != std::string::npos ||
                    modality.find("signal") != std::string::npos || modality.find("eeg") != std::string::npos;
  if (seen.shape.size() == 3) seen.kind = ModalityKind::image;
  if (seen.shape.size() == 2) seen.kind = wave || seen.shape[0] <= 16 ? ModalityKind::signal : ModalityKind::image;
  if (seen.shape.size() == 1) seen.kind = wave ? ModalityKind::signal : ModalityKind::embedding;
}

class EventSurvey {
 public:
  /// False: it is no event.
  bool take(std::string_view line) {
    const json event = json::parse(line, nullptr, false);
    if (!event.is_object()) return false;
    const std::string id = text_member(event, "patient_id"), modality = text_member(event, "modality");
    const auto time = parse_rfc3339(text_member(event, "time"));
    if (id.empty() || !time) return false;
    ++builder_.survey().rows;
    const std::uint32_t patient = builder_.patient(id);
    const std::int64_t at = time->time_since_epoch().count();
    builder_.moment(patient, at);
    const auto take_all = [&](const char* member, bool attribute) {
      const auto found = event.find(member);
      if (found == event.end() || !found->is_object()) return;
      for (const auto& [name, value] : found->items()) {
        std::string unit;
        const std::string cell = cell_of(value, unit);
        builder_.add(builder_.variable(name, attribute ? std::string_view() : modality, attribute), patient, at, cell, unit);
      }
    };
    if (!modality.empty()) take_all("values", false);
    take_all("attributes", true);
    if (!modality.empty()) take_payloads(event, modality);
    return true;
  }
  SurveyBuilder& builder() { return builder_; }

 private:
  void take_payloads(const json& event, const std::string& modality) {
    auto& payloads = builder_.survey().payloads;
    if (const std::string text = text_member(event, "text"); !text.empty()) {
      std::istringstream words(text);
      const auto count = std::distance(std::istream_iterator<std::string>(words), {});
      PayloadSeen& seen = payloads[modality];
      seen.words = std::max(seen.words, static_cast<std::size_t>(count));
    }
    const auto payload = event.find("payload");
    if (payload != event.end() && payload->is_object()) take_payload(payloads[modality], modality, *payload);
  }

  SurveyBuilder builder_{'.'};
};

}  // namespace

Result<Survey> survey_events(const TableSample& table, const Progress& progress) {
  EventSurvey survey;
  std::uint64_t total = 0, before = 0, others = 0;
  for (const streaming::InputFile& file : table.files) total += file.bytes;
  for (const streaming::InputFile& file : table.files) {
    auto lines = LineReader::open(file.path);
    if (!lines.ok()) return lines.status();
    std::string_view line;
    for (std::uint64_t told = 0;;) {
      const LineReader::Outcome outcome = lines->next(line);
      if (progress && lines->bytes_read() != told) progress(std::min(before + (told = lines->bytes_read()), total), total);
      if (outcome == LineReader::Outcome::end) break;
      if (outcome == LineReader::Outcome::failed) return {Code::internal, "cannot read " + file.path + ": " + lines->problem()};
      const bool blank = outcome == LineReader::Outcome::line && line.find_first_not_of(" \t") == std::string_view::npos;
      if (!blank && (outcome == LineReader::Outcome::too_long || !survey.take(line))) ++others;
    }
    before += file.bytes;
  }
  if (survey.builder().survey().rows == 0) {
    return {Code::invalid, fmt::format("{}: {} lines, and none is an event message with patient_id, time and values: what is read is in "
                                       "docs/messages.md; a table of records can be exported as CSV",
                                       table.files.front().path, others)};
  }
  return survey.builder().finish();
}

}  // namespace lacuna::daemon
