#include "daemon/pipeline/transfers.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <utility>

#include "state/records/person_key.h"

namespace lacuna::daemon {

namespace {

constexpr std::string_view kPrefix = "lacuna.transfer.";
constexpr std::string_view kKind = "lacuna.transfer.kind", kVia = "lacuna.transfer.via", kInto = "lacuna.transfer.into",
                           kKey = "lacuna.transfer.key", kTopic = "lacuna.transfer.topic", kPartition = "lacuna.transfer.partition",
                           kOffset = "lacuna.transfer.offset";
constexpr std::string_view kEvent = "event", kState = "state";

template <typename Number>
bool read_number(std::string_view text, Number& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size() && out >= 0;
}

// Of the members that name persons the record's key and headers are what counts: the plain id, since a key may be longer than an id may.
std::string event_json(std::string_view person, std::string_view event_id, Time now, nlohmann::ordered_json what) {
  return nlohmann::ordered_json{{"schema_version", 1},
                                {"event_id", event_id},
                                {"patient_id", split_person_key(person).id},
                                {"time", format_rfc3339(now)},
                                {"patient", std::move(what)}}
      .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

streaming::OutputRecord to_record(const Config& config, const Transfer& transfer) {
  streaming::OutputRecord out{config.topics.transfers, std::nullopt, transfer.person, transfer.original.value, {}};
  out.partition_key = std::string(split_person_key(transfer.person).id);
  const auto add = [&out](std::string_view name, std::string value) { out.headers.emplace_back(name, std::move(value)); };
  const bool event = transfer.kind == Transfer::Kind::event;
  add(kKind, std::string(event ? kEvent : kState));
  for (const std::string& person : transfer.via) add(kVia, person);
  if (!transfer.into.empty()) add(kInto, transfer.into);
  const SourcePosition& at = transfer.original.position;
  if (!event || at.topic.empty()) return out;
  add(kKey, transfer.original.key);
  add(kTopic, at.topic);
  add(kPartition, std::to_string(at.partition));
  add(kOffset, std::to_string(at.offset));
  out.headers.insert(out.headers.end(), transfer.original.headers.begin(), transfer.original.headers.end());
  return out;
}

Result<Transfer> read_transfer(const streaming::Record& record) {
  Transfer out;
  std::optional<Transfer::Kind> kind;
  out.person = record.key;
  out.original = {record.position, record.timestamp, record.key, record.value, {}};
  SourcePosition& at = out.original.position;
  bool good = !record.key.empty();
  for (const auto& [name, value] : record.headers) {
    if (!std::string_view(name).starts_with(kPrefix)) out.original.headers.emplace_back(name, value);
    else if (name == kKind && value == kEvent) kind = Transfer::Kind::event;
    else if (name == kKind && value == kState) kind = Transfer::Kind::state;
    else if (name == kVia) out.via.push_back(value);
    else if (name == kInto) out.into = value;
    else if (name == kKey) out.original.key = value;
    else if (name == kTopic) at.topic = value;
    else if (name == kPartition) good = read_number(value, at.partition) && good;
    else if (name == kOffset) good = read_number(value, at.offset) && good;
    else good = false;
  }
  if (!good || !kind || (*kind == Transfer::Kind::state && !record.value)) return Status(Code::invalid, "not a record of this topic");
  out.kind = *kind;
  return out;
}

std::string forget_event(std::string_view person, std::string_view event_id, Time now) {
  return event_json(person, event_id, now, {{"forget", true}});
}

std::string merge_event(std::string_view person, std::string_view into, std::string_view event_id, Time now) {
  return event_json(person, event_id, now, {{"merged_into", split_person_key(into).id}});
}

Result<std::vector<streaming::Record>> TransferReader::read(std::size_t limit) {
  std::vector<streaming::Record> out;
  // Each has its turn to be the first.
  auto at = next_.upper_bound(turn_);
  for (std::size_t left = next_.size(); left > 0 && out.size() < limit; --left, ++at) {
    if (at == next_.end()) at = next_.begin();
    auto records = reader_->read({config_.topics.transfers, at->first}, at->second, limit - out.size(), Millis(0));
    if (!records.ok()) return out.empty() ? records.status() : Result<std::vector<streaming::Record>>(std::move(out));
    if (records->empty()) continue;
    turn_ = at->first;
    at->second = records->back().position.offset + 1;
    std::move(records->begin(), records->end(), std::back_inserter(out));
  }
  return out;
}

Result<bool> TransferReader::at_end(streaming::TopicReader& other) const {
  for (const auto& [partition, next] : next_) {
    const auto bounds = other.bounds({config_.topics.transfers, partition});
    if (!bounds.ok()) return bounds.status();
    if (bounds->second > next) return false;
  }
  return true;
}

}  // namespace lacuna::daemon
