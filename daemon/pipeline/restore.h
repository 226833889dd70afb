#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
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

/// Of two snapshots of one patient. Offsets of one partition tell; of several, who has seen more. A link is never behind.
bool is_behind(const Snapshot& read, const Snapshot& stored);

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
  Status take_snapshot(const streaming::Record& record, streaming::TopicReader& reader, state::Store& store, std::vector<Snapshot>& out);
  void cannot_read(const streaming::Record& record, const Status& why);
  void forgot(std::string_view patient);
  Result<Snapshot> decode(const streaming::Record& record, streaming::TopicReader& reader, state::Store& store);
  Status learn(const streaming::Record& record, state::Store& store) const;
  Status learn_all(streaming::TopicReader& reader, state::Store& store, Status& unknown) const;
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
  struct Unreadable {
    std::int64_t offset = 0;
    Status why;
  };
  std::map<std::string, Unreadable, std::less<>> unreadable_;  ///< by key: what somebody else has put there, until it is written anew
  std::optional<state::StoredPosition> transfers_;             ///< where topics.transfers was read to; as far as read
  std::int64_t stored_transfers_next_ = 0;                     ///< the store's
  bool from_nothing_ = false;        ///< the store knew nothing of the partition: its replay examples are made anew too
  std::set<std::string> only_adds_;  ///< patients whose examples stay: the part of the changelog at hand corrects nothing of them
  bool done_ = false;
  Wiped wiped_ = Wiped::no;
};

std::string_view to_string(Restore::Wiped wiped);

}  // namespace lacuna::daemon
