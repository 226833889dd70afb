#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <vector>

#include "daemon/pipeline/batch.h"
#include "daemon/pipeline/loop_context.h"
#include "streaming/log/event_log.h"

namespace lacuna::daemon {

/// A batch from decoding to the store. At most two live: one whose commit is under way, one that is prepared meanwhile.
struct StagedBatch {
  std::unique_ptr<Batch> batch;
  streaming::Transaction transaction;  ///< until its commit is started
  state::StateChange change;
  std::vector<Alert> alerts;
  std::map<std::int32_t, std::uint64_t> changelog_records;  ///< of the transaction, by partition of the changelog
  int steps_multiplier = 1;                                 ///< by which its examples are learned
  std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();
  bool committed = false;  ///< durable in the log, not yet in the store
};

/// The last part of a batch's way: its transaction in the log, and only then its change in the store. The loop's thread only.
class CommitStage {
 public:
  explicit CommitStage(LoopContext& context) : context_(context) {}

  /// Nothing may be in flight.
  void start(streaming::EventLog& log, StagedBatch batch);
  /// The one whose commit is under way, or done and not yet in the store; null: there is none.
  const StagedBatch* in_flight() const { return in_flight_ ? &*in_flight_ : nullptr; }
  /// Waits for the commit under way, and writes what it carried into the store: the batch, for what is left to do; empty when there was
  /// none. `invalid`: the log will never take it, and gives its records again. `aborted`: it does too. `unavailable`: call it again.
  /// `fenced`: this client is dead, or could not tell the outcome: a new one finds out. After an error the batch is still in flight.
  Result<std::optional<StagedBatch>> finish(streaming::EventLog& log);
  /// Outputs in a transaction of their own, between two batches: what is wrong with them must not be taken for a fault of theirs.
  /// `invalid`: the log does not take them, and the read positions were put back.
  Status commit_alone(streaming::EventLog& log, std::vector<streaming::OutputRecord> outputs);
  /// A transaction that moves no input position, and its change in the store; between two batches. Returns the changelog positions.
  /// Errors as finish(), but for `unavailable`.
  Result<std::map<streaming::TopicPartition, std::int64_t>> commit_alone(streaming::EventLog& log, streaming::Transaction transaction,
                                                                         state::StateChange change);
  /// Forgets the batch: the log gives it again.
  void discard() { in_flight_.reset(); }

 private:
  LoopContext& context_;
  std::optional<StagedBatch> in_flight_;
};

}  // namespace lacuna::daemon
