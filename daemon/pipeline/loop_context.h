#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <string_view>

#include "daemon/config/config.h"
#include "daemon/pipeline/forgetting.h"
#include "daemon/pipeline/loop_status.h"
#include "daemon/pipeline/operator_commands.h"
#include "daemon/pipeline/pipeline.h"
#include "daemon/pipeline/retry.h"
#include "daemon/pipeline/stream_state.h"
#include "model/learner.h"
#include "state/store.h"
#include "streaming/log/event_log.h"

namespace lacuna::daemon {

/// What the parts of the loop share, and what other threads may ask it for.
struct LoopContext {
  LoopContext(const Config& c, streaming::LogFactory& f, Clock t, Pipeline::Hooks h)
      : config(c), factory(f), clock(std::move(t)), hooks(std::move(h)), stream(config) {}

  void point(std::string_view name, std::span<const streaming::Record> records) const {
    if (hooks.at_point) hooks.at_point(name, records);
  }
  std::chrono::steady_clock::time_point steady_now() const { return hooks.steady(); }
  void heartbeat() {
    status.heartbeat();
    if (hooks.alive) hooks.alive(status.ready());
  }
  /// Null until the model is loaded. Any thread.
  std::shared_ptr<model::Learner> current_learner() const {
    const std::lock_guard lock(stream_mutex);
    return learner;
  }
  /// Detectors, scores, calibration and counts as they were after the last batch in the store.
  Status reload() {
    prepared_counts = applied_counts;
    const std::lock_guard lock(stream_mutex);
    return stream.load(config, *store);
  }

  const Config config;
  streaming::LogFactory& factory;
  const Clock clock;
  const Pipeline::Hooks hooks;

  // The loop's thread only.
  Tallies applied_counts;   ///< of the partitions assigned and restored: up to what is in the store
  Tallies prepared_counts;  ///< up to what is prepared
  std::map<std::string, double> stage_seconds;
  Forget forget;
  std::set<std::int32_t> described;  ///< changelog partitions in which this process has told its schema

  // Self-synchronised. The learner reads the store from its own thread: it goes first.
  std::unique_ptr<state::Store> store;
  std::shared_ptr<model::Learner> learner;  ///< set once, under stream_mutex; the loop's thread reads it without
  RetryBackoff retry;
  OperatorCommands commands;
  LoopStatus status;

  mutable std::mutex stream_mutex;  ///< guards `stream` and `learner` against the HTTP threads
  StreamState stream;
};

}  // namespace lacuna::daemon
