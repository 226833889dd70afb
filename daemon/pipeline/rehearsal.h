#pragma once

#include <chrono>
#include <cstddef>
#include <vector>

#include "daemon/pipeline/loop_context.h"
#include "daemon/registry/learner_checkpoints.h"
#include "model/model_version.h"
#include "state/records/status.h"

namespace lacuna::daemon {

/// The passes after the first over a bounded input that is used up: the learner goes over the examples of the replay buffer, each once a
/// pass and each pass in an order of its own, but for those of the patients who are left out (is_left_out()). At the end the intervals are
/// calibrated by what is said of these: of the others it knows more by heart than it will of anybody new. Nothing else moves: no position,
/// no score, no detector. The loop's thread only.
class Rehearsal {
 public:
  /// Both must outlive it.
  Rehearsal(LoopContext& context, LearnerCheckpoints& checkpoints) : context_(context), checkpoints_(checkpoints) {}

  /// Gives the learner what its queue has room for, without waiting long. `passes`: with the first one, which is over. False: all is given.
  Result<bool> go_on(int passes);

 private:
  Status give(std::size_t count);
  void tell(int passes);
  Status calibrate();
  Status calibrate_by(const model::ModelVersion& version, const std::vector<Example>& examples);

  LoopContext& context_;
  LearnerCheckpoints& checkpoints_;
  int pass_ = 1;
  bool leaves_out_ = false;
  std::vector<std::size_t> order_;  ///< of the pass: places in the replay buffer
  std::size_t given_ = 0;           ///< of these
  std::chrono::steady_clock::time_point told_ = std::chrono::steady_clock::now();
};

}  // namespace lacuna::daemon
