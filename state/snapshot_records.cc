#include "state/snapshot_records.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "state/records/feature_state.h"
#include "state/schema_book.h"
#include "state/stored_messages.h"
#include "state/stored_records.pb.h"

namespace lacuna::state {

namespace {

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
  const auto censored = [](const FeatureState& f) { return f.count > 0 && is_censored(f.comparator); };
  if (std::none_of(snapshot.features.begin(), snapshot.features.end(), censored)) return;
  out.set_format_version(kFormatVersion);
  for (const FeatureState& f : snapshot.features) {
    if (f.count > 0) out.add_censoring(censoring_of(f));
  }
}

void fill(ModalityId modality, const Payload& payload, format::Payload& out) {
  out.set_modality(modality);
  // Numbers in memory are little-endian: state/records/bytes.h insists on it.
  out.set_values(payload.values.data(), payload.values.size() * sizeof(float));
  out.set_observed(payload.observed.data(), payload.observed.size());
  out.set_text(payload.text);
}

void fill(const Schema& schema, const Snapshot& snapshot, format::Snapshot& out) {
  out.set_format_version(kPlainFormatVersion);
  out.set_schema_fingerprint(schema.fingerprint());
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
  if (in.censoring_size() != 0 && in.censoring_size() != n) return corrupt(what, "the feature arrays differ in length");
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
    if (in.censoring_size() > 0 && !take_censoring(in.censoring(i), f)) return corrupt(what, "a value is censored in no known way");
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

/// A reader who knows one schema reads that one's records, and those that name none.
Status check_schema(const Schema& schema, const format::Snapshot& in, const char* what) {
  if (in.schema_fingerprint() == 0 || in.schema_fingerprint() == schema.fingerprint()) return {};
  return {Code::unsupported, std::string(what) + ": written under another schema"};
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
  if (static_cast<std::size_t>(in.merged_from_size()) > kMergedFromMax) return corrupt(what, "too many were merged into it");
  out.merged_into = in.merged_into();
  out.merged_from.assign(in.merged_from().begin(), in.merged_from().end());
  return out;
}

}  // namespace

std::string encode_snapshot(const Schema& schema, const Snapshot& snapshot) {
  format::Snapshot out;
  fill(schema, snapshot, out);
  out.mutable_recent_id()->Assign(snapshot.recent_ids.begin(), snapshot.recent_ids.end());
  out.set_source_topic(snapshot.source.topic);
  out.set_source_partition(snapshot.source.partition);
  out.set_source_offset(snapshot.source.offset);
  out.set_merged_into(snapshot.merged_into);
  for (const std::string& person : snapshot.merged_from) out.add_merged_from(person);
  return to_bytes(out, out.censoring_size() > 0);
}

Result<Snapshot> decode_snapshot(const Schema& schema, std::string_view bytes) {
  format::Snapshot in;
  LACUNA_RETURN_IF_ERROR(from_bytes(bytes, "snapshot", in));
  LACUNA_RETURN_IF_ERROR(check_schema(schema, in, "snapshot"));
  return take(schema, in, "snapshot");
}

Result<Snapshot> decode_snapshot(const SchemaBook& schemas, std::string_view bytes, std::uint64_t* dropped) {
  format::Snapshot in;
  LACUNA_RETURN_IF_ERROR(from_bytes(bytes, "snapshot", in));
  const Result<SchemaBook::Known> known = schemas.find(in.schema_fingerprint());
  if (!known.ok()) return known.status();
  Result<Snapshot> there = take(*known->schema, in, "snapshot");
  if (!there.ok() || !known->grown) return there;
  return known->grown->carry(schemas.present(), *there, dropped);
}

std::string encode_example(const Schema& schema, const Example& example) {
  format::Example out;
  fill(schema, example.before, *out.mutable_before());
  out.set_time_ms(to_ms(example.time));
  for (const FeatureValue& v : example.arrived) {
    out.add_feature(v.feature);
    out.add_value(v.value);
  }
  const bool censored = is_censored(example);
  for (const FeatureValue& v : example.arrived) {
    if (censored) out.add_comparator(static_cast<std::uint32_t>(v.comparator));
  }
  for (const PayloadValue& v : example.arrived_payloads) fill(v.modality, *v.payload, *out.add_payload());
  return to_bytes(out, censored);
}

namespace {

Result<Example> take(const Schema& schema, const format::Example& in, const char* what) {
  Result<Snapshot> before = take(schema, in.before(), what);
  if (!before.ok()) return before.status();
  if (!is_time(in.time_ms())) return corrupt(what, "the time is out of range");
  const bool censored = in.comparator_size() > 0;
  if (in.value_size() != in.feature_size() || (censored && in.comparator_size() != in.feature_size())) {
    return corrupt(what, "the value arrays differ in length");
  }
  if (!all_finite(in.value())) return corrupt(what, "a value is not finite");
  std::vector<bool> seen(schema.feature_count());
  for (std::uint32_t f : in.feature()) {
    if (f >= seen.size() || seen[f]) return corrupt(what, "a feature is not in the schema, or comes twice");
    seen[f] = true;
  }
  Example out;
  out.before = std::move(before).value();
  out.time = from_ms(in.time_ms());
  out.arrived.reserve(static_cast<std::size_t>(in.feature_size()));
  for (int i = 0; i < in.feature_size(); ++i) {
    FeatureValue& v = out.arrived.emplace_back(FeatureValue{in.feature(i), in.value(i)});
    if (censored && !take_censoring(in.comparator(i), v.comparator)) return corrupt(what, "a value is censored in no known way");
  }
  std::vector<bool> seen_payload(schema.modality_count());
  for (const format::Payload& stored : in.payload()) {
    Result<PayloadRef> payload = take_payload(schema, stored, what);
    if (!payload.ok()) return payload.status();
    if (seen_payload[stored.modality()]) return corrupt(what, "a modality's payload comes twice");
    seen_payload[stored.modality()] = true;
    out.arrived_payloads.push_back({stored.modality(), std::move(payload).value()});
  }
  return out;
}

}  // namespace

Result<Example> decode_example(const Schema& schema, std::string_view bytes) {
  format::Example in;
  LACUNA_RETURN_IF_ERROR(from_bytes(bytes, "example", in));
  LACUNA_RETURN_IF_ERROR(check_schema(schema, in.before(), "example"));
  return take(schema, in, "example");
}

Result<std::uint64_t> named_schema(std::string_view snapshot) {
  format::Snapshot in;
  LACUNA_RETURN_IF_ERROR(from_bytes(snapshot, "snapshot", in));
  return in.schema_fingerprint();
}

Result<Example> decode_example(const SchemaBook& schemas, std::string_view bytes, bool* emptied) {
  format::Example in;
  LACUNA_RETURN_IF_ERROR(from_bytes(bytes, "example", in));
  const Result<SchemaBook::Known> known = schemas.find(in.before().schema_fingerprint());
  if (!known.ok()) return known.status();
  Result<Example> there = take(*known->schema, in, "example");
  if (!there.ok() || !known->grown) return there;
  Example here = known->grown->carry(schemas.present(), *there);
  const auto teaches = [](const Example& e) { return !e.arrived.empty() || !e.arrived_payloads.empty(); };
  if (emptied != nullptr) *emptied = teaches(*there) && !teaches(here);
  return here;
}

}  // namespace lacuna::state
