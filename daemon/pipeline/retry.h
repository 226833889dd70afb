#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <vector>

#include "state/records/time.h"

namespace lacuna::daemon {

/// How the loop waits: until it is told to stop, and ever longer while something is out of reach. stop() and stopped() from any
/// thread, the rest from the loop's.
class RetryBackoff {
 public:
  void stop() {
    {
      const std::lock_guard lock(mutex_);
      stopped_ = true;
    }
    wake_.notify_all();
  }
  bool stopped() const {
    const std::lock_guard lock(mutex_);
    return stopped_;
  }
  /// Shorter when told to stop.
  void wait(Millis duration) {
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, duration, [this] { return stopped_; });
  }

  /// The pause before the next try: twice as long each time, up to kPauseMax.
  Millis next_delay() {
    const Millis now = pause_;
    pause_ = std::min(pause_ * 2, kPauseMax);
    return now;
  }
  /// What was out of reach is there.
  void reset() { pause_ = kPauseMin; }

 private:
  static constexpr Millis kPauseMin{100}, kPauseMax{10'000};
  mutable std::mutex mutex_;  ///< guards stopped_
  std::condition_variable wake_;
  bool stopped_ = false;
  Millis pause_ = kPauseMin;
};

/// An instance that is replaced more often than kMax times in kWindow is not the only one of its name.
class RejoinLimit {
 public:
  /// Counts one more; false: it was one too many.
  bool allow(std::chrono::steady_clock::time_point now) {
    std::erase_if(times_, [now](auto at) { return now - at > kWindow; });
    if (times_.size() >= kMax) return false;
    times_.push_back(now);
    return true;
  }

 private:
  static constexpr std::size_t kMax = 5;
  static constexpr std::chrono::minutes kWindow{10};
  std::vector<std::chrono::steady_clock::time_point> times_;
};

}  // namespace lacuna::daemon
