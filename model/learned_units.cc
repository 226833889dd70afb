#include "model/learned_units.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>

#include "model/predictive/log_normal.h"

namespace lacuna::model {

namespace {

/// `schema` in the units of `learned`, where they convert.
Result<Schema> with_units(const Schema& schema, const Schema& learned, const SchemaMapping& mapping) {
  std::vector<Schema::ModalitySpec> modalities;
  for (const Modality& modality : schema.modalities()) {
    Schema::ModalitySpec& spec = modalities.emplace_back();
    spec.modality = modality;
    for (FeatureId f = modality.first_feature; f < modality.first_feature + modality.feature_count; ++f) {
      Feature& feature = spec.features.emplace_back(schema.features()[f]);
      const auto& before = mapping.features()[f];
      if (!before || before->same_unit()) continue;
      feature.unit = learned.features()[before->from].unit;
      feature.low = -std::numeric_limits<double>::infinity();
      feature.high = std::numeric_limits<double>::infinity();
    }
  }
  std::vector<Attribute> attributes = schema.attributes();
  for (std::size_t a = 0; a < attributes.size(); ++a) {
    const auto& before = mapping.attributes()[a];
    if (!before || before->same_unit()) continue;
    attributes[a].unit = learned.attributes()[before->from].unit;
    attributes[a].low = -std::numeric_limits<double>::infinity();
    attributes[a].high = std::numeric_limits<double>::infinity();
  }
  return Schema::make(std::move(modalities), std::move(attributes));
}

}  // namespace

Result<LearnedUnits> LearnedUnits::make(const Schema& schema, const Schema& learned) {
  Result<SchemaMapping> mapping = SchemaMapping::make(learned, schema);
  if (!mapping.ok()) return mapping.status();
  Result<Schema> inside = with_units(schema, learned, *mapping);
  if (!inside.ok()) return inside.status();
  Result<SchemaMapping> in = SchemaMapping::make(schema, *inside), out = SchemaMapping::make(*inside, schema);
  if (!in.ok()) return in.status();
  if (!out.ok()) return out.status();
  return LearnedUnits(std::move(*inside), std::move(*in), *out, schema);
}

LearnedUnits::LearnedUnits(Schema schema, SchemaMapping in, const SchemaMapping& out, const Schema& present)
    : schema_(std::move(schema)), in_(std::move(in)) {
  for (FeatureId f = 0; f < present.feature_count(); ++f) {
    out_.push_back(out.features()[f]->unit);
    low_.push_back(present.features()[f].low);
    high_.push_back(present.features()[f].high);
    same_ = same_ && !converts(f);
  }
  for (const auto& attribute : in_.attributes()) same_ = same_ && attribute->same_unit();
}

void LearnedUnits::to_learned(Snapshot& snapshot) const {
  for (FeatureId f = 0; f < std::min(snapshot.features.size(), out_.size()); ++f) {
    if (!converts(f)) continue;
    if (const auto state = in_.carry(schema_, f, snapshot.features[f])) snapshot.features[f] = *state;
  }
  for (std::size_t a = 0; a < std::min(snapshot.attributes.size(), in_.attributes().size()); ++a) {
    std::optional<float>& value = snapshot.attributes[a];
    const CarriedField& field = *in_.attributes()[a];
    if (value && !field.same_unit()) value = static_cast<float>(*field.value(static_cast<double>(*value)));
  }
}

void LearnedUnits::to_learned(Example& example) const {
  to_learned(example.before);
  for (FeatureValue& v : example.arrived) v.value = to_learned(v.feature, v.value);
  if (!example.after) return;
  Snapshot after = *example.after;
  to_learned(after);
  example.after = std::make_shared<const Snapshot>(std::move(after));
}

double LearnedUnits::to_learned(FeatureId feature, double value) const {
  return converts(feature) ? *in_.features()[feature]->value(value) : value;
}

double LearnedUnits::to_present(FeatureId feature, double value) const {
  if (!converts(feature)) return value;
  return std::clamp(out_[feature].factor * value + out_[feature].offset, low_[feature], high_[feature]);
}

void LearnedUnits::to_present(FeatureId feature, Predictive& predictive) const {
  if (!converts(feature)) return;
  const auto [factor, offset] = out_[feature];
  if (predictive.likelihood == Likelihood::log_normal) {
    predictive.unit = out_[feature];
    return;
  }
  for (float& v : predictive.location) v = static_cast<float>(factor * static_cast<double>(v) + offset);
  for (float& v : predictive.scale) v = static_cast<float>(factor * static_cast<double>(v));
}

std::pair<double, double> LearnedUnits::to_present(FeatureId feature, std::pair<double, double> moments) const {
  if (!converts(feature)) return moments;
  const auto [mean, sd] = moments;
  if (schema_.features()[feature].likelihood != Likelihood::log_normal) {
    return {out_[feature].factor * mean + out_[feature].offset, out_[feature].factor * sd};
  }
  Predictive population;
  population.likelihood = Likelihood::log_normal;
  population.weights = {1};
  population.location = {static_cast<float>(mean)};
  population.scale = {static_cast<float>(sd)};
  population.unit = out_[feature];
  return log_normal::moments_on_scale(population);
}

}  // namespace lacuna::model
