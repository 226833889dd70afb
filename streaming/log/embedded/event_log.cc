#include <regex.h>

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "streaming/log/embedded/factories.h"

namespace lacuna::streaming::embedded {
namespace {

/// POSIX extended, as librdkafka takes it: a pattern means the same on both logs.
struct FreeRegex {
  void operator()(regex_t* compiled) const {
    regfree(compiled);
    delete compiled;
  }
};
using Regex = std::unique_ptr<regex_t, FreeRegex>;

/// Null when the text is not a regular expression.
Regex compile(const std::string& text) {
  auto compiled = std::make_unique<regex_t>();
  if (regcomp(compiled.get(), text.c_str(), REG_EXTENDED | REG_NOSUB) != 0) return nullptr;
  return Regex(compiled.release());
}

class EmbeddedEventLog final : public EventLog {
 public:
  EmbeddedEventLog(std::shared_ptr<Database> database, std::string group, std::uint64_t member)
      : database_(std::move(database)), group_(std::move(group)), member_(member) {}
  ~EmbeddedEventLog() override { database_->leave(group_, member_); }

  Status subscribe(const std::vector<std::string>& topics, AssignmentListener listener) override;
  Result<std::vector<Record>> poll(std::size_t max_records, Millis max_wait) override;
  Status pause(const std::vector<TopicPartition>& partitions) override { return set_paused(partitions, true); }
  Status resume(const std::vector<TopicPartition>& partitions) override { return set_paused(partitions, false); }
  /// The write is one batch into the page cache: no thread of its own would pay.
  void start_commit(Transaction transaction) override {
    if (!outcome_) outcome_ = write(transaction);  // otherwise finish_commit() says that this one never was
  }
  Result<std::map<TopicPartition, std::int64_t>> finish_commit() override;
  Result<Committed> committed(const TopicPartition& partition, Millis) override { return database_->committed(group_, partition); }
  std::vector<TopicPartition> assignment() const override;
  using EventLog::lag;
  std::int64_t lag(const TopicPartition& partition) const override;

 private:
  struct Input {
    PartitionId id;
    std::int64_t position = 0;  ///< of the next record to give
    Committed committed;
    bool paused = false;
  };

  Status check() const;
  Status refresh_assignment();
  Status gather(std::size_t max_records, std::vector<Record>& records);
  Status set_paused(const std::vector<TopicPartition>& partitions, bool paused);
  Result<std::map<TopicPartition, std::int64_t>> write(const Transaction& transaction);
  void rewind();

  const std::shared_ptr<Database> database_;
  const std::string group_;
  const std::uint64_t member_;
  std::set<std::string> topics_;
  std::vector<Regex> patterns_;
  AssignmentListener listener_;
  bool subscribed_ = false;
  std::size_t known_topics_ = 0;
  std::map<TopicPartition, Input> inputs_;
  std::size_t turn_ = 0;                                                   ///< whose turn it is to give what does not divide
  std::optional<Result<std::map<TopicPartition, std::int64_t>>> outcome_;  ///< of the step that was started
};

Status EmbeddedEventLog::check() const {
  if (!subscribed_) return {Code::invalid, "group " + group_ + " has not subscribed"};
  if (!database_->is_member(group_, member_)) return {Code::fenced, "another member of group " + group_ + " took over"};
  return {};
}

Status EmbeddedEventLog::subscribe(const std::vector<std::string>& topics, AssignmentListener listener) {
  if (subscribed_) return {Code::invalid, "group " + group_ + " has subscribed already"};
  if (topics.empty()) return {Code::invalid, "no topics to subscribe to"};
  for (const std::string& topic : topics) {
    if (!topic.starts_with('^')) {
      topics_.insert(topic);
      continue;
    }
    Regex pattern = compile(topic);
    if (!pattern) return {Code::invalid, "not a regular expression: " + topic};
    patterns_.push_back(std::move(pattern));
  }
  listener_ = std::move(listener);
  subscribed_ = true;
  return {};
}

/// Topics are never removed, so the assignment only grows.
Status EmbeddedEventLog::refresh_assignment() {
  const std::vector<std::string> all = database_->topics();
  if (all.size() == known_topics_) return {};
  std::vector<TopicPartition> added;
  for (const std::string& topic : all) {
    const bool wanted = topics_.contains(topic) || std::any_of(patterns_.begin(), patterns_.end(), [&](const auto& pattern) {
                          return regexec(pattern.get(), topic.c_str(), 0, nullptr, 0) == 0;
                        });
    if (!wanted || inputs_.contains({topic, 0})) continue;
    const auto partitions = database_->partition_count(topic);
    if (!partitions.ok()) return partitions.status();
    for (std::int32_t p = 0; p < *partitions; ++p) {
      const TopicPartition partition{topic, p};
      const auto id = database_->find(partition);
      if (!id.ok()) return id.status();
      const auto committed = database_->committed(group_, partition);
      if (!committed.ok()) return committed.status();
      inputs_[partition] = {*id, committed->next_offset, *committed, false};
      added.push_back(partition);
    }
  }
  known_topics_ = all.size();
  if (!added.empty() && listener_.assigned) listener_.assigned(added);
  return {};
}

Result<std::vector<Record>> EmbeddedEventLog::poll(std::size_t max_records, Millis max_wait) {
  if (Status status = check(); !status.ok()) return status;
  const auto deadline = std::chrono::steady_clock::now() + max_wait;
  std::vector<Record> records;
  for (;;) {
    const std::uint64_t seen = database_->changes();
    if (Status status = refresh_assignment(); !status.ok()) return status;
    if (Status status = gather(max_records, records); !status.ok()) return status;
    if (!records.empty() || std::chrono::steady_clock::now() >= deadline) return records;
    database_->wait_for_change(seen, deadline);
  }
}

Status EmbeddedEventLog::gather(std::size_t max_records, std::vector<Record>& records) {
  std::vector<std::pair<const TopicPartition*, Input*>> active;
  std::vector<std::int64_t> available;
  for (auto& [partition, input] : inputs_) {
    if (input.paused) continue;
    const std::int64_t left = database_->end(input.id) - input.position;
    if (left <= 0) continue;
    active.emplace_back(&partition, &input);
    available.push_back(left);
  }
  if (active.empty() || max_records == 0) return {};
  const std::vector<std::size_t> shares = fair_shares(available, max_records, turn_++ % active.size());
  std::size_t total = 0;
  for (const std::size_t share : shares) total += share;
  records.reserve(total);
  for (std::size_t i = 0; i < active.size(); ++i) {
    if (shares[i] == 0) continue;
    Input& input = *active[i].second;
    const std::int64_t until = input.position + static_cast<std::int64_t>(shares[i]);
    const std::size_t before = records.size();
    LACUNA_RETURN_IF_ERROR(database_->read(*active[i].first, input.id, input.position, until, shares[i], records));
    if (records.size() - before != shares[i]) {
      return {Code::corrupt, "embedded log: records are missing in topic " + active[i].first->topic};
    }
  }
  // Moved only once all of the batch was read: an error gives none of it, and the next poll all of it.
  for (std::size_t i = 0; i < active.size(); ++i) active[i].second->position += static_cast<std::int64_t>(shares[i]);
  return {};
}

Status EmbeddedEventLog::set_paused(const std::vector<TopicPartition>& partitions, bool paused) {
  for (const TopicPartition& partition : partitions) {
    const auto found = inputs_.find(partition);
    if (found == inputs_.end()) return {Code::not_found, "not assigned: topic " + partition.topic};
  }
  for (const TopicPartition& partition : partitions) inputs_.at(partition).paused = paused;
  return {};
}

Result<std::map<TopicPartition, std::int64_t>> EmbeddedEventLog::write(const Transaction& transaction) {
  if (Status status = check(); !status.ok()) return status;
  GroupCommit commit{group_, member_, transaction.changelog_topic, {}};
  const auto add = [&](const TopicPartition& partition, std::optional<std::int64_t> next_offset) -> Status {
    const auto found = inputs_.find(partition);
    if (found == inputs_.end()) return {Code::aborted, "not assigned: topic " + partition.topic};
    Committed& next = commit.next[partition];
    next.next_offset = next_offset.value_or(found->second.committed.next_offset);
    if (!transaction.changelog_topic.empty()) next.changelog_next = found->second.committed.changelog_next.value_or(0);
    return {};
  };
  for (const auto& [partition, next_offset] : transaction.next_offsets) LACUNA_RETURN_IF_ERROR(add(partition, next_offset));
  for (const TopicPartition& partition : transaction.unmoved) LACUNA_RETURN_IF_ERROR(add(partition, std::nullopt));
  if (Status status = database_->write(transaction.outputs, &commit, true); !status.ok()) return status;
  std::map<TopicPartition, std::int64_t> changelog;
  for (const auto& [partition, next] : commit.next) {
    inputs_.at(partition).committed = next;
    if (next.changelog_next) changelog[partition] = *next.changelog_next;
  }
  return changelog;
}

Result<std::map<TopicPartition, std::int64_t>> EmbeddedEventLog::finish_commit() {
  if (!outcome_) return Status(Code::internal, "no commit was started");
  // What was polled since the step began goes back with it.
  if (outcome_->code() == Code::aborted || outcome_->code() == Code::invalid) rewind();
  return *std::exchange(outcome_, std::nullopt);
}

void EmbeddedEventLog::rewind() {
  for (auto& [partition, input] : inputs_) input.position = input.committed.next_offset;
}

std::vector<TopicPartition> EmbeddedEventLog::assignment() const {
  std::vector<TopicPartition> partitions;
  for (const auto& [partition, input] : inputs_) partitions.push_back(partition);
  return partitions;
}

std::int64_t EmbeddedEventLog::lag(const TopicPartition& partition) const {
  const auto found = inputs_.find(partition);
  return found == inputs_.end() ? 0 : std::max<std::int64_t>(0, database_->end(found->second.id) - found->second.position);
}

}  // namespace

std::vector<std::size_t> fair_shares(const std::vector<std::int64_t>& available, std::size_t max_records, std::size_t first) {
  std::vector<std::size_t> shares(available.size(), 0);
  std::vector<std::size_t> order(available.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = (i + first) % order.size();
  // From the shortest backlog to the longest: what a short one leaves is divided among those after it.
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return available[a] < available[b]; });
  std::size_t left = max_records;
  for (std::size_t i = 0; i < order.size(); ++i) {
    const std::size_t others = order.size() - i;
    const std::size_t even = left / others + (left % others != 0 ? 1 : 0);
    shares[order[i]] = std::min(even, static_cast<std::size_t>(available[order[i]]));
    left -= shares[order[i]];
  }
  return shares;
}

Result<std::unique_ptr<EventLog>> make_event_log(std::shared_ptr<Database> database, const std::string& group,
                                                 const std::string& transactional_id) {
  const auto member = database->join(group, transactional_id);
  if (!member.ok()) return member.status();
  return std::unique_ptr<EventLog>(std::make_unique<EmbeddedEventLog>(std::move(database), group, *member));
}

}  // namespace lacuna::streaming::embedded
