#pragma once

#include <cstdint>
#include <vector>

#include "model/encoding.h"
#include "model/model_version.h"
#include "state/records/bytes.h"
#include "state/records/records.h"
#include "state/records/schema_mapping.h"

// How much of each feature a model has learned from. No LibTorch.

namespace lacuna::model {

/// Of each feature and payload modality: the observations that were in gradient steps. Part of a version.
class LearnedCounts {
 public:
  explicit LearnedCounts(const Schema& schema);
  /// What a model of a checkpoint without counts is taken to have learned from: the values that `standardiser`, of the same schema,
  /// remembers. How many patients they were of, and payloads, is not known of it.
  static LearnedCounts of_standardiser(const Schema& schema, const Standardiser& standardiser);

  /// All that was measured in an example that was in a step for the first time; limits do not count: they say how often a value lies
  /// beyond them, and not where.
  void add(const Example& example);
  void add_payloads(const Example& example);
  const LearnedFrom& of(FeatureId feature) const { return features_[feature].from; }
  const LearnedFrom& of_payload(ModalityId modality) const { return payloads_[modality]; }
  /// The observations, a patient's further ones for less (patient_weight()).
  double weight(FeatureId feature) const { return features_[feature].weight; }

  void save(ByteWriter& out) const;
  bool load(ByteReader& in);  ///< false when it does not fit
  /// Takes over what stays; `mapping` leads from the schema of `before` to this one's. Of what `standardiser` begins anew nothing is.
  void carry(const LearnedCounts& before, const SchemaMapping& mapping, const Standardiser& standardiser);

 private:
  struct Feature {
    LearnedFrom from;
    double weight = 0;
  };
  std::vector<Feature> features_;
  std::vector<LearnedFrom> payloads_;  ///< by modality; of tabular ones none
};

}  // namespace lacuna::model
