#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/options.h"
#include "model/predictive/predictive.h"
#include "state/records/records.h"
#include "state/records/status.h"

// The model as the daemon sees it: examples go in, immutable versions come out. No LibTorch type appears here.

namespace lacuna::model {

/// A question to the model: the patient as known in `snapshot`, at `time`; predict `wanted` (any features, measured or
/// not: for a measured one, its next value). Modalities listed in `hidden` are treated as if never measured.
struct Query {
  const Snapshot* snapshot = nullptr;  ///< borrowed for the call
  Time time{};
  std::vector<FeatureId> wanted;
  std::vector<ModalityId> hidden;
  std::uint64_t seed = 0;              ///< draws depend on it and on nothing else
  std::vector<ModalityId> wanted_payloads{};  ///< modalities that are not tabular, whose payload to predict
  bool explain = false;                ///< say how much each known modality had to say
  /// What is known of the time after `time`, as the same state would be had time run backwards; for ModelOptions::two_sided only,
  /// else not looked at. Borrowed; null: nothing.
  const Snapshot* after = nullptr;
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
  std::vector<FeatureId> features;  ///< as wanted
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

/// Immutable weights and standardisation. Thread-safe; share it by shared_ptr and keep it as long as wanted.
class ModelVersion {
 public:
  virtual ~ModelVersion() = default;
  /// "000412-9f3c21aa": a running number and the first 8 hex digits of the hash of weights and standardisation.
  virtual const std::string& id() const = 0;
  virtual std::int64_t steps() const = 0;       ///< gradient steps behind it
  virtual std::int64_t parameter_count() const = 0;
  /// Mean training loss over the steps since the version before (nats per observed cell); 0 for the first.
  virtual double loss() const = 0;
  /// One result per query, in order. `internal` when LibTorch throws. A query's result does not depend on the others of its batch
  /// beyond rounding.
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
  /// Mean and standard deviation of a feature as seen so far, on its scale (0 and 1 before any value).
  virtual std::pair<double, double> moments(FeatureId feature) const = 0;
};

struct LearnerStats {
  std::int64_t steps = 0;
  std::int64_t examples = 0;      ///< fresh ones taken
  std::int64_t replayed = 0;
  std::int64_t versions = 0;
  std::int64_t skipped_steps = 0; ///< loss or gradient not finite: weights were left as they were
  std::int64_t recorded_steps = 0; ///< since the start, given to the device as one recording (CUDA graph)
  double loss = 0;                ///< exponential mean, nats per observed cell
  double kl = 0;                  ///< nats per example
  double step_ms = 0;             ///< exponential mean
  std::size_t queued = 0;
};

/// Draws replay examples: (count, seed) -> up to count. Called from the learner's thread.
using ReplaySource = std::function<std::vector<Example>(std::size_t, std::uint64_t)>;

/// Owns the mutable weights on its own thread. submit(), current(), stats(), drain(), checkpoint() from any thread.
class Learner {
 public:
  /// `checkpoint`: bytes from checkpoint(), or empty to begin anew. Fails as `unsupported` when it was made for another
  /// schema or shape, `corrupt` when it cannot be read, `unavailable` when Device::cuda was asked for and there is none.
  static Result<std::unique_ptr<Learner>> make(const Schema& schema, const ModelOptions& model, const TrainOptions& train,
                                               const PredictOptions& predict, ReplaySource replay,
                                               std::string_view checkpoint);
  virtual ~Learner() = default;  ///< stops the thread after the step it is in

  /// Fresh examples in stream order. Blocks while the queue is full (back-pressure). One gradient step is taken for every
  /// TrainOptions::examples_per_step of them, at fixed positions in the stream: the same examples give the same weights.
  /// `pace`: each of these pays for as many times of that; 0: none is taken notice of, weights and standardisation stay as they are.
  virtual void submit(std::vector<Example> examples, int steps_multiplier = 1) = 0;
  /// The newest version; never null.
  virtual std::shared_ptr<const ModelVersion> current() const = 0;
  virtual LearnerStats stats() const = 0;
  /// Waits until everything submitted is learned and publishes a version of it.
  virtual std::shared_ptr<const ModelVersion> drain() = 0;
  /// Weights, optimiser, standardisation, step count, random state, between two steps.
  virtual std::string checkpoint() = 0;
};

struct ProductSpeed {
  double gflops = 0;   ///< of single-precision products: 512 x 512 x 512 with one thread, or 4096 cubed on CUDA
  std::string remedy;  ///< why that is slow and what to do; empty: it is as it should be
};
ProductSpeed measure_products(const ModelOptions& where);
/// "cpu (LibTorch 1.13.1)" or "cuda:0 NVIDIA H100 (LibTorch 2.x)".
std::string describe_device(const ModelOptions& options);

}  // namespace lacuna::model
