#include "model/learned_counts.h"

#include <cmath>

namespace lacuna::model {

LearnedCounts::LearnedCounts(const Schema& schema) : features_(schema.feature_count()), payloads_(schema.modality_count()) {}

LearnedCounts LearnedCounts::of_standardiser(const Schema& schema, const Standardiser& standardiser) {
  LearnedCounts out(schema);
  ByteWriter written;
  standardiser.save(written);
  const std::string bytes = written.take();
  ByteReader in(bytes);
  in.get<std::uint32_t>();  // how many follow
  for (Feature& feature : out.features_) {
    feature.weight = in.get<double>();  // RobustMoments::save(): count, mean, squares
    in.get<double>(), in.get<double>();
    feature.from.observations = static_cast<std::uint64_t>(std::ceil(std::max(feature.weight, 0.0)));
  }
  return out;
}

void LearnedCounts::add(const Example& example) {
  for (const FeatureValue& v : example.arrived) {
    if (is_censored(v.comparator)) continue;
    const auto& known = example.before.features;
    const FeatureState state = v.feature < known.size() ? known[v.feature] : FeatureState();
    Feature& feature = features_[v.feature];
    feature.from.observations += 1;
    feature.from.patients += state.count == 0 || state.unmeasured ? 1 : 0;
    feature.weight += patient_weight(state.count, example.time - state.time);
  }
  add_payloads(example);
}

void LearnedCounts::add_payloads(const Example& example) {
  for (const PayloadValue& v : example.arrived_payloads) {
    const auto& known = example.before.modalities;
    payloads_[v.modality].observations += 1;
    payloads_[v.modality].patients += v.modality >= known.size() || known[v.modality].count == 0 ? 1 : 0;
  }
}

void LearnedCounts::save(ByteWriter& out) const {
  out.put(static_cast<std::uint32_t>(features_.size()));
  for (const Feature& f : features_) {
    out.put(f.from.observations);
    out.put(f.from.patients);
    out.put(f.weight);
  }
  out.put(static_cast<std::uint32_t>(payloads_.size()));
  for (const LearnedFrom& from : payloads_) {
    out.put(from.observations);
    out.put(from.patients);
  }
}

bool LearnedCounts::load(ByteReader& in) {
  if (in.get<std::uint32_t>() != features_.size()) return false;
  for (Feature& f : features_) {
    f.from.observations = in.get<std::uint64_t>();
    f.from.patients = in.get<std::uint64_t>();
    f.weight = in.get<double>();
    if (!std::isfinite(f.weight) || f.weight < 0) return false;
  }
  if (in.get<std::uint32_t>() != payloads_.size()) return false;
  for (LearnedFrom& from : payloads_) {
    from.observations = in.get<std::uint64_t>();
    from.patients = in.get<std::uint64_t>();
  }
  return in.ok();
}

void LearnedCounts::carry(const LearnedCounts& before, const SchemaMapping& mapping, const Standardiser& standardiser) {
  for (FeatureId f = 0; f < features_.size(); ++f) {
    const auto& field = mapping.features()[f];
    // Classes in another order have no moments to carry, and were learned from all the same.
    if (field && (standardiser.seen(f) || !field->classes.empty())) features_[f] = before.features_[field->from];
  }
  for (ModalityId m = 0; m < payloads_.size(); ++m) {
    if (const auto& from = mapping.modalities()[m]) payloads_[m] = before.payloads_[*from];
  }
}

}  // namespace lacuna::model
