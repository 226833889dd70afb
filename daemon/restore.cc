#include "daemon/restore.h"

#include <utility>

namespace lacuna::daemon {

namespace {
constexpr std::size_t kRecordsPerRead = 2000;
constexpr Millis kReadWait{500};
/// Reads without a record before the end is believed to be transaction markers or compacted records only.
constexpr int kEmptyReadsMax = 20;
}  // namespace

Status restore_partition(const Config& config, const streaming::TopicPartition& partition,
                         const streaming::Committed& committed, streaming::TopicReader& reader, state::Store& store,
                         const std::function<void(std::int64_t, std::int64_t)>& progress) {
  const auto positions = store.positions();
  if (!positions.ok()) return positions.status();
  state::StoredPosition stored;
  if (const auto found = positions->find({partition.topic, partition.partition}); found != positions->end()) {
    stored = found->second;
  }
  const std::string name = partition.topic + "/" + std::to_string(partition.partition);
  if (stored.input_next > committed.next_offset) {
    return {Code::corrupt, "the local store has applied " + name + " up to " + std::to_string(stored.input_next) +
                               " but the log has committed " + std::to_string(committed.next_offset) +
                               " for group " + config.log.group +
                               ": the topic was made anew or the group was changed; start with an empty data_dir"};
  }
  if (stored.input_next == committed.next_offset) return {};
  const std::int64_t end = committed.changelog_next.value_or(0);
  const streaming::TopicPartition changelog{config.topics.state, partition.partition};
  std::int64_t next = stored.changelog_next;
  const std::int64_t begin = next;
  for (int empty = 0; next < end;) {
    auto records = reader.read(changelog, next, kRecordsPerRead, kReadWait);
    if (!records.ok()) return records.status();
    state::StateChange change;
    for (const streaming::Record& record : *records) {
      if (record.position.offset >= end) break;
      next = record.position.offset + 1;
      if (!record.value) continue;
      Result<Snapshot> snapshot = state::decode_snapshot(*config.schema, *record.value);
      if (!snapshot.ok()) {
        return {snapshot.code(), "changelog " + changelog.topic + "/" + std::to_string(changelog.partition) + " at " +
                                     std::to_string(record.position.offset) + ": " + snapshot.status().message()};
      }
      change.snapshots.push_back(std::move(*snapshot));
    }
    const bool at_end = !records->empty() && records->back().position.offset + 1 >= end;
    if (records->empty()) {
      // What is left before `end` holds no visible record: markers and compacted ones.
      if (++empty < kEmptyReadsMax) continue;
      next = end;
    } else {
      empty = 0;
      if (at_end) next = end;
    }
    change.positions[{partition.topic, partition.partition}] = {next == end ? committed.next_offset : stored.input_next,
                                                                next};
    LACUNA_RETURN_IF_ERROR(store.apply(change));
    progress(next - begin, end - begin);
  }
  if (begin >= end) {
    // Input was consumed without changing any patient (all refused): only the position moves.
    state::StateChange change;
    change.positions[{partition.topic, partition.partition}] = {committed.next_offset, begin};
    return store.apply(change);
  }
  return {};
}

}  // namespace lacuna::daemon
