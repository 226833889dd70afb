#include "daemon/pipeline/commit_stage.h"

#include <utility>

#include "daemon/pipeline/stage_timer.h"

namespace lacuna::daemon {

namespace {

/// Unknown outcome, or a client that is dead: a new one finds out.
Status not_committed(const Status& why) { return why.code() == Code::internal ? Status(Code::fenced, why.message()) : why; }

}  // namespace

void CommitStage::start(streaming::EventLog& log, StagedBatch batch) {
  log.start_commit(std::move(batch.transaction));
  in_flight_ = std::move(batch);
  context_.point("commit_started", in_flight_->batch->records());
}

Result<std::optional<StagedBatch>> CommitStage::finish(streaming::EventLog& log) {
  if (!in_flight_) return std::optional<StagedBatch>();
  if (!in_flight_->committed) {
    const StageTimer timer(context_.stage_seconds, "commit");
    auto committed = log.finish_commit();
    if (!committed.ok()) return not_committed(committed.status());
    for (const auto& [p, next] : *committed) in_flight_->change.positions[{p.topic, p.partition}].changelog_next = next;
    in_flight_->committed = true;
    context_.point("committed", in_flight_->batch->records());
  }
  {
    const StageTimer timer(context_.stage_seconds, "apply");
    LACUNA_RETURN_IF_ERROR(context_.forget(in_flight_->change.forgotten));
    // `invalid` would be taken for the log's refusal, and the batch, which is durable there, thrown away.
    const Status applied = context_.store->apply(in_flight_->change);
    if (!applied.ok()) return applied.code() == Code::invalid ? Status(Code::internal, applied.message()) : applied;
    context_.point("applied", in_flight_->batch->records());
  }
  return std::exchange(in_flight_, std::nullopt);
}

Status CommitStage::commit_alone(streaming::EventLog& log, std::vector<streaming::OutputRecord> outputs) {
  streaming::Transaction transaction;
  transaction.outputs = std::move(outputs);
  const auto committed = log.commit(std::move(transaction));
  // No position moves, so nothing could tell; a new client fences what the old one may have left.
  return committed.ok() ? Status() : not_committed(committed.status());
}

Result<std::map<streaming::TopicPartition, std::int64_t>> CommitStage::commit_alone(streaming::EventLog& log,
                                                                                    streaming::Transaction transaction,
                                                                                    state::StateChange change) {
  auto committed = log.commit(std::move(transaction));
  if (!committed.ok()) return not_committed(committed.status());
  for (const auto& [p, next] : *committed) change.positions[{p.topic, p.partition}].changelog_next = next;
  // The log has it: a new client brings it into the store as it restores.
  const Status applied = context_.store->apply(change);
  if (applied.code() == Code::unavailable) return Status(Code::fenced, applied.message());
  if (!applied.ok()) return applied.code() == Code::invalid ? Status(Code::internal, applied.message()) : applied;
  return committed;
}

}  // namespace lacuna::daemon
