#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <utility>

#include "daemon/pipeline/restore.h"

namespace lacuna::daemon {

/// The assigned partitions whose state is not here yet. They stay paused until it is; one is restored at a time, and one that
/// cannot be reached makes room for the next. One thread.
class RestoreQueue {
 public:
  RestoreQueue(const Config& config, state::Store& store, Forget forget) : config_(config), store_(store), forget_(std::move(forget)) {}

  void add(const streaming::TopicPartition& partition);
  void remove(const streaming::TopicPartition& partition);
  void clear();
  bool empty() const { return queue_.empty(); }
  /// Something was out of reach a moment ago: step() would only say so again.
  bool waiting() const { return rest_ > 0; }
  std::size_t size() const { return queue_.size(); }

  /// One step with the first; what it has become when its state is complete: then it has left the queue. `unavailable`:
  /// something is out of reach (or was a moment ago), and the next partition has the next turn. `invalid`: the changelog does not fit the
  /// input. `alone`: no other partition has use for the time, so it is tried again at once.
  Result<std::optional<Restore>> step(streaming::EventLog& log, streaming::TopicReader& reader, Time now, bool alone);
  /// "restoring lacuna.events/3: 1200 changelog records left, 2 partitions to restore"; for /readyz.
  std::string describe() const;
  /// How many partitions the topics have that were met.
  const PartitionCounts& inputs() const { return inputs_; }
  /// Adds what is known of the restores to `recovery`.
  void report(Recovery& recovery) const;

 private:
  Status begin(streaming::EventLog& log, streaming::TopicReader& reader, Time now);
  Result<std::int64_t> shared_end(streaming::EventLog& log, const streaming::TopicPartition& partition) const;
  Status check_partitions(const streaming::TopicPartition& partition, streaming::TopicReader& reader);

  /// How long the group is asked for a committed position before the next partition has its turn.
  static constexpr Millis kCommittedWaitMin{200}, kCommittedWaitMax{5'000};
  static constexpr int kRest = 10;

  const Config& config_;
  state::Store& store_;
  const Forget forget_;
  std::deque<streaming::TopicPartition> queue_;
  PartitionCounts inputs_;                     ///< topics met
  Millis committed_wait_ = kCommittedWaitMin;  ///< doubles while it is not enough
  int rest_ = 0;                               ///< turns left to the partitions that are here, after something was out of reach
  std::optional<Restore> current_;             ///< of the first in the queue
  std::uint64_t records_ = 0, dropped_ = 0, wiped_ahead_ = 0, wiped_too_old_ = 0;
  double seconds_ = 0, current_seconds_ = 0;
};

}  // namespace lacuna::daemon
