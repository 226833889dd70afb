#pragma once

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "state/records/time.h"

namespace lacuna::daemon {

/// Ends the process with kExitFailed when a stop takes longer than shutdown.timeout.
class StopLimit {
 public:
  /// `loses`: what then becomes of what was not done, for the log.
  StopLimit(Millis limit, std::string loses) : limit_(limit), loses_(std::move(loses)) {}
  ~StopLimit();
  void start();  ///< the stop has begun; once

 private:
  const Millis limit_;
  const std::string loses_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool done_ = false;
  std::thread thread_;
};

}  // namespace lacuna::daemon
