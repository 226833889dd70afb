#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "daemon/config/config.h"
#include "state/records/status.h"
#include "streaming/log/event_log.h"

// What the commands share: reading the configuration, opening the log, signals, exit codes.

namespace lacuna::daemon {

// Stable: scripts and units rely on them.
inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitConfiguration = 2;
inline constexpr int kExitPromiseBroken = 3;
inline constexpr int kExitNothingLearned = 4;

/// The configuration, or every problem on standard error.
std::optional<Config> load_or_explain(const std::string& path, const std::vector<std::string>& overrides);

/// Says on standard error what failed and, where known, what to do; returns kExitConfiguration for what is `invalid`, else kExitFailed.
int explain(const Status& status);

/// The configured log. `read_only`: for looking beside a running daemon (embedded log; Kafka needs no such thing).
Result<std::unique_ptr<streaming::LogFactory>> open_event_log(const Config& config, bool read_only);

/// Logs a warning when matrix products run at the speed of the reference BLAS.
void warn_of_slow_products(const model::ModelOptions& options);

/// SIGINT and SIGTERM, answered on an own thread: the first calls what on_stop() was given, a second one leaves the process
/// at once. One at a time.
class Signals {
 public:
  Signals();
  ~Signals();
  void on_stop(std::function<void()> action);
  bool stopped() const { return number_ != 0; }
  int number() const { return number_; }  ///< of the first; 0: none came

 private:
  std::mutex mutex_;
  std::function<void()> action_;  ///< guarded by mutex_
  std::atomic<int> number_ = 0;
  std::array<int, 2> ends_{};  ///< of the pipe from the handler to the thread
  std::thread thread_;
};

}  // namespace lacuna::daemon
