#include "daemon/commands/json_record.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "daemon/pipeline/batch.h"
#include "daemon/pipeline/transfers.h"
#include "state/person_records.h"
#include "state/store.h"
#include "streaming/messages/base64.h"
#include "streaming/messages/json_writer.h"

namespace lacuna::daemon {

namespace {

using Json = nlohmann::ordered_json;

/// UTF-8 without control characters: anything else ends whoever reads line by line, or writes over the terminal.
bool is_text(std::string_view bytes) {
  const auto controls = [](char c) { return (static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\r' && c != '\t') || c == 0x7f; };
  return streaming::is_utf8(bytes) && std::none_of(bytes.begin(), bytes.end(), controls);
}

std::string line(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n"; }

/// What is known of a merged person; other records of that topic are events.
bool is_state_transfer(const Config& config, const std::string& topic, const streaming::Record& record) {
  if (topic != config.topics.transfers) return false;
  const Result<Transfer> transfer = read_transfer(record);
  return !transfer.ok() || transfer->kind == Transfer::Kind::state;
}

Json position_json(const state::PartitionPosition& read) {
  const state::RecordCounts& c = read.position.counts;
  return {{"topic", read.topic},    {"partition", read.partition}, {"next", read.position.input_next},
          {"consumed", c.consumed}, {"applied", c.applied},        {"duplicate", c.duplicate},
          {"late", c.late},         {"refused", c.refused},        {"forwarded", c.forwarded}};
}

Json snapshot_json(const Schema& schema, const Snapshot& snapshot) {
  const auto known = std::ranges::count_if(snapshot.features, [](const FeatureState& f) { return f.count > 0; });
  Json out{{"events", snapshot.event_count},
           {"last_time", format_rfc3339(snapshot.last_time)},
           {"known", known},
           {"features", snapshot.features.size()}};
  for (ModalityId m = 0; m < snapshot.modalities.size(); ++m) {
    if (snapshot.modalities[m].payload) out["payloads"].push_back(schema.modalities()[m].name);
  }
  return out;
}

std::string_view name_of(state::PersonRecordKind kind) {
  switch (kind) {
    case state::PersonRecordKind::journal: return "changes";
    case state::PersonRecordKind::history: return "results";
    case state::PersonRecordKind::chunk: return "ids";
    case state::PersonRecordKind::payloads: return "payloads";
  }
  return "ids";
}

/// What a record of the changelog says, under the name of what it is.
void add_state(const Config& config, const streaming::Record& record, Json& out) {
  if (record.key.ends_with(state::kSchemaKeySuffix)) {
    out["schema"] = record.key == state::schema_key(config.schema->fingerprint()) ? "present" : "another";
  } else if (record.key.ends_with(kPartitionKeySuffix)) {
    if (const auto read = state::decode_position(*record.value); read.ok()) out["position"] = position_json(*read);
  } else if (const auto key = state::parse_person_key(record.key)) {
    out["person"] = name_of(key->kind);
  } else if (const auto snapshot = state::decode_snapshot(*config.schema, *record.value); snapshot.ok()) {
    out["snapshot"] = snapshot_json(*config.schema, *snapshot);
  } else {
    out["problem"] = snapshot.status().message();
  }
}

/// Which piece of which checkpoint.
void add_checkpoint(const streaming::Record& record, Json& out) {
  const Result<state::ModelChunk> chunk = state::decode_model_chunk(*record.value);
  if (chunk.ok()) {
    out["checkpoint"] = {{"instance", chunk->instance}, {"number", chunk->number}, {"chunk", chunk->chunk}, {"chunks", chunk->chunks}};
  } else {
    out["problem"] = chunk.status().message();
  }
}

/// What is on its way of a merged person: whose it is.
void add_transfer(const streaming::Record& record, Json& out) {
  const Result<Transfer> transfer = read_transfer(record);
  if (transfer.ok()) out["merged"] = transfer->via;
  else out["problem"] = transfer.status().message();
}

void add_bytes(Json& out, const std::string& name, const std::string& bytes) {
  if (streaming::is_utf8(bytes)) out[name] = bytes;
  else out[name + "_base64"] = streaming::base64_encode(bytes);
}

}  // namespace

bool is_binary(const Config& config, const std::string& topic, const streaming::Record& record) {
  return topic == config.topics.state || topic == config.topics.model || is_state_transfer(config, topic, record);
}

std::string json_record(const Config& config, const std::string& topic, const streaming::Record& record) {
  const bool binary = record.value && is_binary(config, topic, record);
  if (record.value && !binary && is_text(*record.value)) {
    // Between the tokens of JSON a line break is a space like any other.
    std::string text = *record.value;
    std::replace(text.begin(), text.end(), '\n', ' ');
    return text + "\n";
  }
  Json out{{"key", record.key}, {"partition", record.position.partition}, {"offset", record.position.offset}};
  if (record.value && topic == config.topics.state) add_state(config, record, out);
  if (record.value && topic == config.topics.model) add_checkpoint(record, out);
  if (binary && topic == config.topics.transfers) add_transfer(record, out);
  if (record.value && !binary) out["not_text"] = *record.value;
  if (record.value) out["bytes"] = record.value->size();
  else out["tombstone"] = true;
  return line(out);
}

std::string whole_record(const std::string& topic, const streaming::Record& record) {
  Json out{{"topic", topic},
           {"partition", record.position.partition},
           {"offset", record.position.offset},
           {"time", format_rfc3339(record.timestamp)}};
  add_bytes(out, "key", record.key);
  out["headers"] = Json::array();
  for (const auto& [name, value] : record.headers) {
    Json& header = out["headers"].emplace_back(Json::object());
    header["name"] = name;
    add_bytes(header, "value", value);
  }
  if (record.value) add_bytes(out, "value", *record.value);
  else out["value"] = nullptr;
  return line(out);
}

}  // namespace lacuna::daemon
