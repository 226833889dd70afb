#include "state/stored_records.h"

#include <zlib.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "state/records/bytes.h"
#include "state/stored_records.pb.h"

namespace lacuna::state {

namespace {

// Wide enough for every time an event may carry, narrow enough that differences of stored times cannot overflow.
constexpr std::int64_t kTimeMsMax = 100'000'000'000'000;

std::int64_t to_ms(Time time) { return time.time_since_epoch().count(); }
Time from_ms(std::int64_t ms) { return Time(Millis(ms)); }
bool is_time(std::int64_t ms) { return ms >= -kTimeMsMax && ms <= kTimeMsMax; }

template <typename Message>
std::string to_bytes(Message& message) {
  message.set_format_version(kFormatVersion);
  return message.SerializeAsString();
}

Status check_version(std::uint32_t version, const char* what) {
  if (version > kFormatVersion) {
    return {Code::unsupported, std::string(what) + ": format version " + std::to_string(version) + ", this build reads up to " +
                                   std::to_string(kFormatVersion) + ": use a newer build"};
  }
  if (version == 0) return {Code::corrupt, std::string(what) + ": no format version"};
  return {};
}

Status corrupt(const char* what, const char* why) { return {Code::corrupt, std::string(what) + ": " + why}; }

template <typename Message>
Status parse(std::string_view bytes, const char* what, Message& out) {
  if (bytes.size() > static_cast<std::size_t>(std::numeric_limits<int>::max()) ||
      !out.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return corrupt(what, "not a record of this kind");
  }
  return {};
}

template <typename Message>
Status from_bytes(std::string_view bytes, const char* what, Message& out) {
  LACUNA_RETURN_IF_ERROR(parse(bytes, what, out));
  return check_version(out.format_version(), what);
}

std::uint32_t checkpoint_crc(std::uint32_t version, const std::string& name, const std::string& content) {
  ByteWriter head;
  head.put(version);
  head.put_text(name);
  return crc32_of(content, crc32_of(head.take()));
}

// Ids below `end`, each above the one before it.
template <typename Ids>
bool is_ascending(const Ids& ids, std::size_t end) {
  std::uint64_t next = 0;
  for (std::uint32_t id : ids) {
    if (id < next || id >= end) return false;
    next = std::uint64_t{id} + 1;
  }
  return true;
}

template <typename Values>
bool all_finite(const Values& values) {
  for (auto v : values) {
    if (!std::isfinite(v)) return false;
  }
  return true;
}

template <typename Times>
bool all_times(const Times& times) {
  for (std::int64_t t : times) {
    if (!is_time(t)) return false;
  }
  return true;
}

template <typename Numbers>
bool all_positive(const Numbers& counts) {
  for (std::uint32_t n : counts) {
    if (n == 0) return false;
  }
  return true;
}

void fill_features(const Snapshot& snapshot, format::Snapshot& out) {
  int known = 0;
  for (const FeatureState& f : snapshot.features) known += f.count > 0 ? 1 : 0;
  out.mutable_feature()->Reserve(known);
  out.mutable_last()->Reserve(known);
  out.mutable_time_ms()->Reserve(known);
  out.mutable_count()->Reserve(known);
  out.mutable_mean_short()->Reserve(known);
  out.mutable_mean_long()->Reserve(known);
  out.mutable_slope()->Reserve(known);
  out.mutable_previous()->Reserve(known);
  for (std::uint32_t i = 0; i < snapshot.features.size(); ++i) {
    const FeatureState& f = snapshot.features[i];
    if (f.count == 0) continue;
    out.add_feature(i);
    out.add_last(f.last);
    out.add_time_ms(to_ms(f.time));
    out.add_count(f.count);
    out.add_mean_short(f.mean_short);
    out.add_mean_long(f.mean_long);
    out.add_slope(f.slope);
    out.add_previous(f.previous);
  }
}

void fill(ModalityId modality, const Payload& payload, format::Payload& out) {
  out.set_modality(modality);
  // Numbers in memory are little-endian: state/records/bytes.h insists on it.
  out.set_values(payload.values.data(), payload.values.size() * sizeof(float));
  out.set_observed(payload.observed.data(), payload.observed.size());
  out.set_text(payload.text);
}

void fill(const Snapshot& snapshot, format::Snapshot& out) {
  out.set_format_version(kFormatVersion);
  out.set_patient_id(snapshot.patient_id);
  out.set_site(snapshot.site);
  out.set_first_time_ms(to_ms(snapshot.first_time));
  out.set_last_time_ms(to_ms(snapshot.last_time));
  out.set_event_count(snapshot.event_count);
  fill_features(snapshot, out);
  for (std::uint32_t m = 0; m < snapshot.modalities.size(); ++m) {
    const ModalityState& modality = snapshot.modalities[m];
    if (modality.count == 0) continue;
    out.add_modality(m);
    out.add_modality_time_ms(to_ms(modality.last_time));
    out.add_modality_count(modality.count);
    if (modality.payload) fill(m, *modality.payload, *out.add_payload());
  }
  for (std::uint32_t a = 0; a < snapshot.attributes.size(); ++a) {
    if (!snapshot.attributes[a]) continue;
    out.add_attribute(a);
    out.add_attribute_value(*snapshot.attributes[a]);
  }
}

Status take_features(const format::Snapshot& in, const char* what, Snapshot& out) {
  const int n = in.feature_size();
  if (in.last_size() != n || in.time_ms_size() != n || in.count_size() != n || in.mean_short_size() != n || in.mean_long_size() != n ||
      in.slope_size() != n || in.previous_size() != n) {
    return corrupt(what, "the feature arrays differ in length");
  }
  if (!is_ascending(in.feature(), out.features.size())) return corrupt(what, "a feature is not in the schema, or not in order");
  if (!all_times(in.time_ms())) return corrupt(what, "a feature's time is out of range");
  if (!all_positive(in.count())) return corrupt(what, "a stored feature has no values");
  if (!all_finite(in.last()) || !all_finite(in.mean_short()) || !all_finite(in.mean_long()) || !all_finite(in.slope()) ||
      !all_finite(in.previous())) {
    return corrupt(what, "a feature's number is not finite");
  }
  for (int i = 0; i < n; ++i) {
    FeatureState& f = out.features[in.feature(i)];
    f.last = in.last(i);
    f.time = from_ms(in.time_ms(i));
    f.count = in.count(i);
    f.mean_short = in.mean_short(i);
    f.mean_long = in.mean_long(i);
    f.slope = in.slope(i);
    f.previous = in.previous(i);
  }
  return {};
}

Result<PayloadRef> take_payload(const Schema& schema, const format::Payload& in, const char* what) {
  if (in.modality() >= schema.modality_count()) return corrupt(what, "a payload's modality is not in the schema");
  if (in.values().size() % sizeof(float) != 0) return corrupt(what, "a payload's numbers are cut short");
  Payload payload;
  payload.values.resize(in.values().size() / sizeof(float));
  if (!payload.values.empty()) std::memcpy(payload.values.data(), in.values().data(), in.values().size());
  payload.observed.assign(in.observed().begin(), in.observed().end());
  payload.text = in.text();
  const Modality& modality = schema.modalities()[in.modality()];
  if (const Status fits = check_payload(modality.kind, modality.payload, payload); !fits.ok()) {
    return corrupt(what, ("a payload: " + fits.message()).c_str());
  }
  return PayloadRef(std::move(payload));
}

Status take_payloads(const Schema& schema, const format::Snapshot& in, const char* what, Snapshot& out) {
  std::uint64_t next = 0;
  for (const format::Payload& stored : in.payload()) {
    Result<PayloadRef> payload = take_payload(schema, stored, what);
    if (!payload.ok()) return payload.status();
    if (stored.modality() < next) return corrupt(what, "the payloads are not in order");
    next = std::uint64_t{stored.modality()} + 1;
    ModalityState& modality = out.modalities[stored.modality()];
    if (modality.count == 0) return corrupt(what, "a payload of a modality without events");
    modality.payload = std::move(payload).value();
  }
  return {};
}

Status take_others(const format::Snapshot& in, const char* what, Snapshot& out) {
  const int modalities = in.modality_size();
  if (in.modality_time_ms_size() != modalities || in.modality_count_size() != modalities) {
    return corrupt(what, "the modality arrays differ in length");
  }
  if (!is_ascending(in.modality(), out.modalities.size())) return corrupt(what, "a modality is not in the schema, or not in order");
  if (!all_times(in.modality_time_ms())) return corrupt(what, "a modality's time is out of range");
  if (!all_positive(in.modality_count())) return corrupt(what, "a stored modality has no events");
  for (int i = 0; i < modalities; ++i) {
    out.modalities[in.modality(i)] = {from_ms(in.modality_time_ms(i)), in.modality_count(i), {}};
  }
  if (in.attribute_value_size() != in.attribute_size()) return corrupt(what, "the attribute arrays differ in length");
  if (!is_ascending(in.attribute(), out.attributes.size())) return corrupt(what, "an attribute is not in the schema, or not in order");
  if (!all_finite(in.attribute_value())) return corrupt(what, "an attribute's number is not finite");
  for (int i = 0; i < in.attribute_size(); ++i) out.attributes[in.attribute(i)] = in.attribute_value(i);
  return {};
}

Result<Snapshot> take(const Schema& schema, const format::Snapshot& in, const char* what) {
  LACUNA_RETURN_IF_ERROR(check_version(in.format_version(), what));
  if (!is_time(in.first_time_ms()) || !is_time(in.last_time_ms())) return corrupt(what, "a time is out of range");
  if (static_cast<std::size_t>(in.recent_id_size()) > kRecentIdsMax) return corrupt(what, "too many recent ids");
  Snapshot out;
  out.patient_id = in.patient_id();
  out.site = in.site();
  out.first_time = from_ms(in.first_time_ms());
  out.last_time = from_ms(in.last_time_ms());
  out.event_count = in.event_count();
  out.features.resize(schema.feature_count());
  out.modalities.resize(schema.modality_count());
  out.attributes.resize(schema.attributes().size());
  LACUNA_RETURN_IF_ERROR(take_features(in, what, out));
  LACUNA_RETURN_IF_ERROR(take_others(in, what, out));
  LACUNA_RETURN_IF_ERROR(take_payloads(schema, in, what, out));
  out.recent_ids.assign(in.recent_id().begin(), in.recent_id().end());
  out.source = {in.source_topic(), in.source_partition(), in.source_offset()};
  return out;
}

}  // namespace

std::string encode_snapshot(const Schema& schema, const Snapshot& snapshot) {
  format::Snapshot out;
  fill(snapshot, out);
  out.mutable_recent_id()->Assign(snapshot.recent_ids.begin(), snapshot.recent_ids.end());
  out.set_source_topic(snapshot.source.topic);
  out.set_source_partition(snapshot.source.partition);
  out.set_source_offset(snapshot.source.offset);
  return to_bytes(out);
}

Result<Snapshot> decode_snapshot(const Schema& schema, std::string_view bytes) {
  format::Snapshot in;
  LACUNA_RETURN_IF_ERROR(from_bytes(bytes, "snapshot", in));
  return take(schema, in, "snapshot");
}

std::string encode_example(const Schema& schema, const Example& example) {
  format::Example out;
  fill(example.before, *out.mutable_before());
  out.set_time_ms(to_ms(example.time));
  for (const FeatureValue& v : example.arrived) {
    out.add_feature(v.feature);
    out.add_value(v.value);
  }
  for (const PayloadValue& v : example.arrived_payloads) fill(v.modality, *v.payload, *out.add_payload());
  return to_bytes(out);
}

Result<Example> decode_example(const Schema& schema, std::string_view bytes) {
  constexpr const char* kWhat = "example";
  format::Example in;
  LACUNA_RETURN_IF_ERROR(from_bytes(bytes, kWhat, in));
  Result<Snapshot> before = take(schema, in.before(), kWhat);
  if (!before.ok()) return before.status();
  if (!is_time(in.time_ms())) return corrupt(kWhat, "the time is out of range");
  if (in.value_size() != in.feature_size()) return corrupt(kWhat, "the value arrays differ in length");
  if (!all_finite(in.value())) return corrupt(kWhat, "a value is not finite");
  std::vector<bool> seen(schema.feature_count());
  for (std::uint32_t f : in.feature()) {
    if (f >= seen.size() || seen[f]) return corrupt(kWhat, "a feature is not in the schema, or comes twice");
    seen[f] = true;
  }
  Example out;
  out.before = std::move(before).value();
  out.time = from_ms(in.time_ms());
  out.arrived.reserve(static_cast<std::size_t>(in.feature_size()));
  for (int i = 0; i < in.feature_size(); ++i) out.arrived.push_back({in.feature(i), in.value(i)});
  std::vector<bool> seen_payload(schema.modality_count());
  for (const format::Payload& stored : in.payload()) {
    Result<PayloadRef> payload = take_payload(schema, stored, kWhat);
    if (!payload.ok()) return payload.status();
    if (seen_payload[stored.modality()]) return corrupt(kWhat, "a modality's payload comes twice");
    seen_payload[stored.modality()] = true;
    out.arrived_payloads.push_back({stored.modality(), std::move(payload).value()});
  }
  return out;
}

std::string encode_position(const PartitionPosition& position) {
  format::Position out;
  out.set_topic(position.topic);
  out.set_partition(position.partition);
  out.set_input_next(position.position.input_next);
  out.set_changelog_next(position.position.changelog_next);
  const RecordCounts& counts = position.position.counts;
  out.set_consumed(counts.consumed);
  out.set_applied(counts.applied);
  out.set_duplicate(counts.duplicate);
  out.set_late(counts.late);
  out.set_refused(counts.refused);
  out.set_partial(counts.partial);
  out.set_written_ms(to_ms(position.position.written));
  return to_bytes(out);
}

Result<PartitionPosition> decode_position(std::string_view bytes) {
  format::Position in;
  LACUNA_RETURN_IF_ERROR(from_bytes(bytes, "position", in));
  if (in.partition() < 0 || in.input_next() < 0 || in.changelog_next() < 0) return corrupt("position", "a number is negative");
  const RecordCounts counts{in.consumed(), in.applied(), in.duplicate(), in.late(), in.refused(), in.partial()};
  if (counts.consumed != counts.applied + counts.duplicate + counts.late + counts.refused) {
    return corrupt("position", "its counts do not add up");
  }
  if (!is_time(in.written_ms())) return corrupt("position", "the time is out of range");
  return PartitionPosition{in.topic(), in.partition(), {in.input_next(), in.changelog_next(), counts, from_ms(in.written_ms())}};
}

std::string encode_stratum(const ReplayStratum& stratum) {
  format::Stratum out;
  out.set_hash(stratum.hash);
  out.set_offered(stratum.offered);
  out.set_stored(stratum.stored);
  return to_bytes(out);
}

Result<ReplayStratum> decode_stratum(std::string_view bytes) {
  format::Stratum in;
  LACUNA_RETURN_IF_ERROR(from_bytes(bytes, "replay stratum", in));
  if (in.stored() > in.offered()) return corrupt("replay stratum", "it holds more than was offered");
  return ReplayStratum{in.hash(), in.offered(), in.stored()};
}

std::string encode_header(const StoreHeader& header) {
  format::Store out;
  out.set_schema_fingerprint(header.schema_fingerprint);
  out.set_patients(header.patients);
  return to_bytes(out);
}

Result<StoreHeader> decode_header(std::string_view bytes) {
  format::Store in;
  LACUNA_RETURN_IF_ERROR(from_bytes(bytes, "store header", in));
  return StoreHeader{in.schema_fingerprint(), in.patients()};
}

std::string encode_named_blob(const NamedBlob& named) {
  format::NamedBlob out;
  out.set_name(named.name);
  out.set_content(named.content);
  return to_bytes(out);
}

Result<NamedBlob> decode_named_blob(std::string_view bytes) {
  format::NamedBlob in;
  LACUNA_RETURN_IF_ERROR(from_bytes(bytes, "named state", in));
  return NamedBlob{std::move(*in.mutable_name()), std::move(*in.mutable_content())};
}

std::uint32_t crc32_of(std::string_view bytes, std::uint32_t crc) {
  return static_cast<std::uint32_t>(crc32_z(crc, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

std::string encode_checkpoint_file(const std::string& name, const std::string& content) {
  format::Checkpoint out;
  out.set_crc32(checkpoint_crc(kFormatVersion, name, content));
  out.set_name(name);
  out.set_content(content);
  return to_bytes(out);
}

Result<NamedBlob> decode_checkpoint_file(std::string_view bytes) {
  constexpr const char* kWhat = "checkpoint file";
  format::Checkpoint in;
  LACUNA_RETURN_IF_ERROR(parse(bytes, kWhat, in));
  // Before the version: only an intact file may claim to be newer than we are.
  if (in.crc32() != checkpoint_crc(in.format_version(), in.name(), in.content())) {
    return corrupt(kWhat, "the checksum does not fit");
  }
  LACUNA_RETURN_IF_ERROR(check_version(in.format_version(), kWhat));
  return NamedBlob{std::move(*in.mutable_name()), std::move(*in.mutable_content())};
}

std::string encode_model_chunk(const ModelChunk& chunk) {
  format::ModelChunk out;
  out.set_instance(chunk.instance);
  out.set_number(chunk.number);
  out.set_chunk(chunk.chunk);
  out.set_chunks(chunk.chunks);
  out.set_crc32(chunk.crc32);
  out.set_content(chunk.content);
  return to_bytes(out);
}

Result<ModelChunk> decode_model_chunk(std::string_view bytes) {
  format::ModelChunk in;
  LACUNA_RETURN_IF_ERROR(from_bytes(bytes, "model chunk", in));
  if (in.chunk() >= in.chunks()) return corrupt("model chunk", "its number is not below their count");
  return ModelChunk{std::move(*in.mutable_instance()), in.number(), in.chunk(), in.chunks(), in.crc32(), std::move(*in.mutable_content())};
}

std::string encode_published_model(const PublishedModel& checkpoint) {
  format::PublishedModel out;
  out.set_learner(checkpoint.learner);
  for (const auto& [name, content] : checkpoint.meta) {
    format::NamedBlob& named = *out.add_state();
    named.set_format_version(kFormatVersion);
    named.set_name(name);
    named.set_content(content);
  }
  return to_bytes(out);
}

Result<PublishedModel> decode_published_model(std::string_view bytes) {
  format::PublishedModel in;
  LACUNA_RETURN_IF_ERROR(from_bytes(bytes, "model checkpoint", in));
  PublishedModel out{std::move(*in.mutable_learner()), {}};
  for (format::NamedBlob& named : *in.mutable_state()) {
    LACUNA_RETURN_IF_ERROR(check_version(named.format_version(), "named state"));
    if (!out.meta.emplace(named.name(), std::move(*named.mutable_content())).second) {
      return corrupt("model checkpoint", "a name comes twice");
    }
  }
  return out;
}

}  // namespace lacuna::state
