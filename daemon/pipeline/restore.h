#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/config/config.h"
#include "daemon/pipeline/forgetting.h"
#include "daemon/pipeline/identity.h"
#include "daemon/pipeline/progress.h"
#include "state/store.h"
#include "streaming/log/event_log.h"

namespace lacuna::daemon {

/// Brings the store up to what an input partition has committed, from the changelog (docs/exactly-once.md), in steps, so that
/// other partitions can be worked on in between. One thread. Interrupted at any moment, the next one goes on from what the
/// store holds.
class Restore {
 public:
  /// What had to be forgotten before: the changelog tells the rest.
  enum class Wiped : std::uint8_t {
    no,
    ahead,    ///< the store had applied what the log does not know: another group, a topic made anew, a log that lost data
    too_old,  ///< untouched for longer than store.rebuild_after: deletions may have left the changelog since
  };

  /// Compares the store with `committed`, and wipes the partition where they cannot be reconciled. `now`: wall clock.
  static Result<Restore> begin(const Config& config, const streaming::TopicPartition& partition, const streaming::Committed& committed,
                               state::Store& store, Time now);

  /// Reads up to there at least.
  void reach(std::int64_t end);

  /// Reads and applies the next part of the changelog. `unavailable` and the like: nothing happened, call it again.
  Status step(streaming::TopicReader& reader, state::Store& store, const Forget& forget, Time now);

  const streaming::TopicPartition& partition() const { return partition_; }
  bool done() const { return done_; }
  Wiped wiped() const { return wiped_; }
  std::int64_t changelog_next() const { return next_; }
  /// Changelog records read so far, and left to be read (offsets: markers and compacted records count too).
  std::int64_t read() const { return next_ - begin_; }
  std::int64_t left() const { return done_ ? 0 : std::max<std::int64_t>(end_ - next_, 0); }
  std::int64_t snapshots() const { return snapshots_; }  ///< written into the store
  std::uint64_t dropped() const { return dropped_; }     ///< what of them the present schema does not have (Store::dropped)
  /// What became of the partition's records up to the committed position; as far as read.
  const state::RecordCounts& counts() const { return counts_; }

 private:
  Restore(const Config& config, streaming::TopicPartition partition) : config_(&config), partition_(std::move(partition)) {}
  Status take(const std::vector<streaming::Record>& records, streaming::TopicReader& reader, state::Store& store,
              state::StateChange& change);
  Result<Snapshot> decode(const streaming::Record& record, streaming::TopicReader& reader, state::Store& store);
  Status learn(const streaming::Record& record, state::Store& store) const;
  Status learn_all(streaming::TopicReader& reader, state::Store& store) const;
  Status take_persons(const std::vector<streaming::Record>& records, const state::Store& store, state::StateChange& change);
  Status nothing_came(streaming::TopicReader& reader, const streaming::TopicPartition& changelog);
  Status look_at_others(const state::Store& store);

  const Config* config_;
  streaming::TopicPartition partition_;
  std::int64_t input_next_ = 0;                  ///< committed
  std::int64_t stored_next_ = 0;                 ///< input position that the store's snapshots stand for, until done
  std::int64_t begin_ = 0, next_ = 0, end_ = 0;  ///< of the changelog
  std::int64_t committed_ = 0;                   ///< where it ends for this partition; end_ may lie behind
  std::int64_t snapshots_ = 0;
  std::uint64_t dropped_ = 0;
  state::RecordCounts counts_;
  std::optional<state::StoredPosition> transfers_;  ///< where topics.transfers was read to; as far as read
  std::int64_t stored_transfers_next_ = 0;          ///< the store's
  bool from_nothing_ = false;                       ///< the store knew nothing of the partition: its replay examples are made anew too
  std::set<std::string> only_adds_;  ///< patients whose examples stay: the part of the changelog at hand corrects nothing of them
  bool done_ = false;
  Wiped wiped_ = Wiped::no;
};

std::string_view to_string(Restore::Wiped wiped);

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
