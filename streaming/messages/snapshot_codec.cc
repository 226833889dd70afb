#include "streaming/messages/snapshot_codec.h"

#include <algorithm>
#include <cmath>

#include "state/records/feature_state.h"
#include "state/records/person_key.h"
#include "state/records/scale.h"
#include "streaming/messages/event_decoder.h"
#include "streaming/messages/json_value.h"
#include "streaming/messages/json_writer.h"
#include "streaming/messages/payload_json.h"

namespace lacuna::streaming {

namespace {

/// More problems than this are counted, not told: the answer to a request stays of a readable size.
constexpr std::size_t kProblemsToldMax = 20;
/// Up to here a JSON number is the same whole number for every reader.
constexpr double kSeedMax = 9007199254740991;

// A posted snapshot on its way in. Everything that is wrong is gathered, so that a caller corrects it once.
class SnapshotReader {
 public:
  /// `request`: its own members are taken too; null: a snapshot only.
  SnapshotReader(const Schema& schema, const CodecLimits& limits, Time now, ImputeRequest* request)
      : limits_(limits), now_(now), request_(request), index_(schema), resolver_(index_) {}

  Result<Snapshot> read(std::string_view json) {
    if (json.size() > limits_.message_bytes_max) {
      return {Code::invalid, "snapshot: more than " + std::to_string(limits_.message_bytes_max) + " bytes"};
    }
    ondemand::document document;
    ondemand::object object;
    const bool is_json = parser_.iterate(padded_.set(json)).get(document) == simdjson::SUCCESS &&
                         document.get_object().get(object) == simdjson::SUCCESS &&
                         each_member(object, [this](std::string_view key, ondemand::value value) { return read_member(key, value); }) &&
                         document.current_location().error() == simdjson::OUT_OF_BOUNDS;
    if (!is_json) return {Code::invalid, "snapshot: not one JSON object"};
    fill();
    if (problem_count_ > 0) return status();
    return std::move(snapshot_);
  }

 private:
  struct ModalityValues {
    std::string_view name;
    std::vector<RawValue> values;
  };

  struct ModalityPayload {
    std::string_view name;
    GivenPayload given;
    std::optional<std::string_view> time;
  };

  void problem(const std::string& where, const std::string& what) {
    if (++problem_count_ <= kProblemsToldMax) problems_ += (problems_.empty() ? "" : "; ") + where + ": " + what;
  }
  Status status() const {
    std::string text = "snapshot: " + std::to_string(problem_count_) + (problem_count_ == 1 ? " problem: " : " problems: ");
    text += problems_;
    if (problem_count_ > kProblemsToldMax) text += "; and " + std::to_string(problem_count_ - kProblemsToldMax) + " more";
    return {Code::invalid, text};
  }

  bool read_member(std::string_view key, ondemand::value value);
  bool read_text_member(const std::string& key, ondemand::value value, std::optional<std::string_view>& out);
  bool read_modality(std::string_view name, ondemand::value value);
  bool read_modality_payload(std::string_view name, ondemand::value value);
  /// A whole number from `low` to `high`; else a problem, and `low`.
  bool read_whole(const std::string& key, ondemand::value value, double low, double high, std::uint64_t& out);
  void fill();
  void fill_identity();
  void fill_attributes();
  void fill_modality(const ModalityValues& read);
  void fill_feature(FeatureId id, const RawValue& raw);
  void fill_payload(const ModalityPayload& read);
  /// A part's own time, or the snapshot's; empty, and a problem told, when it cannot be.
  std::optional<Time> time_of(const std::string& path, const std::optional<std::string_view>& text);

  const CodecLimits limits_;
  const Time now_;
  ImputeRequest* const request_;
  const SchemaIndex index_;
  ValueResolver resolver_;
  ondemand::parser parser_;
  PaddedText padded_;

  std::vector<std::string_view> seen_;
  std::optional<std::string_view> patient_id_, namespace_, site_, time_;
  std::vector<RawValue> attributes_;
  std::vector<ModalityValues> modalities_;
  std::vector<ModalityPayload> payloads_;
  Snapshot snapshot_;
  std::string problems_;
  std::size_t problem_count_ = 0;
  std::size_t value_count_ = 0;
};

bool SnapshotReader::read_text_member(const std::string& key, ondemand::value value, std::optional<std::string_view>& out) {
  if (!read_text(value, out)) return false;
  if (!out) problem(key, "must be text");
  return true;
}

bool SnapshotReader::read_whole(const std::string& key, ondemand::value value, double low, double high, std::uint64_t& out) {
  RawValue raw;
  if (!read_value(value, false, raw)) return false;
  const bool whole = raw.kind == RawValue::Kind::number && raw.number >= low && raw.number <= high && raw.number == std::floor(raw.number);
  if (!whole) {
    problem(key, "must be a whole number from " + std::to_string(static_cast<std::uint64_t>(low)) + " to " +
                     std::to_string(static_cast<std::uint64_t>(high)));
  }
  out = static_cast<std::uint64_t>(whole ? raw.number : low);
  return true;
}

bool SnapshotReader::read_modality(std::string_view name, ondemand::value value) {
  ModalityValues& read = modalities_.emplace_back();
  read.name = name;
  bool is_object = true;
  bool too_many = false;
  const std::size_t left = limits_.values_max - std::min(limits_.values_max, value_count_);
  if (!read_values(value, true, left, read.values, is_object, too_many)) return false;
  value_count_ += read.values.size();
  if (!is_object) problem("values", "a modality must be an object");
  if (too_many) problem("values", "more than " + std::to_string(limits_.values_max) + " values");
  return true;
}

bool SnapshotReader::read_modality_payload(std::string_view name, ondemand::value value) {
  ModalityPayload& read = payloads_.emplace_back();
  read.name = name;
  std::vector<std::string_view> seen;
  bool is_object = true;
  const auto member = [&](std::string_view key, ondemand::value inner) {
    if (key != "payload" && key != "text" && key != "time") {
      problem("payloads", "a modality has the members payload or text, and time only");
      return skip_json(inner, 4);
    }
    if (std::find(seen.begin(), seen.end(), key) != seen.end()) problem("payloads", "a modality's member is given twice");
    seen.push_back(key);
    if (key == "payload") return read_payload(inner, read.given.payload.emplace());
    return read_text_member("payloads", inner, key == "text" ? read.given.text : read.time);
  };
  if (!each_member_if_object(value, is_object, member)) return false;
  if (!is_object) problem("payloads", "a modality must be an object");
  return true;
}

bool SnapshotReader::read_member(std::string_view key, ondemand::value value) {
  if (key.starts_with("x_")) return skip_json(value, 2);
  const std::string where = is_quotable_name(key) ? std::string(key) : "a member";
  if (std::find(seen_.begin(), seen_.end(), key) != seen_.end()) problem(where, "given twice");
  const bool of_request = request_ != nullptr && (key == "samples" || key == "seed" || key == "explain" || key == "latent");
  if (of_request || key == "schema_version" || key == "patient_id" || key == "namespace" || key == "site" || key == "time" ||
      key == "attributes" || key == "values" || key == "payloads") {
    seen_.push_back(key);
  }
  if (of_request && (key == "explain" || key == "latent")) {
    RawValue raw;
    if (!read_value(value, false, raw)) return false;
    if (raw.kind == RawValue::Kind::truth) (key == "latent" ? request_->latent : request_->explain) = raw.truth;
    else problem(where, "must be true or false");
    return true;
  }
  if (of_request && key == "seed") return read_whole(where, value, 0, kSeedMax, request_->seed);
  if (of_request) return read_whole(where, value, 1, static_cast<double>(kSamplesMax), request_->samples);
  if (key == "schema_version") {
    RawValue raw;
    if (!read_value(value, false, raw)) return false;
    if (raw.kind != RawValue::Kind::number || raw.number != 1) problem(where, "must be 1");
    return true;
  }
  if (key == "patient_id") return read_text_member(where, value, patient_id_);
  if (key == "namespace") return read_text_member(where, value, namespace_);
  if (key == "site") return read_text_member(where, value, site_);
  if (key == "time") return read_text_member(where, value, time_);
  bool is_object = true;
  bool too_many = false;
  if (key == "attributes") {
    if (!read_values(value, false, limits_.values_max, attributes_, is_object, too_many)) return false;
    if (too_many) problem(where, "more than " + std::to_string(limits_.values_max) + " members");
  } else if (key == "values" || key == "payloads") {
    const bool of_payloads = key == "payloads";
    const auto count = [&] { return of_payloads ? payloads_.size() : modalities_.size(); };
    if (!each_member_if_object(value, is_object, [&](std::string_view name, ondemand::value modality) {
          // A modality too many is one that the schema cannot have: said once it is looked up, its values not kept.
          if (count() > kModalitiesMax) return skip_json(modality, 3);
          return of_payloads ? read_modality_payload(name, modality) : read_modality(name, modality);
        })) {
      return false;
    }
    if (count() > kModalitiesMax) problem(where, "more than " + std::to_string(kModalitiesMax) + " modalities");
  } else {
    problem(where, "is no member of a snapshot");
    return skip_json(value, 2);
  }
  if (!is_object) problem(where, "must be an object");
  return true;
}

void SnapshotReader::fill_identity() {
  if (patient_id_) {
    if (const auto wrong = check_id("patient_id", *patient_id_, limits_.id_bytes_max)) problem("patient_id", wrong->message);
    const bool named = namespace_ && is_namespace(*namespace_);
    snapshot_.patient_id = person_key(named ? *namespace_ : std::string_view(), *patient_id_);
  }
  if (namespace_ && !patient_id_) problem("namespace", "without a patient_id");
  if (namespace_ && !is_namespace(*namespace_)) problem("namespace", "is made of letters, digits, '.', '_' and '-'");
  if (site_) {
    if (const auto wrong = check_id("site", *site_, limits_.id_bytes_max)) problem("site", wrong->message);
    snapshot_.site = *site_;
  }
  if (!time_) return problem("time", "missing");
  const auto time = parse_rfc3339(*time_);
  if (!time) return problem("time", "not RFC 3339 with a zone");
  if (*time - now_ > limits_.future_max) problem("time", "more than " + format_duration(limits_.future_max) + " in the future");
  snapshot_.first_time = snapshot_.last_time = *time;
}

void SnapshotReader::fill_attributes() {
  for (const RawValue& raw : attributes_) {
    const auto index = index_.find_attribute(raw.name);
    if (!index) {
      problem("attributes", is_quotable_name(raw.name) ? "the schema has no '" + std::string(raw.name) + "'" : "an unknown name");
      continue;
    }
    const std::string& path = index_.attribute(*index).path;
    double value = 0;
    if (const auto wrong = resolver_.attribute(*index, raw, value)) {
      problem(path, wrong->message);
    } else if (snapshot_.attributes[*index]) {
      problem(path, "given twice");
    } else {
      snapshot_.attributes[*index] = static_cast<float>(value);
    }
  }
}

std::optional<Time> SnapshotReader::time_of(const std::string& path, const std::optional<std::string_view>& text) {
  if (!text) return snapshot_.last_time;
  const auto own = parse_rfc3339(*text);
  if (own && *own <= snapshot_.last_time) return own;
  problem(path, own ? "its time is after the snapshot's" : "its time is not RFC 3339 with a zone");
  return std::nullopt;
}

void SnapshotReader::fill_feature(FeatureId id, const RawValue& raw) {
  const SchemaField& target = index_.feature(id);
  FeatureState& state = snapshot_.features[id];
  FeatureValue value;
  if (const auto wrong = resolver_.feature(id, raw, value)) return problem(target.path, wrong->message);
  if (state.count > 0) return problem(target.path, "given twice");
  const std::optional<Time> known = time_of(target.path, raw.time);
  if (!known) return;
  const Time time = *known;
  // One value is all that is known: every mean is that value, and nothing has moved.
  apply_value(target.likelihood, state, value.value, time, value.comparator);
  ModalityState& modality = snapshot_.modalities[index_.schema().features()[id].modality];
  modality.last_time = modality.count == 0 ? time : std::max(modality.last_time, time);
  modality.count = 1;
  snapshot_.first_time = std::min(snapshot_.first_time, time);
}

void SnapshotReader::fill_modality(const ModalityValues& read) {
  const ModalityId modality = index_.find_modality(read.name);
  if (modality == kNoModality) {
    return problem("values",
                   is_quotable_name(read.name) ? "the schema has no modality '" + std::string(read.name) + "'" : "an unknown modality");
  }
  const std::string& name = index_.schema().modalities()[modality].name;
  const ModalityKind kind = index_.schema().modalities()[modality].kind;
  if (kind != ModalityKind::tabular) {
    return problem(name, "is of kind " + std::string(to_string(kind)) + ": it belongs under payloads");
  }
  for (const RawValue& raw : read.values) {
    if (const auto id = index_.find_feature(modality, raw.name)) {
      fill_feature(*id, raw);
    } else {
      problem(name, is_quotable_name(raw.name) ? "the schema has no '" + std::string(raw.name) + "'" : "an unknown name");
    }
  }
}

void SnapshotReader::fill_payload(const ModalityPayload& read) {
  const ModalityId id = index_.find_modality(read.name);
  if (id == kNoModality) {
    return problem("payloads",
                   is_quotable_name(read.name) ? "the schema has no modality '" + std::string(read.name) + "'" : "an unknown modality");
  }
  const Modality& modality = index_.schema().modalities()[id];
  const std::string path = "payloads." + modality.name;
  ModalityState& state = snapshot_.modalities[id];
  if (state.payload) return problem(path, "given twice");
  if (modality.kind != ModalityKind::tabular && !read.given.payload && !read.given.text) return problem(path, "neither payload nor text");
  PayloadRef payload;
  if (const auto wrong = take_payload(modality, read.given, limits_.payload_bytes_max, payload)) return problem(path, wrong->message);
  const std::optional<Time> time = time_of(path, read.time);
  if (!time) return;
  state = {*time, 1, std::move(payload)};
  snapshot_.first_time = std::min(snapshot_.first_time, *time);
}

void SnapshotReader::fill() {
  const Schema& schema = index_.schema();
  snapshot_.features.resize(schema.feature_count());
  snapshot_.modalities.resize(schema.modality_count());
  snapshot_.attributes.resize(schema.attributes().size());
  fill_identity();
  fill_attributes();
  for (const ModalityValues& read : modalities_) fill_modality(read);
  for (const ModalityPayload& read : payloads_) fill_payload(read);
  for (const ModalityState& modality : snapshot_.modalities) snapshot_.event_count += modality.count;
  snapshot_.event_count = std::max<std::uint64_t>(snapshot_.event_count, 1);  // 0 would mean "not yet used"
}

void write_state(JsonWriter& json, const Feature& feature, const FeatureState& state, Time now, bool stale) {
  json.key(feature.name).begin('{').key("value");
  if (feature.likelihood == Likelihood::bernoulli) {
    json.truth(state.last != 0);
  } else if (has_categories(feature.likelihood)) {
    json.text(feature.categories.at(static_cast<std::size_t>(state.last)));
  } else {
    json.number(state.last);
    if (is_censored(state.comparator)) json.key("comparator").text(to_string(state.comparator));
    if (!feature.unit.empty()) json.key("unit").text(feature.unit);
    if (!state.unmeasured) {
      json.key("mean_2h").rounded(from_scale(feature.likelihood, static_cast<double>(state.mean_short)));
      json.key("mean_24h").rounded(from_scale(feature.likelihood, static_cast<double>(state.mean_long)));
    }
  }
  json.key("time").time(state.time).key("age_hours").rounded(hours_between(state.time, now));
  json.key("stale").truth(stale).key("count").integer(state.count);
  json.end('}');
}

void write_merges(JsonWriter& json, const Snapshot& snapshot) {
  if (!snapshot.merged_into.empty()) json.key("merged_into").text(snapshot.merged_into);
  if (snapshot.merged_from.empty()) return;
  json.key("merged_from").begin('[');
  for (const std::string& person : snapshot.merged_from) json.text(person);
  json.end(']');
}

// What is known of each payload but its data: a whole image is not for a page that people read.
void write_payloads(JsonWriter& json, const Schema& schema, const Snapshot& snapshot, Time now) {
  bool open = false;
  for (ModalityId m = 0; m < schema.modality_count(); ++m) {
    const Modality& modality = schema.modalities()[m];
    const ModalityState& state = snapshot.modalities[m];
    if (!state.payload) continue;
    if (!open) json.key("payloads").begin('{');
    open = true;
    json.key(modality.name).begin('{').key("kind").text(to_string(modality.kind));
    if (modality.kind == ModalityKind::text) {
      json.key("bytes").integer(static_cast<std::int64_t>(state.payload->text.size()));
    } else {
      write_shape(json, modality);
    }
    json.key("time").time(state.last_time).key("age_hours").rounded(hours_between(state.last_time, now));
    json.key("stale").truth(now - state.last_time > modality.stale_after).key("count").integer(state.count);
    json.end('}');
  }
  if (open) json.end('}');
}

}  // namespace

Result<Snapshot> decode_snapshot(const Schema& schema, std::string_view json, const CodecLimits& limits, Time now) {
  return SnapshotReader(schema, limits, now, nullptr).read(json);
}

Result<ImputeRequest> decode_impute_request(const Schema& schema, std::string_view json, const CodecLimits& limits, Time now) {
  ImputeRequest request;
  auto snapshot = SnapshotReader(schema, limits, now, &request).read(json);
  if (!snapshot.ok()) return snapshot.status();
  request.snapshot = std::move(*snapshot);
  return request;
}

std::string encode_snapshot(const Schema& schema, const Snapshot& snapshot, Time now) {
  JsonWriter json(512 + 128 * snapshot.features.size());
  json.begin('{').key("schema_version").integer(1).person(snapshot.patient_id);
  write_merges(json, snapshot);
  if (!snapshot.site.empty()) json.key("site").text(snapshot.site);
  if (snapshot.event_count > 0) json.key("first_time").time(snapshot.first_time).key("time").time(snapshot.last_time);
  json.key("event_count").integer(static_cast<std::int64_t>(snapshot.event_count));
  json.key("source").begin('{').key("topic").text(snapshot.source.topic).key("partition").integer(snapshot.source.partition);
  json.key("offset").integer(snapshot.source.offset).end('}');
  json.key("attributes").begin('{');
  for (std::size_t i = 0; i < snapshot.attributes.size(); ++i) {
    if (!snapshot.attributes[i]) continue;
    const Attribute& attribute = schema.attributes()[i];
    json.key(attribute.name);
    if (attribute.categories.empty()) {
      json.rounded(static_cast<double>(*snapshot.attributes[i]));
    } else {
      json.text(attribute.categories.at(static_cast<std::size_t>(*snapshot.attributes[i])));
    }
  }
  json.end('}').key("values").begin('{');
  for (const Modality& modality : schema.modalities()) {
    bool open = false;
    for (FeatureId id = modality.first_feature; id < modality.first_feature + modality.feature_count; ++id) {
      const FeatureState& state = snapshot.features[id];
      if (state.count == 0) continue;
      if (!open) json.key(modality.name).begin('{');
      open = true;
      write_state(json, schema.features()[id], state, now, now - state.time > schema.stale_after(id));
    }
    if (open) json.end('}');
  }
  json.end('}');
  write_payloads(json, schema, snapshot, now);
  json.end('}');
  return json.take();
}

}  // namespace lacuna::streaming
