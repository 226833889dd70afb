#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "state/records/records.h"
#include "state/records/status.h"

// An event log: partitioned, ordered, durable topics with one atomic operation, commit(): append these outputs and move
// these input positions, together or not at all. Implementations: streaming/kafka, streaming/embedded. Both pass
// tests/support/event_log_contract.h.

namespace lacuna::streaming {

struct TopicPartition {
  std::string topic;
  std::int32_t partition = 0;
  friend auto operator<=>(const TopicPartition&, const TopicPartition&) = default;
};

using Headers = std::vector<std::pair<std::string, std::string>>;

/// A record as read. `value` is empty (nullopt) for a tombstone.
struct Record {
  SourcePosition position;
  Time timestamp{};  ///< when it was appended (broker or producer time)
  std::string key;
  std::optional<std::string> value;
  Headers headers;
};

/// A record to append. Without `partition` a hash decides (partition_for).
struct OutputRecord {
  std::string topic;
  std::optional<std::int32_t> partition;
  std::string key;
  std::optional<std::string> value;  ///< nullopt: tombstone
  Headers headers;
  std::string partition_key{};      ///< whose hash it is; empty: the key's
  std::optional<Time> timestamp{};  ///< absent: when it is appended
};

/// One atomic step. `next_offsets`: for each input partition, the offset of the next record to read; of those in `unmoved` it stays what
/// is committed. When `changelog_topic` is not empty, the committed metadata of each input partition P in either becomes "chg=N", N being
/// the offset after the last record that this or an earlier transaction of this client wrote to partition P of that topic (0: none yet).
struct Transaction {
  std::vector<OutputRecord> outputs;
  std::map<TopicPartition, std::int64_t> next_offsets;
  std::string changelog_topic;
  std::set<TopicPartition> unmoved{};  ///< none that is in next_offsets
};

/// What is durably known of an input partition for this consumer group.
struct Committed {
  std::int64_t next_offset = 0;                ///< 0 when nothing was committed
  std::optional<std::int64_t> changelog_next;  ///< from "chg=N"
  friend bool operator==(const Committed&, const Committed&) = default;
};

/// Told of changes of assignment from inside poll() or close(), on the caller's thread. `revoked` comes before the
/// partitions are given up; with lost == true they already belong to somebody else and nothing may be committed for them.
struct AssignmentListener {
  std::function<void(const std::vector<TopicPartition>&)> assigned;
  std::function<void(const std::vector<TopicPartition>&, bool lost)> revoked;
};

/// A member of a consumer group that is also a transactional producer. One thread at a time; poll() at least every few
/// seconds, also while paused, or the group takes the partitions away. Destroying it leaves the group.
class EventLog {
 public:
  virtual ~EventLog() = default;

  /// Joins the group for these topics. A name that starts with '^' is a regular expression. Once only.
  virtual Status subscribe(const std::vector<std::string>& topics, AssignmentListener listener) = 0;

  /// Up to `max_records`, waiting at most `max_wait` for the first and not at all for more once some are there. Empty:
  /// nothing new. Records of a partition come in offset order, each once, from the committed position on. Only committed
  /// records are seen. `unavailable`: the log is out of reach, call again after a pause.
  virtual Result<std::vector<Record>> poll(std::size_t max_records, Millis max_wait) = 0;

  /// Back-pressure: paused partitions give no records until resumed, others go on. Records already buffered are kept.
  virtual Status pause(const std::vector<TopicPartition>& partitions) = 0;
  virtual Status resume(const std::vector<TopicPartition>& partitions) = 0;

  /// Begins the atomic step. It may go on while this thread polls, pauses and resumes, so that the next batch is worked on
  /// meanwhile; one step at a time: finish_commit() comes before the next start_commit(). What went wrong, finish_commit()
  /// says. A listener's `revoked` may, and before it returns should, finish a step that moves the partitions given up; if the
  /// step failed, throw away what that poll() then returns, and only that: the next one, of paused partitions too, has rewound.
  virtual void start_commit(Transaction transaction) = 0;

  /// Waits for the step that was started. Ok: all of it is durable. `aborted`: none of it is, and the next poll() puts the read
  /// positions back to what is committed, or is `unavailable`: the batch comes again, and all that was polled since. `fenced`: none
  /// of it, and this client is dead: destroy it. An outcome that is unknown at first is resolved inside (new producer of the same id,
  /// comparison of committed offsets). `invalid`: an output can never be written (too large, no such partition): none of it is,
  /// and the read positions are put back as with `aborted`. `internal`: the outcome could not be told in time: destroy this
  /// client, a new one of the same id finds out (committed()). On success returns the changelog positions ("chg") now
  /// committed, by input partition; empty without changelog.
  virtual Result<std::map<TopicPartition, std::int64_t>> finish_commit() = 0;

  /// Both.
  Result<std::map<TopicPartition, std::int64_t>> commit(Transaction transaction) {
    start_commit(std::move(transaction));
    return finish_commit();
  }

  /// What the group has committed for a partition, once no transaction that moves it is under way (one whose owner died ends with
  /// its timeout). `unavailable` when that is not so within `limit`.
  virtual Result<Committed> committed(const TopicPartition& partition, Millis limit) = 0;
  /// Offsets that a transaction takes in each partition it wrote to, behind its records. Other transactions, aborted ones too, take more.
  virtual std::int64_t marker_offsets() const { return 0; }
  virtual std::vector<TopicPartition> assignment() const = 0;
  /// Records of an assigned partition not yet polled; from cached high watermarks, no round trip. At least 1 while it is not
  /// known; 0 for one that is not assigned.
  virtual std::int64_t lag(const TopicPartition& partition) const = 0;
  /// Over the assigned partitions.
  std::int64_t lag() const {
    std::int64_t sum = 0;
    for (const TopicPartition& partition : assignment()) sum += lag(partition);
    return sum;
  }
};

/// Reads a topic outside any group: changelog restore, `lacuna tail`, tests. Only committed records are seen.
class TopicReader {
 public:
  virtual ~TopicReader() = default;
  /// Number of partitions; not_found when there is no such topic.
  virtual Result<std::int32_t> partition_count(const std::string& topic) = 0;
  /// First retained offset, and the offset after the last visible record.
  virtual Result<std::pair<std::int64_t, std::int64_t>> bounds(const TopicPartition& partition) = 0;
  /// The offset after the last record or marker, whether visible or not; a marker may come a moment after its commit. Cheap.
  virtual Result<std::int64_t> end(const TopicPartition& partition) {
    const auto both = bounds(partition);
    return both.ok() ? Result<std::int64_t>(both->second) : Result<std::int64_t>(both.status());
  }
  /// Records of one partition from `from` on, in order, at most `max_records`; empty when there is none within `max_wait`.
  /// Offsets may have gaps (compaction, transaction markers): go on from the last record's offset + 1.
  virtual Result<std::vector<Record>> read(const TopicPartition& partition, std::int64_t from, std::size_t max_records,
                                           Millis max_wait) = 0;
};

/// Appends without a consumer group: `lacuna replay`, `lacuna simulate`, tests. Idempotent; order per key is kept.
class Appender {
 public:
  virtual ~Appender() = default;
  /// Takes the record; may block for back-pressure. Durable only after flush() returned ok.
  virtual Status append(OutputRecord record) = 0;
  virtual Status flush() = 0;
};

struct TopicSpec {
  std::string name;
  std::int32_t partitions = 1;
  std::map<std::string, std::string> properties;  ///< e.g. {"cleanup.policy", "compact"}; the embedded log heeds none
};

/// Opens the parts of one log. One per process; what it makes must not outlive it. Threads: any.
class LogFactory {
 public:
  virtual ~LogFactory() = default;
  /// Makes the topics that do not exist yet; leaves the others as they are.
  virtual Status ensure_topics(const std::vector<TopicSpec>& topics) = 0;
  virtual Result<std::unique_ptr<EventLog>> open(const std::string& group, const std::string& transactional_id) = 0;
  virtual Result<std::unique_ptr<TopicReader>> reader() = 0;
  virtual Result<std::unique_ptr<Appender>> appender() = 0;
};

/// Where the Java client's default partitioner puts a key: (murmur2(key) & 0x7fffffff) % partitions.
std::int32_t partition_for(std::string_view key, std::int32_t partitions);
/// Where a record goes in a topic of so many partitions.
std::int32_t partition_for(const OutputRecord& record, std::int32_t partitions);

struct KafkaOptions {
  std::string bootstrap_servers = "127.0.0.1:9092";
  std::map<std::string, std::string> properties;  ///< passed to librdkafka as they are (TLS, SASL, ...)
  Millis transaction_timeout{60'000};
  Millis request_timeout{30'000};  ///< for admin calls, flush and commit
};
/// Does not connect yet; a property that librdkafka does not know is `invalid`.
Result<std::unique_ptr<LogFactory>> make_kafka_log(KafkaOptions options);

struct EmbeddedOptions {
  std::string path;                     ///< folder; made when absent; one process at a time
  std::int32_t default_partitions = 4;  ///< of topics that are written before ensure_topics named them
  bool sync = false;                    ///< fsync each commit: survives power loss, not only a crash
  bool read_only = false;               ///< `tail` beside a running daemon: sees what was there when opened
};
Result<std::unique_ptr<LogFactory>> make_embedded_log(EmbeddedOptions options);

}  // namespace lacuna::streaming
