#include "daemon/commands/service_manager.h"

#include <systemd/sd-daemon.h>

#include <algorithm>

namespace lacuna::daemon {

namespace {
constexpr std::chrono::milliseconds kStatusEvery{500};
}  // namespace

ServiceManager::ServiceManager() {
  std::uint64_t microseconds = 0;
  if (sd_watchdog_enabled(0, &microseconds) > 0) watchdog_ = std::chrono::microseconds(microseconds);
}

void ServiceManager::alive(const Status& ready) {
  const auto now = std::chrono::steady_clock::now();
  // Half the interval would be enough were the loop's turns short; some take seconds.
  const std::chrono::microseconds every =
      watchdog_.count() > 0 ? std::min<std::chrono::microseconds>(watchdog_ / 4, kStatusEvery) : kStatusEvery;
  if (ready_ && now - last_ < every) return;
  last_ = now;
  std::string message;
  if (!ready_) message += "READY=1\n";
  if (watchdog_.count() > 0) message += "WATCHDOG=1\n";
  if (const std::string status = ready.ok() ? "ready" : "not ready: " + ready.message(); status != status_ || !ready_) {
    status_ = status;
    message += "STATUS=" + status + "\n";
  }
  ready_ = true;
  if (!message.empty()) sd_notify(0, message.c_str());
}

void ServiceManager::stopping() { sd_notify(0, "STOPPING=1\nSTATUS=stopping\n"); }

}  // namespace lacuna::daemon
