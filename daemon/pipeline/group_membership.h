#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "daemon/pipeline/loop_context.h"
#include "daemon/pipeline/partition_alignment.h"
#include "daemon/pipeline/restore_queue.h"
#include "daemon/pipeline/transfers.h"
#include "streaming/log/event_log.h"

namespace lacuna::daemon {

/// This instance's place in the consumer group: its client, the partitions it was given, those whose state is still to be restored,
/// those that rest until the others have caught up, and the records read but not yet worked on. The loop's thread only.
class GroupMembership {
 public:
  struct Callbacks {
    std::function<Status()> finish_in_flight;  ///< what is under way for partitions is finished before they are given up
    std::function<bool()> batch_is_prepared;   ///< one that could not be started yet may hold records of what moves
    std::function<void(const streaming::TopicPartition&, std::int64_t changelog_next)> restored;  ///< as far as the changelog was read
    std::function<void(const streaming::TopicPartition&)> given_up;
  };
  /// The context, and its store, must outlive it.
  GroupMembership(LoopContext& context, Callbacks callbacks);

  /// Makes missing topics and what reads them outside of the group. Called again until it is ok; later it does nothing.
  Status open_reader();
  streaming::TopicReader& reader() { return *reader_; }
  /// Nothing is left to read, of the input and of what is on its way to it. Asks the log.
  bool all_read() const;
  /// Reads topics.transfers again from where the store stands.
  Status rewind_transfers();
  Result<std::int32_t> transfer_partitions() { return transfers_->partition_count(); }
  /// The input partition beside each partition of topics.transfers that is read here.
  Homes homes() const;
  /// Makes a client and asks for partitions.
  Status join();
  bool joined() const { return log_ != nullptr; }
  /// The client goes, and all that it gave.
  void leave();
  /// The client alone goes: at a stop.
  void close() { log_.reset(); }
  streaming::EventLog& log() { return *log_; }
  const streaming::EventLog& log() const { return *log_; }

  /// Reads at most `limit` records into pending(). Without waiting where there is something else to do.
  Status poll(std::size_t limit, bool busy);
  /// Polls without reading on, so that the group does not take the partitions away.
  Status stay_member();
  /// Brings the states of newly assigned partitions here, for as long as those that are here can wait.
  Status restore_some();
  /// Lets those partitions rest that are ahead of the others. `newest`: clinical time that each gave, for those that gave any.
  Status align(const std::map<streaming::TopicPartition, Time>& newest);

  std::vector<streaming::Record>& pending() { return pending_; }
  bool restoring() const { return !restores_.empty(); }
  /// Partitions are assigned, and nothing is left to restore.
  bool complete() const { return restores_.empty() && !log_->assignment().empty(); }
  /// How many partitions each topic has that was assigned so far.
  const PartitionCounts& inputs() const { return restores_.inputs(); }
  /// No event older than this is expected, but for late ones.
  Time watermark() const { return alignment_.watermark(); }
  void report(Recovery& recovery) const { restores_.report(recovery); }

 private:
  void assigned(const std::vector<streaming::TopicPartition>& added);
  void revoked(const std::vector<streaming::TopicPartition>& removed, bool lost);
  void drop_pending(const streaming::TopicPartition& partition);
  Status forget(const std::vector<std::string>& patient_ids);
  Status read(std::size_t limit, Millis wait);
  Status make_topics();
  Status follow_transfers(const streaming::TopicPartition& home);
  void leave_transfers(const streaming::TopicPartition& home);

  LoopContext& context_;
  const Callbacks callbacks_;
  std::unique_ptr<streaming::TopicReader> reader_;
  std::unique_ptr<TransferReader> transfers_;
  std::map<std::int32_t, std::set<streaming::TopicPartition>> homes_;  ///< restored partitions of the input that may be one, by number
  std::unique_ptr<streaming::EventLog> log_;                           ///< null until joined
  std::vector<streaming::Record> pending_;                             ///< polled, not yet worked on
  Status deferred_;                                                    ///< what went wrong inside a callback of poll()
  RestoreQueue restores_;
  PartitionAlignment alignment_;
};

}  // namespace lacuna::daemon
