#include "daemon/pipeline/earlier_readings.h"

#include <algorithm>
#include <utility>

#include "state/carried_values.h"

namespace lacuna::daemon {

namespace {

/// Whenever it was: that was looked at when it was decoded first.
streaming::CodecLimits at_any_time(streaming::CodecLimits limits) {
  limits.past_max = limits.future_max = std::chrono::hours(24 * 365'000);
  return limits;
}

}  // namespace

EarlierReadings::EarlierReadings(const Config& config, const state::SchemaBook& schemas) : schemas_(schemas), keys_(schemas.present()) {
  const streaming::CodecLimits limits = at_any_time(config.limits);
  present_.decoder = std::make_unique<streaming::EventDecoder>(schemas.present(), limits);
  for (state::SchemaBook::Known& known : schemas.earlier()) {
    auto decoder = std::make_unique<streaming::EventDecoder>(*known.schema, limits);
    earlier_.push_back({std::move(known), std::move(decoder)});
  }
}

std::optional<Event> EarlierReadings::read(Reader& reader, std::string_view bytes) {
  streaming::EventDecoder::Outcome outcome = reader.decoder->decode(bytes, Time{});
  return outcome.decoded ? std::optional(std::move(outcome.decoded->event)) : std::nullopt;
}

/// The tags that an earlier schema gives, under the keys of the parts that they have now.
void EarlierReadings::read_all(std::string_view bytes) {
  bytes_ = bytes;
  tags_.clear();
  now_ = read(present_, bytes);
  for (Reader& reader : earlier_) {
    const std::optional<Event> event = read(reader, bytes);
    if (!event) continue;
    const Schema& schema = *reader.of.schema;
    const SchemaMapping& grown = *reader.of.grown;
    for (const FeatureValue& v : event->values) {
      const auto here = grown.feature_to(v.feature);
      if (here) tags_.emplace(keys_.feature(*here), state::value_tag(schema.features()[v.feature], v.value, event->time, v.comparator));
    }
    const auto modality = event->payload ? grown.modality_to(event->modality) : std::nullopt;
    if (modality) tags_.emplace(keys_.payload(*modality), state::payload_tag(*event->payload, event->time));
    for (const AttributeValue& a : event->attributes) {
      for (std::uint32_t here = 0; here < grown.attributes().size(); ++here) {
        const auto& field = grown.attributes()[here];
        if (!field || field->from != a.attribute) continue;
        tags_.emplace(keys_.attribute(here), state::attribute_tag(schema.attributes()[a.attribute], a.value));
      }
    }
  }
}

bool EarlierReadings::have(std::string_view bytes, state::PartKey part, state::Tag tag) {
  if (earlier_.empty()) return false;
  if (bytes.data() != bytes_.data()) read_all(bytes);
  const auto first = tags_.lower_bound({part, 0});
  const auto is_this = [&](const auto& one) { return state::same_tag(one.second, tag); };
  if (std::any_of(first, tags_.upper_bound({part, ~state::Tag{0}}), is_this)) return true;
  if (!now_) return false;
  // Numbers that whoever sends has converted, as a table that is read once more under the new schema.
  for (const FeatureValue& v : now_->values) {
    if (keys_.feature(v.feature) == part) return state::was_tagged(schemas_, v.feature, v.value, now_->time, v.comparator, tag);
  }
  for (const AttributeValue& a : now_->attributes) {
    if (keys_.attribute(a.attribute) == part) return state::was_tagged(schemas_, a, tag);
  }
  return false;
}

}  // namespace lacuna::daemon
