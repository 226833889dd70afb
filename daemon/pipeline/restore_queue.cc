#include "daemon/pipeline/restore_queue.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>

namespace lacuna::daemon {

namespace {

/// Partitions of a topic of ours, which needs as many as `input`. Where it is missing: what to do about it.
Result<std::int32_t> partitions_of(const Config& config, const std::string& topic, const std::string& key, streaming::TopicReader& reader,
                                   const std::string& input, std::int32_t needed) {
  auto count = reader.partition_count(topic);
  if (count.ok() || count.code() != Code::not_found) return count;
  return missing_topic(config, topic, key, needed, std::to_string(needed) + " partitions, as many as " + input + " has");
}

}  // namespace

void RestoreQueue::add(const streaming::TopicPartition& partition) {
  remove(partition);
  queue_.push_back(partition);
}

void RestoreQueue::remove(const streaming::TopicPartition& partition) {
  std::erase(queue_, partition);
  if (current_ && current_->partition() == partition) current_.reset();
}

void RestoreQueue::clear() {
  queue_.clear();
  inputs_.clear();  // a topic may be made anew meanwhile
  current_.reset();
}

/// The changelog has room for the partition, and topics that are read together fit together.
Status RestoreQueue::check_partitions(const streaming::TopicPartition& partition, streaming::TopicReader& reader) {
  // One that lies beyond what was there was added since.
  const auto known = inputs_.find(partition.topic);
  if (known != inputs_.end() && partition.partition < known->second) return {};
  const auto input = reader.partition_count(partition.topic);
  if (!input.ok()) return input.status();
  const auto changelog = partitions_of(config_, config_.topics.state, "topics.state", reader, partition.topic, *input);
  if (!changelog.ok()) return changelog.status();
  if (*input > *changelog) {
    return {Code::invalid, "topic " + config_.topics.state + " has " + std::to_string(*changelog) + " partitions, " + partition.topic +
                               " has " + std::to_string(*input) + ": the changelog needs as many as the input"};
  }
  const auto transfers = partitions_of(config_, config_.topics.transfers, "topics.transfers", reader, partition.topic, *input);
  if (!transfers.ok()) return transfers.status();
  if (partition.topic == config_.topics.events.front() && *transfers != *input) {
    return {Code::invalid, "topic " + config_.topics.transfers + " has " + std::to_string(*transfers) + " partitions, " + partition.topic +
                               " has " + std::to_string(*input) + ": as many are needed"};
  }
  for (const auto& [topic, count] : inputs_) {
    if (count == *input || topic == partition.topic) continue;
    spdlog::warn("topic {} has {} partitions, {} has {}: a patient whose events come through both is split in two", topic, count,
                 partition.topic, *input);
  }
  inputs_[partition.topic] = *input;
  return {};
}

Status RestoreQueue::begin(streaming::EventLog& log, streaming::TopicReader& reader, Time now) {
  const streaming::TopicPartition& p = queue_.front();
  LACUNA_RETURN_IF_ERROR(check_partitions(p, reader));
  const auto committed = log.committed(p, committed_wait_);
  const auto shared = committed.ok() ? shared_end(log, p) : Result<std::int64_t>(committed.status());
  if (!shared.ok()) {
    committed_wait_ = std::min(2 * committed_wait_, kCommittedWaitMax);
    return shared.status();
  }
  committed_wait_ = kCommittedWaitMin;
  auto begun = Restore::begin(config_, p, *committed, store_, now);
  if (!begun.ok()) return begun.status();
  current_.emplace(std::move(*begun));
  current_->reach(*shared);
  if (current_->wiped() == Restore::Wiped::no) return {};
  (current_->wiped() == Restore::Wiped::ahead ? wiped_ahead_ : wiped_too_old_) += 1;
  spdlog::warn("the local state of {}/{} cannot be reconciled with the log ({}): forgotten, to be rebuilt from the changelog", p.topic,
               p.partition, to_string(current_->wiped()));
  return {};
}

/// Partitions of other topics with the same number share the changelog: as far as they have committed it is read before this one's patients
/// are worked on, since a patient may be known through any of them.
Result<std::int64_t> RestoreQueue::shared_end(streaming::EventLog& log, const streaming::TopicPartition& partition) const {
  std::int64_t end = 0;
  for (const streaming::TopicPartition& other : queue_) {
    if (other.partition != partition.partition || other == partition) continue;
    const auto committed = log.committed(other, committed_wait_);
    if (!committed.ok()) return committed.status();
    end = std::max(end, committed->changelog_next.value_or(0));
  }
  return end;
}

Result<std::optional<Restore>> RestoreQueue::step(streaming::EventLog& log, streaming::TopicReader& reader, Time now, bool alone) {
  if (queue_.empty()) return std::optional<Restore>();
  const auto start = std::chrono::steady_clock::now();
  if (alone) rest_ = 0;
  if (waiting()) {
    rest_ -= 1;
    return Status(Code::unavailable, describe());
  }
  if (!current_) current_seconds_ = 0;
  Status outcome = current_ ? Status() : begin(log, reader, now);
  if (outcome.ok()) {
    const std::int64_t before = current_->read();
    outcome = current_->step(reader, store_, forget_, now);
    records_ += static_cast<std::uint64_t>(current_->read() - before);
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  seconds_ += seconds;
  current_seconds_ += seconds;
  if (!outcome.ok()) {
    current_.reset();
    std::rotate(queue_.begin(), queue_.begin() + 1, queue_.end());
    rest_ = kRest;
    return outcome;
  }
  if (!current_->done()) return std::optional<Restore>();
  if (current_->read() > 0) {
    const streaming::TopicPartition& p = queue_.front();
    spdlog::info("restored {}/{}: {} patient states from {} changelog records in {:.2f} s", p.topic, p.partition, current_->snapshots(),
                 current_->read(), current_seconds_);
  }
  dropped_ += current_->dropped();
  queue_.pop_front();
  return std::exchange(current_, std::nullopt);
}

std::string RestoreQueue::describe() const {
  if (queue_.empty()) return "nothing to restore";
  const streaming::TopicPartition& p = queue_.front();
  return "restoring " + p.topic + "/" + std::to_string(p.partition) + ": " +
         (current_ ? std::to_string(current_->left()) + " changelog records left, " : "about to begin, ") + std::to_string(queue_.size()) +
         " partitions to restore";
}

void RestoreQueue::report(Recovery& recovery) const {
  recovery.restoring_partitions = queue_.size();
  recovery.records_left = current_ ? current_->left() : 0;
  recovery.records_restored = records_;
  recovery.restore_seconds = seconds_;
  recovery.values_dropped = dropped_;
  recovery.wiped_ahead = wiped_ahead_;
  recovery.wiped_too_old = wiped_too_old_;
}

}  // namespace lacuna::daemon
