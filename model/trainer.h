#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "model/learner.h"

// The learning itself, on the caller's thread and deterministic: the learner's thread drives it, tests drive
// it directly.

namespace lacuna::model {

/// Newest fresh examples kept for batches (and with each checkpoint).
inline constexpr std::size_t kRecentExamplesMax = 1024;
/// Of their payloads; more let the oldest go earlier.
inline constexpr std::size_t kRecentPayloadBytesMax = 32U << 20;

class Trainer {
 public:
  /// Fails as Learner::make does.
  static Result<std::unique_ptr<Trainer>> make(const Schema& schema, const ModelOptions& model, const TrainOptions& train,
                                               const PredictOptions& predict, std::string_view checkpoint);
  virtual ~Trainer() = default;

  /// Takes a fresh example in stream order; it pays for `pace` (at least 1) times what an example usually does.
  /// True when a step is now due, and must be taken before the next example.
  virtual bool take(Example example, int steps_multiplier = 1) = 0;
  /// One that was taken before, once more: it is learned from as a fresh one, but is none, and the standardisation has seen it.
  virtual bool take_again(Example example) = 0;
  /// Drops the examples of one patient (patient_hash()) that are kept for batches. A step that then has no fresh one is skipped.
  virtual void forget(std::uint64_t patient) = 0;
  /// After a step too: with a high one an example can pay for several.
  virtual bool step_due() const = 0;
  /// What the step due wants replayed: how many, and the seed to draw them with.
  virtual std::pair<std::size_t, std::uint64_t> replay_wanted() const = 0;
  virtual void step(const std::vector<Example>& replayed) = 0;
  /// True when publish_every_steps steps were taken since the last version, or an eighth of all there were where that is less.
  virtual bool version_due() const = 0;
  /// A version of the weights as they are; where no step was taken since the last one, that one again, its standardisation too.
  virtual std::shared_ptr<const ModelVersion> publish() = 0;
  virtual std::string checkpoint() const = 0;
  /// queued is 0; steps, examples and versions go on over checkpoints.
  virtual LearnerStats stats() const = 0;
};

}  // namespace lacuna::model
