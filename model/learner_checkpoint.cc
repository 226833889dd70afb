#include "model/learner_checkpoint.h"

#include <cstring>

#include "model/encoding.h"
#include "state/records/feature_state.h"
#include "state/records/hash.h"
#include "state/records/schema_bytes.h"

namespace lacuna::model {

namespace {

constexpr std::uint32_t kMagic = 0x4d43414c;  // "LACM"
constexpr std::uint32_t kFormat = 5;
constexpr std::uint32_t kFormatPlain = 4;            // nothing in it is censored
constexpr std::uint32_t kFormatWithFingerprint = 3;  // in the place of the schema

// What is censored is told in the highest bits of a feature's index.
constexpr int kIndexBits = 24;
constexpr std::uint32_t kIndexMask = (1U << kIndexBits) - 1;

void put_time(ByteWriter& out, Time time) { out.put<std::int64_t>(time.time_since_epoch().count()); }
Time get_time(ByteReader& in) { return Time(Millis(in.get<std::int64_t>())); }

/// Of the flags: the network reads how fresh values are over hours, too.
constexpr std::uint8_t kFreshnessFlag = 8;

std::uint8_t flags(const ModelOptions& options) {
  return static_cast<std::uint8_t>((options.joint_expert ? 1 : 0) | (options.mnar ? 2 : 0) | (options.two_sided ? 4 : 0));
}

void put_payload(ByteWriter& out, const Payload& payload) {
  // Numbers in memory are little-endian: state/records/bytes.h insists on it.
  out.put_text({reinterpret_cast<const char*>(payload.values.data()), payload.values.size() * sizeof(float)});
  out.put_text({reinterpret_cast<const char*>(payload.observed.data()), payload.observed.size()});
  out.put_text(payload.text);
}

/// Empty when it does not fit its modality.
PayloadRef get_payload(ByteReader& in, const Modality& modality) {
  Payload payload;
  const std::string values = in.get_text();
  payload.values.resize(values.size() / sizeof(float));
  if (!payload.values.empty()) std::memcpy(payload.values.data(), values.data(), payload.values.size() * sizeof(float));
  const std::string observed = in.get_text();
  payload.observed.assign(observed.begin(), observed.end());
  payload.text = in.get_text();
  if (!in.ok() || !check_payload(modality.kind, modality.payload, payload).ok()) return {};
  return PayloadRef(std::move(payload));
}

/// A count that cannot be true is damage: asking for text past the end is how a reader learns of it.
void fail(ByteReader& in) {
  while (in.ok()) in.get<std::uint64_t>();
}

}  // namespace

std::string seal_learner_checkpoint(const Schema& schema, const ModelOptions& options, std::string body, bool censored) {
  ByteWriter out;
  out.put(kMagic);
  out.put(censored ? kFormat : kFormatPlain);
  out.put_text(encode_schema(schema));
  out.put<std::int32_t>(options.latent_dim);
  out.put<std::int32_t>(options.hidden_dim);
  out.put<std::uint8_t>(static_cast<std::uint8_t>(options.fusion));
  out.put<std::uint8_t>(flags(options) | kFreshnessFlag);
  out.put_text(body);
  std::string bytes = out.take();
  ByteWriter tail;
  tail.put(hash64(bytes));
  return bytes + tail.take();
}

namespace {

/// `present` where the checkpoint has but a fingerprint.
Result<Schema> read_schema(ByteReader& in, std::uint32_t format, const Schema& present) {
  if (format != kFormatWithFingerprint) return decode_schema(in.get_text());
  if (in.get<std::uint64_t>() == present.fingerprint()) return present;
  return Status(Code::unsupported, "model checkpoint: made for another schema, by a version that did not write down which");
}

}  // namespace

Result<OpenedCheckpoint> open_learner_checkpoint(const Schema& schema, const ModelOptions& options, std::string_view bytes) {
  ByteReader in(bytes);
  if (bytes.size() < sizeof(std::uint64_t) || in.get<std::uint32_t>() != kMagic) {
    return {Code::corrupt, "model checkpoint: not one"};
  }
  const auto format = in.get<std::uint32_t>();
  if (format < kFormatWithFingerprint || format > kFormat) return {Code::unsupported, "model checkpoint: written in another format"};
  ByteReader tail(bytes.substr(bytes.size() - sizeof(std::uint64_t)));
  if (tail.get<std::uint64_t>() != hash64(bytes.substr(0, bytes.size() - sizeof(std::uint64_t)))) {
    return {Code::corrupt, "model checkpoint: its hash does not match"};
  }
  Result<Schema> written_under = read_schema(in, format, schema);
  if (!written_under.ok()) return written_under.status();
  const bool same_latent = in.get<std::int32_t>() == options.latent_dim;
  const bool same_hidden = in.get<std::int32_t>() == options.hidden_dim;
  const bool same_fusion = in.get<std::uint8_t>() == static_cast<std::uint8_t>(options.fusion);
  const auto written = in.get<std::uint8_t>();
  const bool same_flags = (written & ~kFreshnessFlag) == flags(options);
  if (!same_latent || !same_hidden || !same_fusion || !same_flags) {
    return {Code::unsupported, "model checkpoint: made for another shape of network (latent_dim, hidden_dim, fusion, mnar)"};
  }
  std::string body = in.get_text();
  if (!in.ok()) return {Code::corrupt, "model checkpoint: cut short"};
  return OpenedCheckpoint{std::move(*written_under), std::move(body), (written & kFreshnessFlag) != 0 ? kPastColumns : kPastColumnsBefore};
}

void write_example(ByteWriter& out, const Example& example) {
  const Snapshot& s = example.before;
  put_time(out, example.time);
  put_time(out, s.first_time);
  put_time(out, s.last_time);
  out.put(s.event_count);
  std::uint32_t known = 0;
  for (const FeatureState& f : s.features) known += f.count > 0 ? 1 : 0;
  out.put(known);
  for (std::uint32_t i = 0; i < s.features.size(); ++i) {
    const FeatureState& f = s.features[i];
    if (f.count == 0) continue;
    out.put(i | static_cast<std::uint32_t>(censoring_of(f)) << kIndexBits);
    out.put(f.last);
    put_time(out, f.time);
    out.put(f.count);
    for (float v : {f.mean_short, f.mean_long, f.slope, f.previous}) out.put(v);
  }
  known = 0;
  for (const ModalityState& m : s.modalities) known += m.count > 0 ? 1 : 0;
  out.put(known);
  for (std::uint32_t i = 0; i < s.modalities.size(); ++i) {
    const ModalityState& m = s.modalities[i];
    if (m.count == 0) continue;
    out.put(i);
    put_time(out, m.last_time);
    out.put(m.count);
    out.put<std::uint8_t>(m.payload ? 1 : 0);
    if (m.payload) put_payload(out, *m.payload);
  }
  out.put<std::uint32_t>(static_cast<std::uint32_t>(s.attributes.size()));
  for (const auto& a : s.attributes) {
    out.put<std::uint8_t>(a ? 1 : 0);
    out.put(a.value_or(0.0F));
  }
  out.put<std::uint32_t>(static_cast<std::uint32_t>(example.arrived.size()));
  for (const FeatureValue& v : example.arrived) {
    out.put(v.feature | static_cast<std::uint32_t>(v.comparator) << kIndexBits);
    out.put(v.value);
  }
  out.put<std::uint32_t>(static_cast<std::uint32_t>(example.arrived_payloads.size()));
  for (const PayloadValue& v : example.arrived_payloads) {
    out.put(v.modality);
    put_payload(out, *v.payload);
  }
}

namespace {

// Each reads one part; an index beyond the schema, or a payload of another shape, makes the reader fail.

void read_features(ByteReader& in, Snapshot& s) {
  const auto known = in.get<std::uint32_t>();
  for (std::uint32_t i = 0; i < known && in.ok(); ++i) {
    const auto stored = in.get<std::uint32_t>(), index = stored & kIndexMask;
    if (index >= s.features.size()) return fail(in);
    FeatureState& f = s.features[index];
    if (!take_censoring(stored >> kIndexBits, f)) return fail(in);
    f.last = in.get<double>();
    f.time = get_time(in);
    f.count = in.get<std::uint32_t>();
    for (float* v : {&f.mean_short, &f.mean_long, &f.slope, &f.previous}) *v = in.get<float>();
  }
}

void read_modalities(ByteReader& in, const Schema& schema, Snapshot& s) {
  const auto modalities = in.get<std::uint32_t>();
  for (std::uint32_t i = 0; i < modalities && in.ok(); ++i) {
    const auto index = in.get<std::uint32_t>();
    if (index >= s.modalities.size()) return fail(in);
    ModalityState& m = s.modalities[index];
    m.last_time = get_time(in);
    m.count = in.get<std::uint32_t>();
    if (in.get<std::uint8_t>() == 0) continue;
    m.payload = get_payload(in, schema.modalities()[index]);
    if (!m.payload) return fail(in);
  }
}

void read_attributes(ByteReader& in, Snapshot& s) {
  if (in.get<std::uint32_t>() != s.attributes.size()) return fail(in);
  for (auto& a : s.attributes) {
    const bool there = in.get<std::uint8_t>() != 0;
    const auto value = in.get<float>();
    if (there) a = value;
  }
}

void read_arrived(ByteReader& in, const Schema& schema, Example& example) {
  const auto arrived = in.get<std::uint32_t>();
  for (std::uint32_t i = 0; i < arrived && in.ok(); ++i) {
    FeatureValue v;
    const auto stored = in.get<std::uint32_t>();
    v.feature = stored & kIndexMask;
    v.value = in.get<double>();
    if (v.feature >= schema.feature_count() || !take_censoring(stored >> kIndexBits, v.comparator)) return fail(in);
    example.arrived.push_back(v);
  }
  const auto payloads = in.get<std::uint32_t>();
  for (std::uint32_t i = 0; i < payloads && in.ok(); ++i) {
    const auto modality = in.get<std::uint32_t>();
    PayloadRef payload = modality < schema.modality_count() ? get_payload(in, schema.modalities()[modality]) : PayloadRef();
    if (!payload) return fail(in);
    example.arrived_payloads.push_back({modality, std::move(payload)});
  }
}

}  // namespace

Example read_example(ByteReader& in, const Schema& schema) {
  Example example;
  Snapshot& s = example.before;
  example.time = get_time(in);
  s.first_time = get_time(in);
  s.last_time = get_time(in);
  s.event_count = in.get<std::uint64_t>();
  s.features.resize(schema.feature_count());
  s.modalities.resize(schema.modality_count());
  s.attributes.resize(schema.attributes().size());
  read_features(in, s);
  if (in.ok()) read_modalities(in, schema, s);
  if (in.ok()) read_attributes(in, s);
  if (in.ok()) read_arrived(in, schema, example);
  return example;
}

}  // namespace lacuna::model
