#include "streaming/messages/encoders.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "streaming/messages/fact_json.h"
#include "streaming/messages/json_writer.h"
#include "streaming/messages/payload_json.h"

// Records to messages, members in the order of docs/messages.md. A number that is not finite is left out: JSON has no
// word for it, and absent is what a reader can rely on.

namespace lacuna::streaming {

namespace {

constexpr std::size_t kEventBytes = 384;  // what a usual message needs, so that the text grows once
constexpr std::size_t kImputationBytes = 512;
constexpr std::size_t kImputedValueBytes = 160;

void write_finite(JsonWriter& json, std::string_view key, double value) {
  if (std::isfinite(value)) json.key(key).rounded(value);
}

void write_feature_value(JsonWriter& json, const Feature& feature, double value, Comparator comparator = Comparator::equal) {
  if (is_censored(comparator)) {
    json.begin('{').key("value").number(value).key("comparator").text(to_string(comparator)).end('}');
    return;
  }
  switch (feature.likelihood) {
    case Likelihood::bernoulli: json.truth(value != 0); return;
    case Likelihood::categorical:
    case Likelihood::ordinal: json.text(feature.categories.at(static_cast<std::size_t>(value))); return;
    default: json.number(value); return;
  }
}

void write_probabilities(JsonWriter& json, const Feature& feature, const std::vector<double>& probabilities) {
  json.key("probabilities").begin('{');
  for (std::size_t i = 0; i < probabilities.size(); ++i) {
    if (feature.likelihood == Likelihood::bernoulli) {
      write_finite(json, i == 0 ? "false" : "true", probabilities[i]);
    } else if (i < feature.categories.size()) {
      write_finite(json, feature.categories[i], probabilities[i]);
    }
  }
  json.end('}');
}

void write_imputed(JsonWriter& json, const Feature& feature, const ImputedValue& value, double level) {
  json.key(feature.name).begin('{');
  if (std::isinf(value.sd)) {
    // Nothing is known of it: the interval is the declared range, which has no level.
    json.key("uninformed").truth(true).key("interval").begin('[').rounded(value.low).rounded(value.high).end(']');
    if (!feature.unit.empty()) json.key("unit").text(feature.unit);
  } else if (is_discrete(feature.likelihood)) {
    write_probabilities(json, feature, value.probabilities);
  } else {
    write_finite(json, "mean", value.mean);
    write_finite(json, "sd", value.sd);
    write_finite(json, "median", value.median);
    if (std::isfinite(value.low) && std::isfinite(value.high)) {
      json.key("interval").begin('[').rounded(value.low).rounded(value.high).end(']').key("level").rounded(level);
    }
    if (!feature.unit.empty()) json.key("unit").text(feature.unit);
  }
  if (!value.samples.empty()) {
    json.key("samples").begin('[');
    for (const double sample : value.samples) {
      if (is_discrete(feature.likelihood)) {
        write_feature_value(json, feature, sample);
      } else {
        json.rounded(sample);
      }
    }
    json.end(']');
  }
  json.key("reason").text(to_string(value.reason)).end('}');
}

void write_imputed_payload(JsonWriter& json, const Modality& modality, const ImputedPayload& payload, double level) {
  json.key(modality.name).begin('{').key("reason").text(to_string(payload.reason));
  if (modality.kind == ModalityKind::text) {
    json.key("words").begin('[');
    for (const ImputedWord& word : payload.words) {
      json.begin('{').key("word").text(word.word);
      write_finite(json, "expected", word.expected);
      json.end('}');
    }
    json.end(']').end('}');
    return;
  }
  write_shape(json, modality);
  if (payload.channels.empty()) {
    json.key("level").rounded(level);
    write_floats(json, "mean", payload.mean);
    write_floats(json, "sd", payload.sd);
    write_floats(json, "low", payload.low);
    write_floats(json, "high", payload.high);
  } else {
    json.key("channels").begin('[');
    for (const ImputedChannel& channel : payload.channels) {
      json.begin('{');
      write_finite(json, "mean", channel.mean);
      write_finite(json, "sd", channel.sd);
      json.end('}');
    }
    json.end(']');
  }
  json.end('}');
}

void write_latent(JsonWriter& json, const LatentState& latent) {
  json.key("latent").begin('{');
  for (const auto& [name, numbers] : {std::pair("mean", &latent.mean), std::pair("sd", &latent.sd)}) {
    json.key(name).begin('[');
    for (const float number : *numbers) json.rounded(number);
    json.end(']');
  }
  json.end('}');
}

/// Enough for the base64 of single-precision numbers.
std::size_t bytes_of(std::size_t numbers) { return 6 * numbers; }

}  // namespace

std::string encode_event(const Schema& schema, const Event& event) {
  JsonWriter json(kEventBytes + (event.payload ? bytes_of(event.payload->values.size()) + event.payload->text.size() : 0));
  json.begin('{').key("schema_version").integer(1);
  json.key("event_id").text(event.event_id).key("patient_id").text(event.patient_id);
  if (!event.site.empty()) json.key("site").text(event.site);
  if (event.modality != kNoModality) json.key("modality").text(schema.modalities()[event.modality].name);
  json.key("time").time(event.time);
  write_facts(json, event);
  if (!event.values.empty()) {
    json.key("values").begin('{');
    for (const FeatureValue& value : event.values) {
      const Feature& feature = schema.features()[value.feature];
      json.key(feature.name);
      if (withdraws(event.status)) json.null();
      else write_feature_value(json, feature, value.value, value.comparator);
    }
    json.end('}');
  }
  if (event.payload) write_payload(json, schema.modalities()[event.modality], *event.payload);
  if (!event.attributes.empty()) {
    json.key("attributes").begin('{');
    for (const AttributeValue& value : event.attributes) {
      const Attribute& attribute = schema.attributes()[value.attribute];
      json.key(attribute.name);
      if (attribute.categories.empty()) {
        json.number(value.value);
      } else {
        json.text(attribute.categories.at(static_cast<std::size_t>(value.value)));
      }
    }
    json.end('}');
  }
  json.end('}');
  return json.take();
}

std::string encode_payload(const Modality& modality, const Payload& payload) {
  JsonWriter json(kImputedValueBytes + bytes_of(payload.values.size()) + payload.text.size());
  json.begin('{');
  write_payload(json, modality, payload);
  json.end('}');
  return json.take();
}

std::string encode_imputation(const Schema& schema, const Imputation& imputation) {
  std::size_t payload_numbers = 0;
  for (const ImputedPayload& payload : imputation.payloads) payload_numbers += 4 * payload.mean.size() + kImputedValueBytes;
  const std::size_t latent_numbers = imputation.latent ? 2 * imputation.latent->mean.size() : 0;
  JsonWriter json(kImputationBytes + kImputedValueBytes * imputation.values.size() + bytes_of(payload_numbers + latent_numbers));
  json.begin('{').key("schema_version").integer(1);
  json.person(imputation.patient_id).key("time").time(imputation.time);
  json.key("model_version").text(imputation.model_version);
  json.key("source").begin('{').key("topic").text(imputation.source.topic);
  json.key("partition").integer(imputation.source.partition).key("offset").integer(imputation.source.offset).end('}');
  json.key("based_on").begin('[');
  for (const ModalityId modality : imputation.based_on) json.text(schema.modalities()[modality].name);
  json.end(']').key("imputed").truth(true);
  write_finite(json, "effective_samples", imputation.effective_samples);
  if (!imputation.weights.empty()) {
    json.key("weights").begin('{');
    for (const ModalityShare& w : imputation.weights) write_finite(json, schema.modalities()[w.modality].name, w.share);
    json.end('}');
  }
  if (imputation.latent) write_latent(json, *imputation.latent);
  json.key("values").begin('{');
  ModalityId open = kNoModality;  // values are sorted by feature, so those of one modality stand together
  for (const ImputedValue& value : imputation.values) {
    const Feature& feature = schema.features()[value.feature];
    if (feature.modality != open) {
      if (open != kNoModality) json.end('}');
      open = feature.modality;
      json.key(schema.modalities()[open].name).begin('{');
    }
    write_imputed(json, feature, value, imputation.level);
  }
  if (open != kNoModality) json.end('}');
  json.end('}');
  if (!imputation.payloads.empty()) {
    json.key("payloads").begin('{');
    for (const ImputedPayload& payload : imputation.payloads) {
      write_imputed_payload(json, schema.modalities()[payload.modality], payload, imputation.level);
    }
    json.end('}');
  }
  json.end('}');
  return json.take();
}

std::string encode_alert(const Alert& alert) {
  JsonWriter json(kEventBytes + alert.summary.size());
  // Evidence multiplies without bound and may pass the largest double; an alert must still say that it is enormous.
  const auto capped = [](double value) { return std::min(value, std::numeric_limits<double>::max()); };
  json.begin('{').key("schema_version").integer(1);
  json.key("alert_id").text(alert.alert_id).key("state").text(to_string(alert.state));
  json.key("kind").text(alert.kind).key("subject").text(alert.subject);
  json.key("since").time(alert.since);
  if (alert.latest != Time{}) json.key("since_interval").begin('[').time(alert.earliest).time(alert.latest).end(']');
  json.key("detected").time(alert.detected);
  if (alert.told != Time{}) json.key("time").time(alert.told);
  write_finite(json, "evidence", capped(alert.evidence));
  write_finite(json, "threshold", capped(alert.threshold));
  json.key("severity").text(to_string(alert.severity)).key("summary").text(alert.summary);
  write_finite(json, "before", alert.before);
  write_finite(json, "after", alert.after);
  json.key("effects").begin('{');
  for (const Effect& effect : alert.effects) write_finite(json, effect.name, effect.value);
  json.end('}').key("contributors").begin('[');
  for (const Contributor& contributor : alert.contributors) {
    json.begin('{').key("feature").text(contributor.name);
    write_finite(json, "share", contributor.share);
    json.end('}');
  }
  json.end(']');
  if (alert.adapted) json.key("adapted").truth(true);
  if (alert.resolution != Resolution::open) json.key("resolution").text(to_string(alert.resolution));
  if (!alert.action.empty()) json.key("action").text(alert.action);
  json.key("model_version").text(alert.model_version).end('}');
  return json.take();
}

}  // namespace lacuna::streaming
