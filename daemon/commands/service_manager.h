#pragma once

#include <chrono>
#include <string>

#include "state/records/status.h"

namespace lacuna::daemon {

/// Tells systemd, where it started us, how we are: sd_notify(3). Does nothing elsewhere. One thread: the loop's, so that the
/// watchdog hears of the loop and not of a thread beside it.
class ServiceManager {
 public:
  ServiceManager();
  /// The loop moved. The first time: READY=1. At most a few messages a second, and a WATCHDOG=1 at least twice an interval.
  /// `ready` becomes the status line of `systemctl status`.
  void alive(const Status& ready);
  void stopping();  ///< any thread

 private:
  std::chrono::microseconds watchdog_{0};  ///< interval; zero: none wanted
  std::chrono::steady_clock::time_point last_{};
  std::string status_;
  bool ready_ = false;
};

}  // namespace lacuna::daemon
