#pragma once

#include <chrono>
#include <cstddef>
#include <vector>

#include "daemon/pipeline/loop_context.h"
#include "state/records/status.h"

namespace lacuna::daemon {

/// The passes after the first over a bounded input that is used up: the learner goes over the examples of the replay buffer, each once a
/// pass and each pass in an order of its own. Nothing else moves: no position, no score, no detector. The loop's thread only.
class Rehearsal {
 public:
  /// The context must outlive it.
  explicit Rehearsal(LoopContext& context) : context_(context) {}

  /// Gives the learner what its queue has room for, without waiting long. `passes`: with the first one, which is over. False: all is given.
  Result<bool> go_on(int passes);

 private:
  Status give(std::size_t count);
  void tell(int passes);

  LoopContext& context_;
  int pass_ = 1;
  std::vector<std::size_t> order_;  ///< of the pass: places in the replay buffer
  std::size_t given_ = 0;           ///< of these
  std::chrono::steady_clock::time_point told_ = std::chrono::steady_clock::now();
};

}  // namespace lacuna::daemon
