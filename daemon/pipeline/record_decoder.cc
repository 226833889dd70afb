#include "daemon/pipeline/record_decoder.h"

#include <algorithm>
#include <regex>
#include <string_view>
#include <utility>

namespace lacuna::daemon {

namespace {

/// The entry of topics.events that a topic came through: its name, or a pattern.
bool is_entry(const std::string& entry, const std::string& topic) {
  if (!entry.starts_with('^')) return entry == topic;
  try {
    return std::regex_search(topic, std::regex(entry, std::regex::extended));
  } catch (const std::regex_error&) {
    return false;  // one of librdkafka's own: without a format of its own the topic is json
  }
}

std::optional<std::string_view> header(const streaming::Record& record, std::string_view name) {
  const auto found = std::find_if(record.headers.rbegin(), record.headers.rend(), [name](const auto& one) { return one.first == name; });
  return found == record.headers.rend() ? std::nullopt : std::optional<std::string_view>(found->second);
}

std::optional<EventFormat> format_of_content(std::string_view type) {
  if (type.find("hl7-v2") != std::string_view::npos || type.find("hl7v2") != std::string_view::npos) return EventFormat::hl7v2;
  if (type.find("json") != std::string_view::npos) return EventFormat::json;
  return std::nullopt;
}

}  // namespace

RecordDecoder::RecordDecoder(const Config& config)
    : config_(config),
      json_(*config.schema, config.limits),
      hl7_(streaming::hl7::MessageDecoder::make(*config.schema, config.hl7, config.limits)) {}

EventFormat RecordDecoder::format_of(const streaming::Record& record) {
  if (const auto type = header(record, "content-type")) {
    if (const auto format = format_of_content(*type)) return *format;
  }
  const std::string& topic = record.position.topic;
  if (const auto known = formats_.find(topic); known != formats_.end()) return known->second;
  EventFormat format = EventFormat::json;
  for (const auto& [entry, said] : config_.topics.formats) {
    if (is_entry(entry, topic)) format = said;
  }
  return formats_[topic] = format;
}

RecordDecoder::Outcome RecordDecoder::decode(const streaming::Record& record, Time now) {
  Outcome out;
  if (format_of(record) == EventFormat::hl7v2) {
    decode_hl7(record, now, out);
    return out;
  }
  streaming::EventDecoder::Outcome read = json_.decode(*record.value, now);
  if (read.refused) {
    out.refused = std::move(read.refused);
  } else {
    out.parts = std::move(read.decoded->refused);
    out.events.push_back(std::move(read.decoded->event));
  }
  return out;
}

void RecordDecoder::decode_hl7(const streaming::Record& record, Time now, Outcome& out) {
  if (!hl7_.ok()) {  // the configuration was held against the schema: what it named has gone since
    out.refused = streaming::Refused{streaming::Refusal::unsupported, hl7_.status().message()};
    return;
  }
  streaming::hl7::Addressee addressee;
  addressee.key = record.key;
  addressee.person = header(record, streaming::hl7::kPersonHeader);
  hl7_->decode(*record.value, addressee, now, decoded_);
  out.feed = decoded_.counts;
  out.events = std::move(decoded_.events);
  out.parts = std::move(decoded_.refused);
  const bool of_person = std::any_of(out.events.begin(), out.events.end(), [](const Event& e) { return e.person != PersonChange::none; });
  if (of_person && out.events.size() > 1) {
    out.refused = streaming::Refused{streaming::Refusal::malformed, "a record with a merge holds other events as well: write them apart"};
  } else if (out.events.empty() && !out.parts.empty()) {
    const streaming::RefusedPart& first = out.parts.front();
    std::string message;
    for (const streaming::RefusedPart& part : out.parts) message += (message.empty() ? "" : "; ") + part.what + ": " + part.message;
    out.refused = streaming::Refused{first.reason, std::move(message)};
  }
  if (out.refused) out.events.clear();
}

}  // namespace lacuna::daemon
