#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "model/predictive/predictive.h"
#include "state/records/records.h"
#include "state/records/status.h"

// What the learner hands over and everybody asks: immutable weights. No LibTorch type appears here.

namespace lacuna::model {

/// A question to the model: the patient as known in `snapshot`, at `time`; predict `wanted` (any features, measured or
/// not: for a measured one, its next value). Modalities listed in `hidden` are treated as if never measured.
struct Query {
  const Snapshot* snapshot = nullptr;  ///< borrowed for the call
  Time time{};
  std::vector<FeatureId> wanted;
  std::vector<ModalityId> hidden;
  std::uint64_t seed = 0;                     ///< draws depend on it and on nothing else
  std::vector<ModalityId> wanted_payloads{};  ///< modalities that are not tabular, whose payload to predict
  bool explain = false;                       ///< say how much each known modality had to say
  /// What is known of the time after `time`, as the same state would be had time run backwards; for ModelOptions::two_sided only,
  /// else not looked at. Borrowed; null: nothing.
  const Snapshot* after = nullptr;
  bool latent = false;  ///< say what the patient is taken for; hidden modalities have no part in it
};

/// Joint samples of a query's features.
struct SampleQuery {
  Query query;
  std::size_t count = 1;
  /// Those of `query.wanted` that every sample has at their last value, where that is visible; the others are drawn. Payloads that
  /// are visible are not drawn again: only wanted ones that are hidden or were never there are.
  std::vector<FeatureId> kept;
};

struct Samples {
  std::vector<FeatureId> features;     ///< as wanted
  std::vector<ModalityId> modalities;  ///< Query::wanted_payloads
  /// [count, modalities], row by row, as payloads of the schema's shapes, drawn after the features; a text as its words.
  std::vector<Payload> payloads;
  /// [count, features], row by row: natural scale, within the schema's plausible range; class index, 0 or 1, or a whole count
  /// where the feature is one.
  std::vector<double> values;

  std::size_t count() const {
    return !features.empty() ? values.size() / features.size() : modalities.empty() ? 0 : payloads.size() / modalities.size();
  }
  double at(std::size_t sample, std::size_t feature) const { return values[sample * features.size() + feature]; }
};

/// What a version has learned of one feature, or of one modality's payloads.
struct LearnedFrom {
  std::uint64_t observations = 0;  ///< that were in its gradient steps
  std::uint64_t patients = 0;      ///< whose first observation was among them
  friend bool operator==(const LearnedFrom&, const LearnedFrom&) = default;
};

/// Immutable weights and standardisation. Thread-safe; share it by shared_ptr and keep it as long as wanted.
class ModelVersion {
 public:
  virtual ~ModelVersion() = default;
  /// "000412-9f3c21aa": a running number, which no version shares with another that has taken further gradient steps or fewer, and the
  /// first 8 hex digits of the hash of weights and standardisation.
  virtual const std::string& id() const = 0;
  virtual std::int64_t steps() const = 0;  ///< gradient steps behind it
  virtual std::int64_t parameter_count() const = 0;
  /// Mean training loss over the steps since the version before (nats per observed cell); 0 for the first.
  virtual double loss() const = 0;
  /// One result per query, in order. Of a feature with few observations the distribution is as wide as these allow (small_sample.h); of one
  /// without any it is no answer: see learned_from(). `internal` when LibTorch throws. A query's result does not depend on the others of
  /// its batch beyond rounding.
  virtual Result<std::vector<Prediction>> predict(std::span<const Query> queries) const = 0;
  /// With ModelOptions::mnar, of values as such: not given that they are missing, as predict() is.
  /// Joint draws: each feature of a sample given what is visible and the features drawn before it, so that what depends on each
  /// other stays so. Feature by feature they follow predict()'s distribution as far as the model's conditionals agree with each
  /// other. Sample n depends on the query, its seed and n alone, beyond rounding (which may now and then tip a class). Noise belongs
  /// to the feature: of two queries with one seed the samples differ by what is known. A drawn feature's time is the query's. Costs
  /// about as much as a prediction for each drawn value. Errors as predict().
  virtual Result<std::vector<Samples>> sample(std::span<const SampleQuery> queries) const = 0;
  /// The mean of the posterior given what each query's snapshot knows at its time, without what it hides: latent_dim numbers.
  /// `wanted` is not used. Errors as predict().
  virtual Result<std::vector<std::vector<float>>> codes(std::span<const Query> queries) const = 0;
  /// Counted over checkpoints and, by name, over changes of the schema.
  virtual LearnedFrom learned_from(FeatureId feature) const = 0;
  virtual LearnedFrom learned_from_payload(ModalityId modality) const = 0;
  /// Mean and standard deviation of a feature as seen so far, on its scale (0 and 1 before any value).
  virtual std::pair<double, double> moments(FeatureId feature) const = 0;
};

}  // namespace lacuna::model
