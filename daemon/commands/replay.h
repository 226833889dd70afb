#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "daemon/config/config.h"
#include "state/records/status.h"
#include "streaming/files/input_files.h"
#include "streaming/log/event_log.h"

// What `lacuna replay` does, apart from its options: files become events of a topic, at a chosen pace.

namespace lacuna::daemon {

/// Bound on what `--order time` holds in memory before the first event is sent. 600,000 events are about 200
/// MB.
inline constexpr std::size_t kReplayMemoryMax = std::size_t{4} << 30;

struct ReplayOptions {
  std::vector<std::string> paths;
  std::string topic;
  streaming::FileMapping mapping;  ///< its format applies to every path, but *.ndjson and *.jsonl are always ndjson
  bool by_patient = false;         ///< file after file; else all events merged by clinical time
  bool raw = false;                ///< ndjson only: lines as they are, in file order
  bool shift_to_now = false;       ///< clinical times move together, so that the newest event is of now
  bool dry_run = false;
  std::size_t patients_max = 0;  ///< 0: all
  double rate = 0;               ///< events a second; 0: as fast as the log takes them
  double speed_up = 0;           ///< clinical time over wall-clock time; 0: not paced by it
  std::size_t memory_max = kReplayMemoryMax;
  Millis future_max = Millis::max();  ///< what is further ahead of now than this is refused by whoever reads the topic
};

struct ReplayReport {
  std::uint64_t patients = 0, events = 0;
  std::uint64_t sent = 0;          ///< events the log took; durable when the outcome is ok
  std::uint64_t keyless = 0;       ///< raw: lines without a readable patient_id, sent without a key
  std::uint64_t future = 0;        ///< events further ahead of now than future_max; sent all the same
  streaming::FileReport files;     ///< over all paths
  std::set<std::string> absent{};  ///< columns that the mapping names, and no header has
  double seconds = 0;
  /// Nothing was left out, nor will be for its time.
  bool lossless() const { return files.lossless() && keyless == 0 && future == 0; }
};

/// The world outside, given by tests.
struct ReplayWorld {
  using Seconds = std::chrono::duration<double>;
  std::function<Seconds()> now;  ///< monotonic
  std::function<void(Seconds)> sleep;
  Clock clock;                    ///< wall clock
  std::function<bool()> stopped;  ///< Ctrl-C
  /// Called often; phase "reading" counts bytes, "sending" counts events.
  std::function<void(const char* phase, std::uint64_t done, std::uint64_t total)> progress;
};
ReplayWorld real_replay_world();

/// `appender` may be null for a dry run only. On a failure the report says how far it came. Stopped: ok, what
/// was sent is flushed.
Status replay(const Schema& schema, const ReplayOptions& options, streaming::Appender* appender, const ReplayWorld& world,
              ReplayReport& report);

/// Why there is no event, for a person: what each path looks like. Empty where there was one, or where its values were not all lost.
std::string explain_nothing(const ReplayOptions& options, const ReplayReport& report);

/// Everything the report holds, in a few lines for a person; `topic` empty: a dry run.
std::string format_report(const ReplayReport& report, const std::string& topic);

}  // namespace lacuna::daemon
