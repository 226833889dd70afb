#pragma once

#include <deque>
#include <utility>
#include <vector>

#include "model/learner.h"

namespace lacuna::daemon {

/// What batches gave to learn from, applied, on its way to the learner; each batch at its own pace. One thread.
class Lessons {
 public:
  void add(std::vector<Example> examples, int pace) {
    if (!examples.empty()) waiting_.push_back({std::move(examples), pace});
  }
  /// Whether the learner's queue, of at most `queue_max`, would take all of it without waiting.
  bool fit(const model::Learner& learner, std::size_t queue_max) const {
    std::size_t wanted = 0;
    for (const Lesson& lesson : waiting_) wanted += lesson.pace > 0 ? lesson.examples.size() : 0;
    return wanted == 0 || learner.stats().queued + wanted <= queue_max || (wanted > queue_max && learner.stats().queued == 0);
  }
  void hand_over(model::Learner& learner) {
    for (; !waiting_.empty(); waiting_.pop_front()) learner.submit(std::move(waiting_.front().examples), waiting_.front().pace);
  }

 private:
  struct Lesson {
    std::vector<Example> examples;
    int pace = 1;
  };
  std::deque<Lesson> waiting_;
};

}  // namespace lacuna::daemon
