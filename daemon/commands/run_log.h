#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "daemon/pipeline/progress.h"
#include "state/records/status.h"
#include "streaming/log/event_log.h"

namespace lacuna::daemon {

/// What `lacuna run` says on its log of how it goes: that it is ready, and with which partitions, whenever these change; what was refused,
/// by reason, at most once a minute; and, where somebody watches a terminal, a line a minute. No value and no id of a patient is among it.
/// The loop's thread.
class RunLog {
 public:
  using Seconds = std::chrono::duration<double>;
  /// Where it says it and what time it is: given by tests.
  struct World {
    bool terminal = false;
    std::function<Seconds()> now;  ///< monotonic
    std::function<void(bool warning, const std::string& line)> say;
  };
  RunLog();
  explicit RunLog(World world);

  void alive(const Status& ready) { ready_ = ready.ok(); }
  void show(const Progress& progress);
  void finish(const Progress& last);  ///< says what was refused since it was last said

 private:
  void tell_refused(const EventCounts& counts);

  const World world_;
  bool ready_ = false;
  std::string partitions_;  ///< as they were told
  EventCounts told_;        ///< the counts of the last line of refusals
  Seconds refused_at_{-1e9}, line_at_;
  std::uint64_t consumed_ = 0;  ///< at the last line
};

/// "lacuna.events 0-3, 7": partitions in few words.
std::string in_words(const std::map<streaming::TopicPartition, std::int64_t>& partitions);

}  // namespace lacuna::daemon
