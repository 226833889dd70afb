#pragma once

#include <atomic>
#include <chrono>
#include <mutex>
#include <utility>

#include "daemon/pipeline/progress.h"

namespace lacuna::daemon {

/// What other threads may know of the loop: whether it moves, whether it is ready, and its last progress. Written by the loop's
/// thread, read by any.
class LoopStatus {
 public:
  void heartbeat() { heartbeat_ = Clock::now().time_since_epoch().count(); }
  bool beat_within(Millis limit) const { return Clock::now() - Clock::time_point(Clock::duration(heartbeat_.load())) < limit; }

  void set_ready(Status status) {
    const std::lock_guard lock(mutex_);
    ready_ = std::move(status);
  }
  Status ready() const {
    const std::lock_guard lock(mutex_);
    return ready_;
  }

  void publish(Progress progress) {
    const std::lock_guard lock(mutex_);
    progress.ready = ready_.ok();
    progress_ = std::move(progress);
  }
  Progress progress() const {
    const std::lock_guard lock(mutex_);
    return progress_;
  }
  /// Whether this instance holds the partition, and its state is complete.
  bool holds(const streaming::TopicPartition& partition) const {
    const std::lock_guard lock(mutex_);
    return progress_.partitions.contains(partition);
  }

 private:
  using Clock = std::chrono::steady_clock;
  std::atomic<Clock::rep> heartbeat_ = Clock::now().time_since_epoch().count();
  mutable std::mutex mutex_;  ///< guards the next two
  Progress progress_;
  Status ready_{Code::unavailable, "starting"};
};

}  // namespace lacuna::daemon
