#include "daemon/commands/pretty_record.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "daemon/commands/json_record.h"
#include "daemon/pipeline/batch.h"
#include "daemon/pipeline/transfers.h"
#include "state/person_records.h"
#include "state/records/person_key.h"
#include "state/store.h"

namespace lacuna::daemon {

namespace {

using Json = nlohmann::ordered_json;

/// Longest piece of an unreadable message that is shown.
constexpr std::size_t kShownBytesMax = 400;

std::string text(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string("?");
}

/// A number in at most five digits: these lines are read, not parsed.
std::string number(const Json& value) {
  if (value.is_number()) return fmt::format("{:.5g}", value.get<double>());
  return value.is_string() ? value.get<std::string>() : value.dump();
}

std::string with_spaces(std::string name) {
  std::replace(name.begin(), name.end(), '_', ' ');
  return name;
}

std::string shortened(std::string_view bytes) {
  std::string out(bytes.substr(0, kShownBytesMax));
  std::replace(out.begin(), out.end(), '\n', ' ');
  if (bytes.size() > kShownBytesMax) out += fmt::format("... ({} bytes)", bytes.size());
  return out;
}

/// Control characters would let a message write over the terminal.
std::string harmless(std::string text) {
  for (char& c : text) {
    if ((static_cast<unsigned char>(c) < 0x20 && c != '\n') || c == 0x7f) c = '.';
  }
  return text;
}

/// "[1,28,28]"; empty where there is none.
std::string pretty_shape(const Json& payload) { return payload.contains("shape") ? payload.at("shape").dump() : std::string(); }

/// "result lab-7 revision 2, corrected; merged into 88121": what an event says of a result or a person, and of the stay.
std::string pretty_facts(const Json& event) {
  std::string out;
  const auto add = [&out](const std::string& what) { out += (out.empty() ? "" : ", ") + what; };
  if (event.contains("result")) {
    const Json& result = event.at("result");
    add("result " + text(result, "id") + (result.contains("revision") ? " revision " + number(result.at("revision")) : ""));
  }
  if (event.contains("status")) add(with_spaces(text(event, "status")));
  for (const char* part : {"patient", "stay"}) {
    if (!event.contains(part)) continue;
    for (const auto& [name, value] : event.at(part).items()) {
      add(std::string(part) + " " + with_spaces(name) + (value.is_boolean() ? "" : " " + number(value)));
    }
  }
  return out;
}

std::string pretty_event(const Json& event) {
  std::string out = text(event, "patient_id") + " " + text(event, "time");
  if (event.contains("site")) out += " " + text(event, "site");
  if (const std::string facts = pretty_facts(event); !facts.empty()) out += " (" + facts + ")";
  if (event.contains("modality")) out += " " + text(event, "modality");
  const char* separator = ": ";
  if (event.contains("payload")) {
    out += separator + text(event.at("payload"), "dtype") + " " + pretty_shape(event.at("payload"));
    separator = ", ";
  }
  if (event.contains("text")) {
    out += fmt::format("{}text of {} bytes", separator, text(event, "text").size());
    separator = ", ";
  }
  for (const char* part : {"values", "attributes"}) {
    if (!event.contains(part)) continue;
    for (const auto& [name, value] : event.at(part).items()) {
      const bool unit = value.is_object() && value.contains("value");
      const std::string comparator = unit && value.contains("comparator") ? text(value, "comparator") : std::string();
      out += separator + name + " " + comparator + number(unit ? value.at("value") : value);
      if (unit && value.contains("unit")) out += " " + text(value, "unit");
      separator = ", ";
    }
  }
  return out + "\n";
}

std::string pretty_value(const Json& value) {
  std::string out;
  if (value.contains("probabilities")) {
    const char* separator = "";
    for (const auto& [name, probability] : value.at("probabilities").items()) {
      out += fmt::format("{}{} {:.0f} %", separator, name, 100 * probability.get<double>());
      separator = ", ";
    }
  } else {
    out += value.value("uninformed", false) ? "warming up" : number(value.at("mean"));
    if (value.contains("interval")) {
      out += " [" + number(value.at("interval").at(0)) + ", " + number(value.at("interval").at(1)) + "]";
    }
    if (value.contains("unit") && !text(value, "unit").empty()) out += " " + text(value, "unit");
  }
  return out + " " + with_spaces(text(value, "reason"));
}

/// "[1,28,28] mean 0.43, 0.2 stale"; of a text the first words.
std::string pretty_payload(const Json& payload) {
  constexpr std::size_t kWordsShown = 5;
  std::string out = pretty_shape(payload);
  const auto separate = [&out](const char* first) { out += out.empty() || out.back() == ']' ? first : ", "; };
  if (payload.contains("words")) {
    const Json& words = payload.at("words");
    for (std::size_t i = 0; i < std::min(words.size(), kWordsShown); ++i) {
      separate("");
      out += text(words.at(i), "word");
      if (words.at(i).contains("expected")) out += " " + number(words.at(i).at("expected"));
    }
    if (words.size() > kWordsShown) out += ", ...";
  } else if (payload.contains("channels")) {
    for (const Json& channel : payload.at("channels")) {
      separate(" mean ");
      out += (channel.contains("mean") ? number(channel.at("mean")) : "?") + " sd " +
             (channel.contains("sd") ? number(channel.at("sd")) : "?");
    }
  } else {
    out += " whole";
  }
  return out + " " + with_spaces(text(payload, "reason"));
}

/// The person's key.
std::string person(const Json& message) {
  return message.contains("namespace") ? person_key(text(message, "namespace"), text(message, "patient_id")) : text(message, "patient_id");
}

/// One value on the line itself, several on lines of their own.
std::string pretty_imputation(const Json& imputation) {
  std::string out = person(imputation) + " " + text(imputation, "time") + " model " + text(imputation, "model_version") + ":";
  std::size_t count = 0;
  const Json& modalities = imputation.at("values");
  for (const auto& [modality, features] : modalities.items()) count += features.size();
  const Json payloads = imputation.value("payloads", Json::object());
  count += payloads.size();
  for (const auto& [modality, features] : modalities.items()) {
    for (const auto& [feature, value] : features.items()) {
      out += (count == 1 ? " " : "\n    ") + modality + "." + feature + " " + pretty_value(value);
    }
  }
  for (const auto& [modality, payload] : payloads.items()) {
    out += (count == 1 ? " " : "\n    ") + modality + " " + pretty_payload(payload);
  }
  return out + (count == 0 ? " nothing imputed\n" : "\n");
}

/// "from 0.17 to 0.004; missing share 0.98, psi 0.6"; empty where nothing is told.
std::string pretty_effects(const Json& alert) {
  const auto rough = [](const Json& value) { return value.is_number() ? fmt::format("{:.3g}", value.get<double>()) : number(value); };
  std::string out;
  if (alert.contains("before") && alert.contains("after") && alert.at("before") != alert.at("after")) {
    out = "from " + rough(alert.at("before")) + " to " + rough(alert.at("after"));
  }
  const auto effects = alert.find("effects");
  if (effects == alert.end() || effects->empty()) return out;
  const char* separator = out.empty() ? "" : "; ";
  for (const auto& [name, value] : effects->items()) {
    out += separator + with_spaces(name) + " " + rough(value);
    separator = ", ";
  }
  return out;
}

std::string pretty_alert(const Json& alert) {
  std::string out = fmt::format("{:<8} {} {}", text(alert, "state"), text(alert, "severity"), text(alert, "alert_id"));
  if (alert.contains("summary")) out += ": " + text(alert, "summary");
  if (alert.contains("evidence") && alert.contains("threshold")) {
    out += fmt::format(" (evidence {:.2g}, threshold {:.2g})", alert.at("evidence").get<double>(), alert.at("threshold").get<double>());
  }
  out += "\n";
  const auto line = [&out](const std::string& what) {
    if (!what.empty()) out += "    " + what + "\n";
  };
  line(pretty_effects(alert));
  if (alert.contains("since_interval")) {
    const Json& interval = alert.at("since_interval");
    if (interval.at(0) != interval.at(1)) line("began between " + number(interval.at(0)) + " and " + number(interval.at(1)));
  }
  if (alert.contains("contributors") && !alert.at("contributors").empty()) {
    std::string most;
    for (const Json& c : alert.at("contributors")) {
      most += fmt::format("{}{} {:.0f} %", most.empty() ? "most from " : ", ", text(c, "feature"), 100 * c.at("share").get<double>());
    }
    line(most);
  }
  if (alert.contains("resolution")) line("closed: " + text(alert, "resolution"));
  if (alert.contains("action")) line("done: " + text(alert, "action"));
  return out;
}

std::string header(const streaming::Record& record, std::string_view name) {
  for (const auto& [key, value] : record.headers) {
    if (key == name) return value;
  }
  return "?";
}

std::string pretty_dead_letter(const streaming::Record& record) {
  // The names are Kafka Connect's: docs/messages.md.
  const auto of = [&record](const char* name) { return header(record, std::string("__connect.errors.") + name); };
  return fmt::format("{} {}/{}@{} in {}: {}: {}\n    {}\n", format_rfc3339(record.timestamp), of("topic"), of("partition"), of("offset"),
                     of("stage"), of("exception.class.name"), of("exception.message"),
                     record.value ? shortened(*record.value) : "(tombstone)");
}

/// How far an input partition was read, and what became of its records; empty for any other record.
std::optional<std::string> pretty_position(const streaming::Record& record) {
  if (!record.key.ends_with(kPartitionKeySuffix)) return std::nullopt;
  const Result<state::PartitionPosition> read = state::decode_position(*record.value);
  if (!read.ok()) return std::nullopt;
  const state::RecordCounts& counts = read->position.counts;
  return fmt::format("{}: read up to {}; {} consumed, {} applied, {} duplicate, {} late, {} refused, {} forwarded\n", record.key,
                     read->position.input_next, counts.consumed, counts.applied, counts.duplicate, counts.late, counts.refused,
                     counts.forwarded);
}

/// What is kept of a patient beside the snapshot; empty for any other record.
std::optional<std::string> pretty_person(const streaming::Record& record) {
  const std::optional<state::PersonKey> key = state::parse_person_key(record.key);
  if (!key) return std::nullopt;
  const char* what = key->kind == state::PersonRecordKind::journal    ? "recent changes"
                     : key->kind == state::PersonRecordKind::history  ? "recent results of a feature"
                     : key->kind == state::PersonRecordKind::payloads ? "payloads beside the newest"
                                                                      : "ids of what was delivered";
  return fmt::format("{}: {} bytes, {}\n", record.key, record.value->size(), what);
}

std::string pretty_state(const Config& config, const streaming::Record& record) {
  if (record.key.ends_with(state::kSchemaKeySuffix)) {
    const bool present = record.key == state::schema_key(config.schema->fingerprint());
    return fmt::format("{}: {} bytes, {}\n", record.key, record.value->size(), present ? "the present schema" : "another schema");
  }
  if (std::optional<std::string> position = pretty_position(record)) return *position;
  if (std::optional<std::string> person = pretty_person(record)) return *person;
  const Result<Snapshot> snapshot = state::decode_snapshot(*config.schema, *record.value);
  if (!snapshot.ok()) {
    return fmt::format("{}: {} bytes, {}\n", record.key, record.value->size(), snapshot.status().to_string());
  }
  const auto known = std::count_if(snapshot->features.begin(), snapshot->features.end(), [](const FeatureState& f) { return f.count > 0; });
  std::string payloads;
  for (ModalityId m = 0; m < snapshot->modalities.size(); ++m) {
    if (snapshot->modalities[m].payload) payloads += ", " + config.schema->modalities()[m].name;
  }
  return fmt::format("{}: {} bytes, {} events until {}, {} of {} features known{}\n", record.key, record.value->size(),
                     snapshot->event_count, format_rfc3339(snapshot->last_time), known, snapshot->features.size(), payloads);
}

/// Of a checkpoint or of a merged person, as far as it says which.
std::string pretty_bytes(const Config& config, const std::string& topic, const streaming::Record& record) {
  const std::string bytes = fmt::format("{} bytes", record.value->size());
  if (topic == config.topics.transfers) {
    const Result<Transfer> transfer = read_transfer(record);
    return bytes + (transfer.ok() ? fmt::format(", what is known of {}\n", fmt::join(transfer->via, ", ")) : ", not a transfer\n");
  }
  const Result<state::ModelChunk> chunk = state::decode_model_chunk(*record.value);
  if (!chunk.ok()) return bytes + ", " + chunk.status().to_string() + "\n";
  return fmt::format("{}, checkpoint {} of {}, piece {} of {}\n", bytes, chunk->number, chunk->instance, chunk->chunk + 1, chunk->chunks);
}

std::string pretty(const Config& config, const std::string& topic, const streaming::Record& record) {
  const Config::Topics& topics = config.topics;
  if (topic == topics.dead_letters) return pretty_dead_letter(record);
  const std::string bare = fmt::format("{}@{} {}: ", record.position.partition, record.position.offset, shortened(record.key));
  if (!record.value) return bare + "(tombstone)\n";
  if (topic == topics.state) return pretty_state(config, record);
  if (is_binary(config, topic, record)) return bare + pretty_bytes(config, topic, record);
  const Json message = Json::parse(*record.value, nullptr, false);
  if (message.is_object()) {
    try {
      if (topic == topics.imputations) return pretty_imputation(message);
      if (topic == topics.alerts) return pretty_alert(message);
      if (message.contains("patient_id")) return pretty_event(message);
    } catch (const nlohmann::json::exception&) {
      // Not the message this topic should hold: shown as it is.
    }
  }
  return bare + shortened(*record.value) + "\n";
}

}  // namespace

std::string pretty_record(const Config& config, const std::string& topic, const streaming::Record& record) {
  return harmless(pretty(config, topic, record));
}

}  // namespace lacuna::daemon
