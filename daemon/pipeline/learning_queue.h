#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "model/learner.h"

namespace lacuna::daemon {

/// What batches gave to learn from, applied, on its way to the learner; each batch at its own pace, and each an end, also one that gave
/// nothing. One thread.
class LearningQueue {
 public:
  void add(std::vector<Example> examples, int steps_multiplier) { waiting_.push_back({std::move(examples), steps_multiplier}); }
  /// Batches that the learner was given, since the start.
  std::uint64_t handed_over() const { return handed_over_; }
  /// Whether the learner's queue, of at most `queue_max`, would take all of it without waiting.
  bool fit(const model::Learner& learner, std::size_t queue_max) const {
    std::size_t wanted = 0;
    for (const Entry& entry : waiting_) wanted += entry.steps_multiplier > 0 ? entry.examples.size() : 0;
    return wanted == 0 || learner.stats().queued + wanted <= queue_max || (wanted > queue_max && learner.stats().queued == 0);
  }
  void forget(const std::string& patient_id) {
    for (Entry& entry : waiting_) std::erase_if(entry.examples, [&](const Example& e) { return e.before.patient_id == patient_id; });
  }
  void hand_over(model::Learner& learner) {
    for (; !waiting_.empty(); waiting_.pop_front(), ++handed_over_) {
      learner.submit(std::move(waiting_.front().examples), waiting_.front().steps_multiplier);
      learner.end_batch();
    }
  }

 private:
  struct Entry {
    std::vector<Example> examples;
    int steps_multiplier = 1;
  };
  std::deque<Entry> waiting_;
  std::uint64_t handed_over_ = 0;
};

}  // namespace lacuna::daemon
