#include "daemon/commands/stop_limit.h"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include "daemon/commands/session.h"

namespace lacuna::daemon {

StopLimit::~StopLimit() {
  {
    const std::lock_guard lock(mutex_);
    done_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void StopLimit::start() {
  thread_ = std::thread([this] {
    std::unique_lock lock(mutex_);
    if (wake_.wait_for(lock, limit_, [this] { return done_; })) return;
    spdlog::error("the stop took longer than shutdown.timeout: leaving; {}", loses_);
    spdlog::shutdown();
    _exit(kExitFailed);
  });
}

}  // namespace lacuna::daemon
