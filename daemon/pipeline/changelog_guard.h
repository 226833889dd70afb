#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "daemon/pipeline/changelog_review.h"
#include "daemon/pipeline/commit_stage.h"
#include "daemon/pipeline/degradation.h"
#include "daemon/pipeline/identity.h"
#include "daemon/pipeline/loop_context.h"
#include "daemon/pipeline/progress.h"
#include "streaming/log/event_log.h"

namespace lacuna::daemon {

/// How many records it writes to each partition of its changelog.
std::map<std::int32_t, std::uint64_t> changelog_records(const streaming::Transaction& transaction);

/// Notices what somebody else has written into the changelog, and has it written anew from the store (docs/exactly-once.md). Counts
/// offsets, which our records and their markers explain one by one, and reads only where they do not. The loop's thread only.
class ChangelogGuard {
 public:
  /// So often the ends of the partitions are looked at; while batches follow one another and nothing is suspicious, less often.
  static constexpr Millis kPeriod{10'000}, kPeriodBusy{60'000};

  explicit ChangelogGuard(LoopContext& context) : context_(context) {}

  /// The state of an input partition is here, from its part of the changelog up to `changelog_next`.
  void restored(const streaming::TopicPartition& partition, std::int64_t changelog_next);
  void given_up(const streaming::TopicPartition& partition);
  /// The client is gone, and all that it held.
  void clear();

  using Positions = std::map<std::pair<std::string, std::int32_t>, state::StoredPosition>;
  /// Of a batch that is durable; `records` by partition of the changelog.
  void committed(const Positions& positions, const std::map<std::int32_t, std::uint64_t>& records, std::int64_t marker_offsets);

  /// Some offsets are not explained.
  bool suspicious() const;
  /// `busy`: a commit is under way.
  bool due(Time now, bool busy) const;
  /// Nothing may be in flight or prepared. What is out of reach is looked at the next time. Errors as CommitStage::commit_alone().
  Status check(streaming::EventLog& log, streaming::TopicReader& reader, CommitStage& commit, const PartitionCounts& inputs);

  const ChangelogFindings& findings() const { return findings_; }
  std::vector<Degradation> degraded(Time now) const { return wrong_.degraded(now); }

 private:
  /// A partition of the changelog.
  struct Watch {
    std::int64_t from = 0;           ///< what is visible before it is ours, or was dealt with
    std::int64_t written = 0;        ///< behind our newest record
    std::int64_t end = -1;           ///< where the partition ends by our count; -1: not known
    std::int64_t reviewed_end = -1;  ///< where it ended when it was read last
    std::uint64_t ours = 0;          ///< records of ours from `from` on
    std::uint64_t noticed = 0;       ///< records of others from `from` on that were told of
    bool counted = true;             ///< `ours` is known
    bool open = true;                ///< not all offsets from `from` on are explained
    bool shared = false;             ///< another member of the group writes there
  };

  /// The input partitions with that number; empty where another member may hold one of them, or that cannot be told.
  std::vector<streaming::TopicPartition> all_of(std::int32_t number, streaming::TopicReader& reader, const PartitionCounts& inputs);
  Status look_at(Watch& watch, std::vector<streaming::TopicPartition> ours, streaming::EventLog& log, streaming::TopicReader& reader,
                 CommitStage& commit);
  Status mend(Watch& watch, const ChangelogReview& review, streaming::EventLog& log, CommitStage& commit);
  static std::uint64_t foreign(const Watch& watch, const ChangelogReview& review);
  void notice(Watch& watch, const ChangelogReview& review);

  LoopContext& context_;
  std::set<streaming::TopicPartition> held_;  ///< restored
  std::map<std::int32_t, Watch> watches_;
  PartitionCounts topics_;  ///< of the configuration, as far as nothing was assigned of them
  ChangelogFindings findings_;
  DegradedSpell wrong_{kDegradedReasons[1]};
  Time checked_{};
  bool again_ = false;  ///< at once
  bool warned_ = false;
};

}  // namespace lacuna::daemon
