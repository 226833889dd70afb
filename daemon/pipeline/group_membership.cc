#include "daemon/pipeline/group_membership.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>

#include "daemon/pipeline/stage_timer.h"

namespace lacuna::daemon {

namespace {

using streaming::TopicPartition;

/// How long partitions that are here wait for those that are being restored, a turn.
constexpr Millis kRestoreSlice{100};
/// A batch keeps a kTransfersShare-th of its room for what other partitions sent: else it would wait until an input that is far behind is
/// read.
constexpr std::size_t kTransfersShare = 16;
/// The loop looks at least this often for what operators ask.
constexpr Millis kPollMax{1'000};

}  // namespace

GroupMembership::GroupMembership(LoopContext& context, Callbacks callbacks)
    : context_(context),
      callbacks_(std::move(callbacks)),
      restores_(context.config, *context.store, [this](const std::vector<std::string>& ids) { return forget(ids); }) {}

Status GroupMembership::open_reader() {
  if (reader_) return {};
  if (context_.config.log.create_topics) LACUNA_RETURN_IF_ERROR(make_topics());
  auto transfers = context_.factory.reader(), reader = context_.factory.reader();
  if (!transfers.ok()) return transfers.status();
  if (!reader.ok()) return reader.status();
  transfers_ = std::make_unique<TransferReader>(context_.config, std::move(*transfers));
  reader_ = std::move(*reader);
  return {};
}

/// topics.transfers gets as many partitions as the input has, which may be older than the configuration.
Status GroupMembership::make_topics() {
  const Config& config = context_.config;
  std::vector<streaming::TopicSpec> topics = topics_to_make(config);
  const auto late = std::ranges::find(topics, config.topics.transfers, &streaming::TopicSpec::name);
  streaming::TopicSpec transfers = *late;
  topics.erase(late);
  LACUNA_RETURN_IF_ERROR(context_.factory.ensure_topics(topics));
  const auto reader = context_.factory.reader();
  if (!reader.ok()) return reader.status();
  const std::string& first = config.topics.events.front();
  const auto partitions = (*reader)->partition_count(first.starts_with('^') ? config.topics.state : first);
  if (!partitions.ok()) return partitions.status();
  transfers.partitions = *partitions;
  return context_.factory.ensure_topics({transfers});
}

Status GroupMembership::join() {
  auto log = context_.factory.open(context_.config.log.group, context_.config.instance);
  if (!log.ok()) return log.status();
  log_ = std::move(*log);
  context_.status.set_ready({Code::unavailable, "no partition is assigned yet"});
  return log_->subscribe(context_.config.topics.events,
                         {[this](const std::vector<TopicPartition>& added) { assigned(added); },
                          [this](const std::vector<TopicPartition>& removed, bool lost) { revoked(removed, lost); }});
}

void GroupMembership::leave() {
  pending_.clear();
  deferred_ = Status();
  log_.reset();
  restores_.clear();
  transfers_->clear();
  homes_.clear();
  context_.applied_counts.clear();
  alignment_ = PartitionAlignment();
}

/// From inside poll(). A partition gives nothing until its state is there.
void GroupMembership::assigned(const std::vector<TopicPartition>& added) {
  for (const TopicPartition& p : added) restores_.add(p);
  if (const Status s = log_->pause(added); !s.ok() && deferred_.ok()) deferred_ = s;
}

/// From inside poll(), before they are given up.
void GroupMembership::revoked(const std::vector<TopicPartition>& removed, bool lost) {
  if (const Status s = callbacks_.finish_in_flight(); !s.ok() && deferred_.ok()) deferred_ = s;
  // It waits for room on the disk, and may hold records of what moves: only a new client reads the others again.
  if (callbacks_.batch_is_prepared()) deferred_ = Status(Code::fenced, "partitions moved while a batch was waiting");
  for (const TopicPartition& p : removed) {
    restores_.remove(p);
    alignment_.revoke(p);
    context_.applied_counts.erase(p);
    callbacks_.given_up(p);
    drop_pending(p);
    leave_transfers(p);
  }
  if (!removed.empty()) spdlog::info("{} partitions {}", removed.size(), lost ? "lost" : "given up");
}

void GroupMembership::drop_pending(const TopicPartition& partition) {
  std::erase_if(pending_, [&](const streaming::Record& r) { return TopicPartition{r.position.topic, r.position.partition} == partition; });
}

/// The partitions of topics.transfers go with those of the first topic of the input; where that is a pattern, with any of that number,
/// which are all here.
Status GroupMembership::follow_transfers(const TopicPartition& home) {
  const std::string& first = context_.config.topics.events.front();
  if (!first.starts_with('^') && home.topic != first) return {};
  homes_[home.partition].insert(home);
  if (transfers_->follows(home.partition)) return {};
  const auto positions = context_.store->positions();
  if (!positions.ok()) return positions.status();
  const TopicPartition p{context_.config.topics.transfers, home.partition};
  const auto found = positions->find({p.topic, p.partition});
  const state::StoredPosition stands = found == positions->end() ? state::StoredPosition{} : found->second;
  context_.applied_counts[p] = context_.prepared_counts[p] = stands.counts;
  transfers_->follow(p.partition, stands.input_next);
  return {};
}

void GroupMembership::leave_transfers(const TopicPartition& home) {
  const auto at = homes_.find(home.partition);
  if (at == homes_.end()) return;
  at->second.erase(home);
  if (!at->second.empty()) return;
  homes_.erase(at);
  const TopicPartition p{context_.config.topics.transfers, home.partition};
  transfers_->leave(p.partition);
  context_.applied_counts.erase(p);
  drop_pending(p);
}

Status GroupMembership::rewind_transfers() {
  if (homes_.empty()) return {};
  const auto positions = context_.store->positions();
  if (!positions.ok()) return positions.status();
  for (const auto& [partition, homes] : homes_) {
    const auto found = positions->find({context_.config.topics.transfers, partition});
    transfers_->follow(partition, found == positions->end() ? 0 : found->second.input_next);
  }
  return {};
}

Homes GroupMembership::homes() const {
  Homes out;
  for (const auto& [partition, homes] : homes_) out.emplace(partition, *homes.begin());
  return out;
}

bool GroupMembership::all_read() const {
  if (!joined() || log_->assignment().empty() || log_->lag() > 0 || !pending_.empty()) return false;
  const auto at_end = transfers_->at_end(*reader_);
  return at_end.ok() && *at_end;
}

Status GroupMembership::poll(std::size_t limit, bool busy) {
  const StageTimer timer(context_.stage_seconds, "poll");
  if (!pending_.empty()) return stay_member();
  const bool at_once = busy || (!restores_.empty() && !restores_.waiting());
  const std::size_t kept = homes_.empty() ? 0 : (limit + kTransfersShare - 1) / kTransfersShare;
  LACUNA_RETURN_IF_ERROR(
      read(std::max<std::size_t>(limit - kept, 1), at_once ? Millis(0) : std::min(context_.config.batch.max_delay, kPollMax)));
  if (pending_.size() >= limit) return {};
  auto moved = transfers_->read(limit - pending_.size());
  if (!moved.ok()) return moved.status();
  if (moved->empty()) return {};
  std::move(moved->begin(), moved->end(), std::back_inserter(pending_));
  context_.point("polled", pending_);
  return {};
}

Status GroupMembership::stay_member() {
  LACUNA_RETURN_IF_ERROR(log_->pause(log_->assignment()));
  const Status outcome = read(1, Millis(0));
  const Status resumed = log_->resume(alignment_.runnable(log_->assignment()));
  return outcome.ok() ? resumed : outcome;
}

// Nothing else polls. A step that failed inside it is answered before the next poll: that one gives its records again, once, and to forget
// what is not durable after it would throw them away.
Status GroupMembership::read(std::size_t limit, Millis wait) {
  auto polled = log_->poll(limit, wait);
  if (polled.ok()) {
    for (streaming::Record& record : *polled) pending_.push_back(std::move(record));
  }
  if (const Status deferred = std::exchange(deferred_, Status()); !deferred.ok()) return deferred;
  if (!pending_.empty()) context_.point("polled", pending_);
  return polled.status();
}

// Partitions that need nothing start together this way, so that none runs ahead of the others.
Status GroupMembership::restore_some() {
  if (restores_.empty()) return {};
  const StageTimer timer(context_.stage_seconds, "restore");
  const auto start = context_.steady_now();
  do {
    const bool alone = context_.applied_counts.empty();
    auto restored = restores_.step(*log_, *reader_, context_.clock(), alone);
    // While one is out of reach the partitions that are here go on.
    if (restored.code() == Code::unavailable && !alone) {
      context_.status.set_ready(restored.status());
      return {};
    }
    if (!restored.ok()) return restored.status();
    context_.status.set_ready({Code::unavailable, restores_.describe()});
    context_.point("restored", {});
    if (!*restored) continue;
    const TopicPartition& p = (*restored)->partition();
    context_.applied_counts[p] = context_.prepared_counts[p] = (*restored)->counts();
    alignment_.assign(p, context_.steady_now());
    LACUNA_RETURN_IF_ERROR(follow_transfers(p));
    callbacks_.restored(p, (*restored)->changelog_next());
    LACUNA_RETURN_IF_ERROR(log_->resume({p}));
  } while (!restores_.empty() && context_.steady_now() - start < kRestoreSlice);
  return {};
}

/// What a batch does that is read and not restored.
Status GroupMembership::forget(const std::vector<std::string>& patient_ids) {
  {
    const std::lock_guard lock(context_.stream_mutex);
    for (const std::string& id : patient_ids) {
      context_.stream.monitor.forget(id);
      context_.stream.subgroups.forget(id);
    }
  }
  return context_.forget(patient_ids);
}

Status GroupMembership::align(const std::map<TopicPartition, Time>& newest) {
  const PartitionAlignment::Change change = alignment_.observe(
      newest, [this](const TopicPartition& p) { return log_->lag(p) > 0; }, context_.steady_now());
  if (!change.pause.empty()) LACUNA_RETURN_IF_ERROR(log_->pause(change.pause));
  return change.resume.empty() ? Status() : log_->resume(change.resume);
}

}  // namespace lacuna::daemon
