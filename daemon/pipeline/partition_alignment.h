#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <vector>

#include "state/records/time.h"
#include "streaming/log/event_log.h"

namespace lacuna::daemon {

/// Keeps partitions together in clinical time while a backlog is read: those ahead of the slowest by more than kWindow rest
/// until it has caught up. Without it one partition can be days ahead of another, and what happened at the same time reaches
/// the detectors as if it had not. A partition that is at its end (idle) holds nobody up. One thread.
class PartitionAlignment {
 public:
  static constexpr Millis kWindow = std::chrono::hours(2);
  /// Polls without a record, with nothing left to read, after which a partition counts as idle; and so does one that has given
  /// nothing for so long although there is something, since its broker may be away.
  static constexpr int kIdlePolls = 3;
  static constexpr std::chrono::seconds kSilenceMax{30};

  struct Change {
    std::vector<streaming::TopicPartition> pause, resume;
  };
  void assign(const streaming::TopicPartition& partition, std::chrono::steady_clock::time_point now) { partitions_[partition].gave = now; }
  void revoke(const streaming::TopicPartition& partition) { partitions_.erase(partition); }
  /// After a poll: the newest clinical time that each partition gave, for those that gave any, and which have something left.
  Change observe(const std::map<streaming::TopicPartition, Time>& newest,
                 const std::function<bool(const streaming::TopicPartition&)>& has_more, std::chrono::steady_clock::time_point now);
  /// Of the partitions assigned, those that are restored and not too far ahead of the others.
  std::vector<streaming::TopicPartition> runnable(const std::vector<streaming::TopicPartition>& assigned) const;
  /// No event older than this is expected, but for late ones: the slowest partition's newest time. Time::min() at first.
  Time watermark() const { return watermark_; }

 private:
  struct State {
    Time newest = Time::min();
    int empty_polls = 0;
    std::chrono::steady_clock::time_point gave{};  ///< a record, or was resumed
    bool paused = false;
  };
  std::map<streaming::TopicPartition, State> partitions_;
  Time watermark_ = Time::min();
};

}  // namespace lacuna::daemon
