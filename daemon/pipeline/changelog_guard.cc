#include "daemon/pipeline/changelog_guard.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

namespace lacuna::daemon {

namespace {

constexpr std::size_t kRecordsPerRead = 1000;
constexpr Millis kReadWait{100};
/// Bounds one transaction. What is left is written next.
constexpr std::size_t kSubjectsMax = 100;

/// All that is visible from `from` on. False where it cannot be had now.
Result<bool> read_all(streaming::TopicReader& reader, const streaming::TopicPartition& partition, std::int64_t from, std::int64_t& visible,
                      ChangelogReview& review) {
  const auto bounds = reader.bounds(partition);
  if (!bounds.ok()) return false;
  visible = bounds->second;
  while (from < visible) {
    const auto records = reader.read(partition, from, kRecordsPerRead, kReadWait);
    if (!records.ok() || records->empty()) return false;
    for (const streaming::Record& record : *records) LACUNA_RETURN_IF_ERROR(review.take(record));
    from = records->back().position.offset + 1;
  }
  visible = from;
  return true;
}

}  // namespace

std::map<std::int32_t, std::uint64_t> changelog_records(const streaming::Transaction& transaction) {
  std::map<std::int32_t, std::uint64_t> out;
  for (const streaming::OutputRecord& record : transaction.outputs) {
    if (record.partition && record.topic == transaction.changelog_topic) out[*record.partition] += 1;
  }
  return out;
}

/// What others write there before they give a partition up ends where its restore does.
void ChangelogGuard::restored(const streaming::TopicPartition& partition, std::int64_t changelog_next) {
  const bool alone = std::none_of(held_.begin(), held_.end(), [&](const auto& p) { return p.partition == partition.partition; });
  held_.insert(partition);
  Watch& watch = watches_[partition.partition];
  watch.from = std::max(watch.from, changelog_next);
  watch.written = std::max(watch.written, changelog_next);
  watch.counted = alone;
  watch.open = true;
  watch.reviewed_end = -1;
  again_ = true;
}

void ChangelogGuard::given_up(const streaming::TopicPartition& partition) {
  held_.erase(partition);
  watches_.erase(partition.partition);
}

void ChangelogGuard::clear() {
  held_.clear();
  watches_.clear();
  topics_.clear();
}

void ChangelogGuard::committed(const Positions& positions, const std::map<std::int32_t, std::uint64_t>& records,
                               std::int64_t marker_offsets) {
  for (const auto& [number, count] : records) {
    const auto found = watches_.find(number);
    if (found == watches_.end()) continue;
    Watch& watch = found->second;
    std::int64_t next = 0;
    for (const auto& [partition, position] : positions) {
      if (partition.second == number) next = std::max(next, position.changelog_next);
    }
    if (!watch.open && next - static_cast<std::int64_t>(count) == watch.end) {
      watch.from = next;
      watch.ours = 0;
    } else {
      watch.open = true;
      watch.ours += count;
    }
    watch.written = next;
    watch.end = next + marker_offsets;
  }
}

bool ChangelogGuard::suspicious() const {
  return std::any_of(watches_.begin(), watches_.end(), [](const auto& one) {
    const Watch& watch = one.second;
    return watch.open && !watch.shared && watch.end != watch.reviewed_end;
  });
}

bool ChangelogGuard::due(Time now, bool busy) const {
  if (watches_.empty()) return false;
  return again_ || now < checked_ || now - checked_ >= (busy && !suspicious() ? kPeriodBusy : kPeriod);
}

Status ChangelogGuard::check(streaming::EventLog& log, streaming::TopicReader& reader, CommitStage& commit, const PartitionCounts& inputs) {
  checked_ = context_.clock();
  again_ = false;
  for (auto& [number, watch] : watches_) {
    if (watch.shared) continue;
    std::vector<streaming::TopicPartition> ours = all_of(number, reader, inputs);
    if (ours.empty()) continue;
    const Status looked = look_at(watch, std::move(ours), log, reader, commit);
    if (!looked.ok() && looked.code() != Code::unavailable) return looked;
  }
  return {};
}

std::vector<streaming::TopicPartition> ChangelogGuard::all_of(std::int32_t number, streaming::TopicReader& reader,
                                                              const PartitionCounts& inputs) {
  PartitionCounts counts = inputs;
  for (const std::string& topic : context_.config.topics.events) {
    if (topic.starts_with('^') || counts.contains(topic)) continue;
    if (!topics_.contains(topic)) {
      const auto count = reader.partition_count(topic);
      if (!count.ok() && count.code() != Code::not_found) return {};
      if (count.ok()) topics_[topic] = *count;
    }
    if (const auto known = topics_.find(topic); known != topics_.end()) counts.insert(*known);
  }
  std::vector<streaming::TopicPartition> out;
  for (const auto& [topic, count] : counts) {
    if (count <= number) continue;
    if (!held_.contains({topic, number})) return {};
    out.push_back({topic, number});
  }
  return out;
}

Status ChangelogGuard::look_at(Watch& watch, std::vector<streaming::TopicPartition> ours, streaming::EventLog& log,
                               streaming::TopicReader& reader, CommitStage& commit) {
  const streaming::TopicPartition changelog{context_.config.topics.state, ours.front().partition};
  const auto end = reader.end(changelog);
  // Our newest marker may be on its way still.
  if (!end.ok() || *end == watch.reviewed_end || (!watch.open && *end <= watch.end)) return {};
  ChangelogReview review(context_.config, *context_.store, std::move(ours));
  std::int64_t visible = 0;
  const Result<bool> read = read_all(reader, changelog, watch.from, visible, review);
  findings_.reviewed_records += review.taken();
  if (!read.ok() || !*read) return read.status();
  watch.reviewed_end = *end;
  watch.shared = review.of_others();
  // Somebody's transaction is open, and hides what comes after it.
  if (watch.shared || visible < watch.written) return {};
  if (foreign(watch, review) > 0) return mend(watch, review, log, commit);
  // What is not visible may have been aborted, or may come yet: the next records of ours tell.
  const bool open = *end > visible + log.marker_offsets();
  watch = {std::max(watch.from, visible), watch.written, *end, *end, 0, 0, true, open, false};
  return {};
}

/// At least so many.
std::uint64_t ChangelogGuard::foreign(const Watch& watch, const ChangelogReview& review) {
  const std::uint64_t others = watch.counted ? review.taken() - std::min(review.taken(), watch.ours) : 0;
  return std::max<std::uint64_t>(others, review.wrong());
}

/// Also where nothing is wrong: the committed position has to lie behind such a record, since compaction keeps it in place of ours. Only
/// who still holds the partitions can do it: another member's records are not wrong because this one does not know them.
Status ChangelogGuard::mend(Watch& watch, const ChangelogReview& review, streaming::EventLog& log, CommitStage& commit) {
  auto rewriting = review.rewriting(kSubjectsMax, context_.clock());
  if (!rewriting.ok()) return rewriting.status();
  const std::uint64_t count = rewriting->transaction.outputs.size(), positions = rewriting->change.positions.size();
  watch.reviewed_end = -1;
  const auto committed = commit.commit_alone(log, std::move(rewriting->transaction), std::move(rewriting->change));
  if (!committed.ok()) return committed.status();
  notice(watch, review);
  findings_.rewritten_records += count - positions;
  const std::int64_t next = committed->begin()->second, end = next + log.marker_offsets();
  if (rewriting->all) {
    watch = {next, next, end, -1, 0, 0, true, false, false};
    return {};
  }
  watch.ours += count;
  watch.written = next;
  watch.end = end;
  again_ = true;
  return {};
}

void ChangelogGuard::notice(Watch& watch, const ChangelogReview& review) {
  const std::uint64_t seen = foreign(watch, review);
  if (seen <= watch.noticed) return;
  findings_.foreign_records += seen - watch.noticed;
  watch.noticed = seen;
  wrong_.notice(context_.clock());
  if (std::exchange(warned_, true)) return;
  spdlog::warn(
      "topic {}: {} records that this daemon did not write. Only the daemon writes there: what they changed is written anew from the "
      "store. "
      "Find who writes there, and take the permission away. Counted in lacuna_changelog_foreign_records_total; not said again",
      context_.config.topics.state, seen);
}

}  // namespace lacuna::daemon
