#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "model/model_version.h"
#include "model/options.h"
#include "state/records/records.h"
#include "state/records/status.h"

// The model as the daemon sees it: examples go in, immutable versions come out. No LibTorch type appears here.

namespace lacuna::model {

struct LearnerStats {
  std::int64_t steps = 0;
  std::int64_t examples = 0;  ///< fresh ones taken
  std::int64_t replayed = 0;
  std::int64_t versions = 0;
  std::int64_t skipped_steps = 0;   ///< loss or gradient not finite: weights were left as they were
  std::int64_t recorded_steps = 0;  ///< since the start, given to the device as one recording (CUDA graph)
  double loss = 0;                  ///< exponential mean, nats per observed cell
  double kl = 0;                    ///< nats per example
  double step_ms = 0;               ///< exponential mean
  std::size_t queued = 0;
};

/// Names a patient among the examples that the learner keeps.
std::uint64_t patient_hash(std::string_view patient_id);

/// Draws replay examples: (count, seed) -> up to count. Called from the learner's thread.
using ReplaySource = std::function<std::vector<Example>(std::size_t, std::uint64_t)>;

/// Owns the mutable weights on its own thread. submit(), current(), stats(), drain(), checkpoint() from any thread.
class Learner {
 public:
  /// `checkpoint`: bytes from checkpoint(), or empty to begin anew. Under another schema than it was made for, what stays is kept
  /// bit for bit, in the units that it was learned in, and what is new begins untrained (docs/model.md). Fails as `unsupported` when
  /// nothing leads from that schema to this one (SchemaMapping::make) or the shape of the network is another, `corrupt` when it cannot
  /// be read, `unavailable` when Device::cuda was asked for and there is none.
  static Result<std::unique_ptr<Learner>> make(const Schema& schema, const ModelOptions& model, const TrainOptions& train,
                                               const PredictOptions& predict, ReplaySource replay, std::string_view checkpoint);
  virtual ~Learner() = default;  ///< stops the thread after the step it is in

  /// Fresh examples in stream order. Blocks while the queue is full (back-pressure). One gradient step is taken for every
  /// TrainOptions::examples_per_step of them (young_pace: of the first ever for fewer), at fixed positions in the stream: the same
  /// examples give the same weights.
  /// `pace`: each of these pays for as many times of that; 0: none is taken notice of, weights and standardisation stay as they are.
  virtual void submit(std::vector<Example> examples, int steps_multiplier = 1) = 0;
  /// Examples that were learned from before, once more: they pay for steps as fresh ones do, and neither count as fresh nor move the
  /// standardisation, which has seen them. Blocks as submit() does.
  virtual void submit_again(std::vector<Example> examples) = 0;
  /// All that was submitted since the last call, perhaps nothing, is a batch of the stream; the first one is number 0.
  virtual void end_batch() = 0;
  /// The version as it was when everything up to the end of that batch was learned, and no more. Waits for it, at most so long: then
  /// null. Ask in rising order, or again of the one before: what lies further back is dropped. `batch` must have ended.
  virtual std::shared_ptr<const ModelVersion> version_after(std::uint64_t batch, std::chrono::milliseconds patience) = 0;
  /// Drops what is queued, and kept for coming steps, of one patient (patient_hash()). The weights stay.
  virtual void forget(std::uint64_t patient) = 0;
  /// The newest version; never null.
  virtual std::shared_ptr<const ModelVersion> current() const = 0;
  virtual LearnerStats stats() const = 0;
  /// Waits until everything submitted is learned, and publishes a version of it if a step was taken since the last one.
  virtual std::shared_ptr<const ModelVersion> drain() = 0;
  /// Weights, optimiser, standardisation, step count, random state, between two steps.
  virtual std::string checkpoint() = 0;
};

}  // namespace lacuna::model
