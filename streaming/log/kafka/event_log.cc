#include "streaming/log/kafka/factories.h"

#include <future>
#include <utility>

#include "streaming/log/kafka/consumer.h"
#include "streaming/log/kafka/producer.h"
#include "streaming/log/kafka/worker.h"
#include "streaming/log/log_sink.h"

namespace lacuna::streaming::kafka {
namespace {

constexpr int kWarning = 4;
/// What poll() may spend on reaching the brokers again before it says `unavailable`.
constexpr Millis kRepairLimit{5'000};

using Positions = std::map<TopicPartition, std::int64_t>;

class KafkaEventLog final : public EventLog {
 public:
  KafkaEventLog(const KafkaOptions& options, const std::string& group, const std::string& transactional_id)
      : options_(options), consumer_(options, group), producer_(options, transactional_id) {}

  Status open() {
    LACUNA_RETURN_IF_ERROR(consumer_.open());
    return producer_.open(options_.request_timeout);
  }

  Status subscribe(const std::vector<std::string>& topics, AssignmentListener listener) override;
  Result<std::vector<Record>> poll(std::size_t max_records, Millis max_wait) override;
  Status pause(const std::vector<TopicPartition>& partitions) override { return consumer_.set_paused(partitions, true); }
  Status resume(const std::vector<TopicPartition>& partitions) override { return consumer_.set_paused(partitions, false); }
  void start_commit(Transaction transaction) override;
  Result<Positions> finish_commit() override;
  Result<Committed> committed(const TopicPartition& partition, Millis limit) override;
  std::int64_t marker_offsets() const override { return 1; }
  std::vector<TopicPartition> assignment() const override { return consumer_.assignment(); }
  using EventLog::lag;
  std::int64_t lag(const TopicPartition& partition) const override { return consumer_.lag(partition); }

 private:
  /// One commit on its way: what finish_commit() needs to judge its outcome.
  struct Step {
    Transaction transaction;
    Owned<rd_kafka_consumer_group_metadata_t> group;
    std::map<TopicPartition, Committed> known;     ///< of its partitions, before it
    std::map<TopicPartition, Committed> expected;  ///< after it; written by the worker
  };

  Status prepare(Step& step);
  Status repair();
  Status learn_committed(const std::vector<TopicPartition>& partitions);
  Result<bool> resolve(const Step& step, bool may_open);
  Positions finish(const Step& step);
  Status fence(const std::string& message);

  const KafkaOptions options_;
  GroupConsumer consumer_;
  TransactionalProducer producer_;
  bool subscribed_ = false;
  bool fenced_ = false;
  bool must_rewind_ = false;
  std::map<TopicPartition, Committed> known_;  ///< last committed by this client or read, while assigned

  // Between start_commit() and finish_commit(). The worker alone touches the producer and `step_` then.
  bool started_ = false;
  Status refused_;  ///< why the step was not handed to the worker
  std::unique_ptr<Step> step_;
  std::future<TransactionalProducer::Attempt> attempt_;
  Worker worker_;  ///< last: its thread ends before what it uses is gone
};

PartitionList to_list(const std::map<TopicPartition, Committed>& offsets) {
  PartitionList list(rd_kafka_topic_partition_list_new(static_cast<int>(offsets.size())));
  for (const auto& [partition, next] : offsets) {
    rd_kafka_topic_partition_t* one = rd_kafka_topic_partition_list_add(list.get(), partition.topic.c_str(), partition.partition);
    one->offset = next.next_offset;
    if (!next.changelog_next) continue;
    const std::string text = "chg=" + std::to_string(*next.changelog_next);
    one->metadata = rd_kafka_mem_malloc(nullptr, text.size());  // freed with the list
    one->metadata_size = text.size();
    text.copy(static_cast<char*>(one->metadata), text.size());
  }
  return list;
}

Status KafkaEventLog::subscribe(const std::vector<std::string>& topics, AssignmentListener listener) {
  if (subscribed_) return {Code::invalid, "this member has subscribed already"};
  if (topics.empty()) return {Code::invalid, "no topics to subscribe to"};
  // A partition that comes back may have been moved by others in between.
  AssignmentListener wrapped;
  wrapped.assigned = [this, assigned = std::move(listener.assigned)](const std::vector<TopicPartition>& partitions) {
    for (const TopicPartition& partition : partitions) known_.erase(partition);
    if (assigned) assigned(partitions);
  };
  wrapped.revoked = std::move(listener.revoked);
  LACUNA_RETURN_IF_ERROR(consumer_.subscribe(topics, std::move(wrapped)));
  subscribed_ = true;
  return {};
}

Status KafkaEventLog::fence(const std::string& message) {
  fenced_ = true;
  return {Code::fenced, message};
}

/// After a failed transaction: a producer that works, and the read position at what is committed.
Status KafkaEventLog::repair() {
  if (!producer_.usable()) {
    Status status = producer_.open(std::min(options_.request_timeout, kRepairLimit));
    if (status.code() == Code::fenced) return fence(status.message());
    LACUNA_RETURN_IF_ERROR(status);
  }
  if (must_rewind_) {
    LACUNA_RETURN_IF_ERROR(consumer_.rewind(std::min(options_.request_timeout, kRepairLimit)));
    must_rewind_ = false;
  }
  return {};
}

Result<std::vector<Record>> KafkaEventLog::poll(std::size_t max_records, Millis max_wait) {
  if (fenced_) return Status(Code::fenced, "another instance took over");
  if (!subscribed_) return Status(Code::invalid, "this member has not subscribed");
  // While a step is under way the producer is its worker's. And until its outcome was collected nothing is put back, though it
  // may have failed already: the caller takes what comes until then for what follows the step.
  if (!started_) {
    LACUNA_RETURN_IF_ERROR(repair());
    producer_.serve();
  }
  auto records = consumer_.poll(max_records, max_wait);
  if (records.code() == Code::fenced) fenced_ = true;
  return records;
}

/// The input partitions whose committed position or changelog position a step moves.
std::vector<TopicPartition> partitions_of(const Transaction& transaction) {
  std::vector<TopicPartition> out(transaction.unmoved.begin(), transaction.unmoved.end());
  for (const auto& [partition, next] : transaction.next_offsets) out.push_back(partition);
  return out;
}

/// What stands where a step changes nothing.
Status KafkaEventLog::learn_committed(const std::vector<TopicPartition>& partitions) {
  std::vector<TopicPartition> unknown;
  for (const TopicPartition& partition : partitions) {
    if (!known_.contains(partition)) unknown.push_back(partition);
  }
  if (unknown.empty()) return {};
  const auto stored = consumer_.committed(unknown, options_.request_timeout);
  if (!stored.ok()) return stored.status();
  for (const TopicPartition& partition : unknown) {
    const auto found = stored->find(partition);
    known_[partition] = found == stored->end() ? Committed{} : found->second;
  }
  return {};
}

std::map<TopicPartition, Committed> expect(const Transaction& transaction, const std::map<TopicPartition, Committed>& known,
                                           const std::map<std::int32_t, std::int64_t>& changelog_next) {
  std::map<TopicPartition, Committed> expected;
  for (const TopicPartition& partition : partitions_of(transaction)) {
    Committed& next = expected[partition];
    const auto moved = transaction.next_offsets.find(partition);
    next.next_offset = moved != transaction.next_offsets.end() ? moved->second : known.at(partition).next_offset;
    if (transaction.changelog_topic.empty()) continue;
    const auto written = changelog_next.find(partition.partition);
    next.changelog_next = written != changelog_next.end() ? written->second : known.at(partition).changelog_next.value_or(0);
  }
  return expected;
}

Positions KafkaEventLog::finish(const Step& step) {
  Positions changelog;
  for (const auto& [partition, next] : step.expected) {
    // One that moved away meanwhile may have been moved on by others.
    if (consumer_.is_assigned(partition)) known_[partition] = next;
    if (next.changelog_next) changelog[partition] = *next.changelog_next;
  }
  return changelog;
}

/// After a commit whose answer is missing: whether it happened. A producer opened anew with the same id makes the
/// coordinator complete or abort it, so that the committed offsets tell.
Result<bool> KafkaEventLog::resolve(const Step& step, bool may_open) {
  const Deadline deadline(options_.transaction_timeout);
  BackOff back_off;
  while (may_open && !producer_.usable()) {
    Status status = producer_.open(Millis(std::max(deadline.left_ms(kRepairLimit), 1)));
    if (status.ok()) break;
    if (status.code() == Code::fenced) return fence(status.message());
    if (deadline.over()) return Status(Code::internal, "kafka: the outcome of a commit is not known: " + status.message());
    back_off.wait(deadline);
  }
  std::vector<TopicPartition> partitions;
  bool moves = false;
  for (const auto& [partition, next] : step.expected) {
    partitions.push_back(partition);
    moves = moves || next != step.known.at(partition);
  }
  // Without a position that moves nothing tells the outcome; a restart finds out what is there.
  if (!moves) return Status(Code::internal, "kafka: the outcome of a commit without new positions cannot be told");
  const auto stored = consumer_.committed(partitions, Millis(std::max(deadline.left_ms(), 1'000)));
  if (!stored.ok()) {
    return Status(Code::internal, "kafka: the outcome of a commit is not known: " + stored.status().message());
  }
  for (const auto& [partition, next] : step.expected) {
    const auto found = stored->find(partition);
    if (next != step.known.at(partition) && found != stored->end() && found->second == next) return true;
  }
  return false;
}

/// What needs the consumer, on its thread.
Status KafkaEventLog::prepare(Step& step) {
  if (fenced_) return {Code::fenced, "another instance took over"};
  const std::vector<TopicPartition> partitions = partitions_of(step.transaction);
  // What moves no position depends on none: it puts them back itself, below.
  if (must_rewind_ && !partitions.empty()) return {Code::aborted, "the read positions have to be put back first"};
  for (const TopicPartition& partition : partitions) {
    if (!consumer_.is_assigned(partition)) return {Code::aborted, "no longer assigned: topic " + partition.topic};
  }
  LACUNA_RETURN_IF_ERROR(repair());
  LACUNA_RETURN_IF_ERROR(learn_committed(partitions));
  for (const TopicPartition& partition : partitions) step.known[partition] = known_.at(partition);
  step.group = consumer_.group_metadata();
  return {};
}

void KafkaEventLog::start_commit(Transaction transaction) {
  if (started_) return;  // finish_commit() says that this one never was
  started_ = true;
  auto step = std::make_unique<Step>();
  step->transaction = std::move(transaction);
  refused_ = prepare(*step);
  if (!refused_.ok()) {
    if (refused_.code() == Code::unavailable) refused_ = Status(Code::aborted, refused_.message());
    return;
  }
  step_ = std::move(step);
  attempt_ = worker_.run([this, &s = *step_] {
    return producer_.run(
        s.transaction,
        [&s](const auto& changelog_next) {
          s.expected = expect(s.transaction, s.known, changelog_next);
          return to_list(s.expected);
        },
        s.group.get());
  });
}

Result<Positions> KafkaEventLog::finish_commit() {
  using Outcome = TransactionalProducer::Outcome;
  if (!std::exchange(started_, false)) return Status(Code::internal, "no commit was started");
  if (!refused_.ok()) {
    must_rewind_ = true;
    return std::exchange(refused_, Status());
  }
  const TransactionalProducer::Attempt attempt = attempt_.get();
  const std::unique_ptr<Step> step = std::move(step_);
  switch (attempt.outcome) {
    case Outcome::committed: return finish(*step);
    case Outcome::fenced: return fence(attempt.status.message());
    case Outcome::refused: must_rewind_ = true; return Status(Code::invalid, attempt.status.message());
    case Outcome::aborted: must_rewind_ = true; return Status(Code::aborted, attempt.status.message());
    case Outcome::unknown:
    case Outcome::unknown_fenced: break;
  }
  log_line(kWarning, "kafka: a commit was not answered, finding out: " + attempt.status.message());
  const auto happened = resolve(*step, attempt.outcome == Outcome::unknown);
  if (!happened.ok()) return happened.status();
  if (attempt.outcome == Outcome::unknown_fenced) fenced_ = true;
  if (*happened) return finish(*step);
  if (fenced_) return Status(Code::fenced, attempt.status.message());
  must_rewind_ = true;
  return Status(Code::aborted, attempt.status.message());
}

Result<Committed> KafkaEventLog::committed(const TopicPartition& partition, Millis limit) {
  const auto stored = consumer_.committed({partition}, limit);
  if (!stored.ok()) return stored.status();
  const auto found = stored->find(partition);
  return found == stored->end() ? Committed{} : found->second;
}

}  // namespace

Result<std::unique_ptr<EventLog>> make_event_log(const KafkaOptions& options, const std::string& group,
                                                 const std::string& transactional_id) {
  auto log = std::make_unique<KafkaEventLog>(options, group, transactional_id);
  if (Status status = log->open(); !status.ok()) return status;
  return std::unique_ptr<EventLog>(std::move(log));
}

}  // namespace lacuna::streaming::kafka
