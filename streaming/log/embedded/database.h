#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "streaming/log/embedded/format.h"
#include "streaming/log/event_log.h"

namespace lacuna::streaming::embedded {

/// A record with its encoding larger than this is `invalid`.
inline constexpr std::size_t kRecordBytesMax = std::size_t{16} << 20;
/// Shared by all topics: what RocksDB may keep in memory (block cache, with the write buffers charged to it).
inline constexpr std::size_t kCacheBytes = std::size_t{64} << 20;
inline constexpr std::size_t kWriteBufferBytes = std::size_t{16} << 20;
inline constexpr int kWriteBuffersMax = 3;

/// Offsets to move together with an append: per input partition what will be committed. On success `changelog_next` holds
/// what was written for each of them.
struct GroupCommit {
  std::string group;
  std::uint64_t member = 0;  ///< from join()
  std::string changelog_topic;
  std::map<TopicPartition, Committed> next;
};

/// The topics of one folder, in RocksDB, shared by everything that one factory makes. Any thread.
/// A failed write leaves an outcome that only reopening can tell: from then on every write is refused as `internal`. Where the disk was
/// full, the next join() reopens it once there is room; until then it is `unavailable`, and reading may be.
class Database {
 public:
  static Result<std::shared_ptr<Database>> open(const EmbeddedOptions& options);
  ~Database();

  Status ensure_topic(const std::string& topic, std::int32_t partitions);
  Result<std::int32_t> partition_count(const std::string& topic) const;
  std::vector<std::string> topics() const;
  Result<PartitionId> find(const TopicPartition& partition) const;

  /// Appends all of it, and moves the offsets, or does nothing. With `durable` it returns after the write-ahead log was
  /// handed to the operating system (or the disk, with EmbeddedOptions::sync).
  Status write(std::span<const OutputRecord> outputs, GroupCommit* commit, bool durable);
  /// Makes all earlier writes durable.
  Status flush();

  /// The offset after the last record.
  std::int64_t end(PartitionId id) const;
  /// Appends to `out` the records from `from` up to `until` (exclusive), at most `max_records`.
  Status read(const TopicPartition& partition, PartitionId id, std::int64_t from, std::int64_t until, std::size_t max_records,
              std::vector<Record>& out) const;
  Result<Committed> committed(const std::string& group, const TopicPartition& partition) const;

  /// Makes the caller the group's one member. A live member with the same transactional id is fenced by it; one with
  /// another id keeps the group, and the caller gets `unavailable`. So does every caller while the disk is full.
  Result<std::uint64_t> join(const std::string& group, const std::string& transactional_id);
  void leave(const std::string& group, std::uint64_t member);
  bool is_member(const std::string& group, std::uint64_t member) const;

  /// Grows with every append and every new topic.
  std::uint64_t changes() const;
  /// Returns when changes() differs from `seen`, or at `deadline`.
  void wait_for_change(std::uint64_t seen, std::chrono::steady_clock::time_point deadline) const;

  bool read_only() const;
  /// Read-only: takes in what the writing process wrote since. Otherwise nothing.
  Status refresh();

 private:
  struct Impl;
  explicit Database(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace lacuna::streaming::embedded
