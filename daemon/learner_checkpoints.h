#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "daemon/config.h"
#include "model/learner.h"
#include "state/store.h"

namespace lacuna::daemon {

/// Keeps the learner's checkpoints in the store, newest last, and starts a learner from them. One thread.
class LearnerCheckpoints {
 public:
  LearnerCheckpoints(const Config& config, state::Store& store) : config_(config), store_(store) {}

  /// From the newest checkpoint that can be read; null when there is none. The store must outlive the learner.
  Result<std::unique_ptr<model::Learner>> open();
  /// From these bytes (a checkpoint from elsewhere), or anew when empty.
  Result<std::unique_ptr<model::Learner>> make(std::string_view bytes);
  /// Writes one more, and drops the oldest beyond checkpoint.keep.
  Status save(model::Learner& learner);

 private:
  Result<std::vector<std::string>> names() const;

  const Config& config_;
  state::Store& store_;
  std::int64_t number_ = 0;  ///< of the newest
};

}  // namespace lacuna::daemon
