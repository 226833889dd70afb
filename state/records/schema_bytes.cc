#include "state/records/schema_bytes.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "state/records/bytes.h"
#include "state/records/stored_version.h"

namespace lacuna {

namespace {

constexpr std::uint32_t kVersion = 2;
constexpr std::uint32_t kWithoutPayloadValues = 1;  // no range and no mark of any payload: written where there is none
constexpr const char* kWhat = "stored schema";

void put_texts(ByteWriter& out, const std::vector<std::string>& texts) {
  out.put<std::uint32_t>(static_cast<std::uint32_t>(texts.size()));
  for (const std::string& text : texts) out.put_text(text);
}

std::vector<std::string> get_texts(ByteReader& in) {
  std::vector<std::string> texts;
  const auto count = in.get<std::uint32_t>();
  for (std::uint32_t i = 0; i < count && in.ok(); ++i) texts.push_back(in.get_text());
  return texts;
}

bool has_payload_values(const Modality& m) { return std::isfinite(m.low) || std::isfinite(m.high) || m.missing; }

void put_modality(ByteWriter& out, const Modality& modality, std::uint32_t version) {
  out.put_text(modality.name);
  out.put(static_cast<std::uint8_t>(modality.kind));
  const PayloadSpec& spec = modality.payload;
  for (const std::uint32_t size : {spec.channels, spec.height, spec.width, spec.length, spec.vocabulary_size}) out.put(size);
  out.put(static_cast<std::uint8_t>(spec.text_model));
  put_texts(out, spec.vocabulary);
  out.put<std::int64_t>(modality.stale_after.count());
  out.put(modality.feature_count);
  if (version == kWithoutPayloadValues) return;
  out.put(modality.low);
  out.put(modality.high);
  out.put<std::uint8_t>(modality.missing ? 1 : 0);
  if (modality.missing) out.put(*modality.missing);
}

Modality get_modality(ByteReader& in, std::uint32_t version) {
  Modality modality;
  modality.name = in.get_text();
  modality.kind = static_cast<ModalityKind>(in.get<std::uint8_t>());
  PayloadSpec& spec = modality.payload;
  for (std::uint32_t* size : {&spec.channels, &spec.height, &spec.width, &spec.length, &spec.vocabulary_size}) {
    *size = in.get<std::uint32_t>();
  }
  spec.text_model = static_cast<TextModel>(in.get<std::uint8_t>());
  spec.vocabulary = get_texts(in);
  modality.stale_after = Millis(in.get<std::int64_t>());
  modality.feature_count = in.get<std::uint32_t>();
  if (version == kWithoutPayloadValues) return modality;
  modality.low = in.get<double>();
  modality.high = in.get<double>();
  if (in.get<std::uint8_t>() != 0) modality.missing = in.get<double>();
  return modality;
}

void put_feature(ByteWriter& out, const Feature& feature) {
  out.put_text(feature.name);
  out.put_text(feature.unit);
  out.put(static_cast<std::uint8_t>(feature.likelihood));
  out.put(feature.low);
  out.put(feature.high);
  put_texts(out, feature.categories);
  out.put<std::int64_t>(feature.stale_after.count());
}

Feature get_feature(ByteReader& in) {
  Feature feature;
  feature.name = in.get_text();
  feature.unit = in.get_text();
  feature.likelihood = static_cast<Likelihood>(in.get<std::uint8_t>());
  feature.low = in.get<double>();
  feature.high = in.get<double>();
  feature.categories = get_texts(in);
  feature.stale_after = Millis(in.get<std::int64_t>());
  return feature;
}

bool known(const Schema::ModalitySpec& spec) {
  if (spec.modality.kind > ModalityKind::embedding || spec.modality.payload.text_model > TextModel::sequence) return false;
  for (const Feature& feature : spec.features) {
    if (feature.likelihood > Likelihood::student_t) return false;
  }
  return true;
}

}  // namespace

std::string encode_schema(const Schema& schema) {
  ByteWriter out;
  const auto& modalities = schema.modalities();
  const std::uint32_t version = std::any_of(modalities.begin(), modalities.end(), has_payload_values) ? kVersion : kWithoutPayloadValues;
  out.put(version);
  out.put<std::uint32_t>(static_cast<std::uint32_t>(schema.modality_count()));
  for (const Modality& modality : schema.modalities()) {
    put_modality(out, modality, version);
    for (FeatureId f = 0; f < modality.feature_count; ++f) put_feature(out, schema.features()[modality.first_feature + f]);
  }
  out.put<std::uint32_t>(static_cast<std::uint32_t>(schema.attributes().size()));
  for (const Attribute& attribute : schema.attributes()) {
    out.put_text(attribute.name);
    out.put_text(attribute.unit);
    put_texts(out, attribute.categories);
    out.put(attribute.low);
    out.put(attribute.high);
    out.put<std::uint8_t>(attribute.subgroup ? 1 : 0);
  }
  return out.take();
}

Result<Schema> decode_schema(std::string_view bytes) {
  ByteReader in(bytes);
  ByteReader first(bytes);
  const bool old = first.get<std::uint32_t>() == kWithoutPayloadValues;
  const std::uint32_t version = old ? kWithoutPayloadValues : kVersion;
  LACUNA_RETURN_IF_ERROR(take_version(in, version, kWhat));
  const Status damaged(Code::corrupt, std::string(kWhat) + ": cut short, or not one");
  std::vector<Schema::ModalitySpec> modalities;
  const auto count = in.get<std::uint32_t>();
  for (std::uint32_t m = 0; m < count && in.ok(); ++m) {
    Schema::ModalitySpec& spec = modalities.emplace_back();
    spec.modality = get_modality(in, version);
    for (std::uint32_t f = 0; f < spec.modality.feature_count && in.ok(); ++f) spec.features.push_back(get_feature(in));
    if (!known(spec)) return damaged;
  }
  std::vector<Attribute> attributes;
  const auto attribute_count = in.get<std::uint32_t>();
  for (std::uint32_t a = 0; a < attribute_count && in.ok(); ++a) {
    Attribute& attribute = attributes.emplace_back();
    attribute.name = in.get_text();
    attribute.unit = in.get_text();
    attribute.categories = get_texts(in);
    attribute.low = in.get<double>();
    attribute.high = in.get<double>();
    attribute.subgroup = in.get<std::uint8_t>() != 0;
  }
  if (!in.ok() || !in.at_end()) return damaged;
  Result<Schema> schema = Schema::make(std::move(modalities), std::move(attributes));
  if (!schema.ok()) return Status(Code::corrupt, std::string(kWhat) + ": " + schema.status().message());
  return schema;
}

}  // namespace lacuna
