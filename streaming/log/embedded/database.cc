#include "streaming/log/embedded/database.h"

#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <memory>
#include <mutex>
#include <shared_mutex>

#include "state/records/bytes.h"
#include "streaming/log/embedded/rocksdb_settings.h"

namespace lacuna::streaming::embedded {
namespace {

/// How often a reader of another process's log looks for news.
constexpr Millis kRefreshInterval{50};
constexpr std::int64_t kOffsetMax = std::numeric_limits<std::int64_t>::max();

rocksdb::Slice slice(std::string_view text) { return {text.data(), text.size()}; }
std::string_view view(const rocksdb::Slice& s) { return {s.data(), s.size()}; }

struct Topic {
  std::uint32_t id = 0;
  std::vector<std::int64_t> ends;  ///< by partition; the writing process only
};

struct Member {
  std::uint64_t number = 0;
  std::string transactional_id;
};

}  // namespace

struct Database::Impl {
  // Constant after open().
  EmbeddedOptions options;
  std::string scratch;  ///< of a read-only instance: RocksDB's own log, removed at the end
  std::shared_ptr<FullDiskListener> listener = std::make_shared<FullDiskListener>();

  mutable std::shared_mutex db_mutex;  ///< whoever uses `db` without `mutex` holds it shared; it changes under both
  std::unique_ptr<rocksdb::DB> db;     ///< null: closed, since the disk is too full to open it again

  mutable std::mutex mutex;  ///< taken before db_mutex
  mutable std::condition_variable changed;
  // Guarded by mutex.
  std::map<std::string, Topic> topics;
  std::map<std::string, Member> members;
  std::uint64_t next_topic_id = 1;
  std::uint64_t next_member = 1;
  std::uint64_t changes = 0;
  bool write_failed = false;
  std::string key, value;  ///< reused by write()

  std::int64_t stored_end(PartitionId id) const {
    const std::unique_ptr<rocksdb::Iterator> it(db->NewIterator({}));
    std::string last;
    encode_record_key(id, kOffsetMax, last);
    it->SeekForPrev(last);
    if (!it->Valid() || !it->key().starts_with(slice(std::string_view(last).substr(0, kRecordKeyBytes - 8)))) return 0;
    return offset_of(view(it->key())) + 1;
  }

  Status load_topics() {
    const std::unique_ptr<rocksdb::Iterator> it(db->NewIterator({}));
    const std::string prefix(1, kTopicPrefix);
    for (it->Seek(prefix); it->Valid() && it->key().starts_with(prefix); it->Next()) {
      std::uint32_t id = 0;
      std::int32_t partitions = 0;
      if (!decode_topic(view(it->value()), id, partitions)) return {Code::corrupt, "embedded log: a topic's description"};
      Topic& topic = topics[std::string(view(it->key()).substr(1))];
      topic.id = id;
      topic.ends.resize(static_cast<std::size_t>(partitions));
      next_topic_id = std::max<std::uint64_t>(next_topic_id, id + std::uint64_t{1});
    }
    return it->status().ok() ? Status() : failed("reading topics", it->status());
  }

  /// Topics with their ends, as they are stored.
  Status load() {
    LACUNA_RETURN_IF_ERROR(check_format());
    LACUNA_RETURN_IF_ERROR(load_topics());
    for (auto& [name, topic] : topics) {
      for (std::size_t p = 0; p < topic.ends.size(); ++p) topic.ends[p] = stored_end({topic.id, static_cast<std::uint32_t>(p)});
    }
    return {};
  }

  /// After a full disk: what came of the write that failed, only opening the database again can tell. `unavailable` while there is no room
  /// to do so. Nobody is a member any more, since positions may not be what a member takes them for.
  Status reopen() {
    constexpr std::uintmax_t kMargin = std::uintmax_t{4} << 20;
    const Status full{Code::unavailable, "the disk under the embedded log at " + options.path + " is full"};
    std::error_code error;
    std::uintmax_t logs = 0;  // are written out as tables
    for (const auto& entry : std::filesystem::directory_iterator(options.path, error)) {
      if (entry.path().extension() == ".log") logs += entry.file_size(error);
    }
    const std::filesystem::space_info space = std::filesystem::space(options.path, error);
    if (error || space.available < logs + kMargin) return full;
    const std::unique_lock lock(db_mutex);
    db.reset();
    listener->full = false;
    rocksdb::DB* opened = nullptr;
    const rocksdb::Status status = rocksdb::DB::Open(rocksdb_options(listener), options.path, &opened);
    db.reset(opened);
    if (is_full_disk(status)) return full;
    if (!status.ok()) return failed("opening " + options.path + " again", status);
    members.clear();
    topics.clear();
    LACUNA_RETURN_IF_ERROR(load());
    write_failed = false;
    ++changes;
    return {};
  }

  /// A write that failed, or might have.
  Status lost(std::string_view what, const rocksdb::Status& status) {
    write_failed = true;
    if (is_full_disk(status)) listener->full = true;
    return failed(what, status);
  }

  Status check_format() {
    std::string bytes;
    const rocksdb::Status got = db->Get({}, format_key(), &bytes);
    if (got.IsNotFound()) {
      if (options.read_only) return {};  // opened before the writing process got so far
      ByteWriter writer;
      writer.put(kFormatVersion);
      const rocksdb::Status put = db->Put({}, format_key(), writer.take());
      return put.ok() ? Status() : failed("writing the format", put);
    }
    if (!got.ok()) return failed("reading the format", got);
    ByteReader reader(bytes);
    const auto version = reader.get<std::uint32_t>();
    if (!reader.ok()) return {Code::corrupt, "embedded log: its format is unreadable"};
    if (version != kFormatVersion) {
      return {Code::unsupported,
              "embedded log: format " + std::to_string(version) + ", this build reads " + std::to_string(kFormatVersion)};
    }
    return {};
  }

  Status add_topic(const std::string& name, std::int32_t partitions) {
    Topic topic;
    topic.id = static_cast<std::uint32_t>(next_topic_id++);
    topic.ends.resize(static_cast<std::size_t>(partitions));
    const rocksdb::Status put = db->Put({}, topic_key(name), encode_topic(topic.id, partitions));
    if (!put.ok()) return lost("adding a topic", put);
    topics.emplace(name, std::move(topic));
    ++changes;
    return {};
  }

  Status closed() const { return {Code::unavailable, "the embedded log at " + options.path + " is closed: its disk was full"}; }

  Status check_writable() const {
    if (options.read_only) return {Code::invalid, "the embedded log at " + options.path + " is open for reading only"};
    if (listener->full) return {Code::internal, "the disk under the embedded log at " + options.path + " is full"};
    if (write_failed) return {Code::internal, "an earlier write to the embedded log at " + options.path + " failed"};
    return {};
  }

  Status flush_wal() {
    const rocksdb::Status flushed = db->FlushWAL(options.sync);
    return flushed.ok() ? Status() : lost("flushing", flushed);
  }

  /// Puts the outputs into `batch` and their new ends into `ends`; touches nothing else but missing topics.
  Status stage(std::span<const OutputRecord> outputs, rocksdb::WriteBatch& batch,
               std::map<std::pair<Topic*, std::int32_t>, std::int64_t>& ends) {
    const Time now = std::chrono::floor<Millis>(std::chrono::system_clock::now());
    for (const OutputRecord& output : outputs) {
      if (record_bytes(output) > kRecordBytesMax) {
        return {Code::invalid, "a record for topic " + output.topic + " is larger than the embedded log takes"};
      }
      auto found = topics.find(output.topic);
      if (found == topics.end()) {
        LACUNA_RETURN_IF_ERROR(add_topic(output.topic, options.default_partitions));
        found = topics.find(output.topic);
      }
      Topic& topic = found->second;
      const auto count = static_cast<std::int32_t>(topic.ends.size());
      const std::int32_t partition = partition_for(output, count);
      if (partition < 0 || partition >= count) {
        return {Code::invalid, "topic " + output.topic + " has no partition " + std::to_string(partition)};
      }
      const auto place = ends.try_emplace({&topic, partition}, topic.ends[static_cast<std::size_t>(partition)]).first;
      encode_record_key({topic.id, static_cast<std::uint32_t>(partition)}, place->second++, key);
      encode_record(output, now, value);
      batch.Put(key, value);
    }
    return {};
  }
};

Database::Database(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Database::~Database() {
  if (!impl_->db) return;
  if (!impl_->options.read_only && !impl_->write_failed) (void)impl_->db->FlushWAL(impl_->options.sync);
  impl_->db.reset();
  if (!impl_->scratch.empty()) {
    std::error_code ignored;
    std::filesystem::remove_all(impl_->scratch, ignored);
  }
}

Result<std::shared_ptr<Database>> Database::open(const EmbeddedOptions& options) {
  if (options.path.empty()) return Status(Code::invalid, "the embedded log needs a folder");
  if (options.default_partitions < 1) return Status(Code::invalid, "the embedded log needs one partition or more");
  auto impl = std::make_unique<Impl>();
  impl->options = options;
  rocksdb::Options settings = rocksdb_options(impl->listener);
  rocksdb::DB* db = nullptr;
  rocksdb::Status opened;
  if (options.read_only) {
    if (!std::filesystem::exists(options.path)) return Status(Code::not_found, "there is no embedded log at " + options.path);
    std::error_code error;
    std::string folder = (std::filesystem::temp_directory_path(error) / "lacuna-read-XXXXXX").string();
    if (error || !mkdtemp(folder.data())) return Status(Code::internal, "no temporary folder to read the embedded log with");
    impl->scratch = folder;
    settings.max_open_files = -1;  // keeps files readable that the writing process has since compacted away
    opened = rocksdb::DB::OpenAsSecondary(settings, options.path, folder, &db);
  } else {
    std::error_code error;
    std::filesystem::create_directories(options.path, error);
    if (error) return Status(Code::invalid, "cannot make the folder " + options.path + ": " + error.message());
    opened = rocksdb::DB::Open(settings, options.path, &db);
  }
  impl->db.reset(db);
  auto database = std::shared_ptr<Database>(new Database(std::move(impl)));
  if (!opened.ok()) {
    if (opened.IsIOError() && opened.ToString().find("lock") != std::string::npos) {
      return Status(Code::unavailable, "the embedded log at " + options.path + " is in use by another process");
    }
    return failed("opening " + options.path, opened);
  }
  if (Status status = database->impl_->load(); !status.ok()) return status;
  return database;
}

bool Database::read_only() const { return impl_->options.read_only; }

Status Database::refresh() {
  if (!read_only()) return {};
  const std::lock_guard lock(impl_->mutex);
  const rocksdb::Status caught_up = impl_->db->TryCatchUpWithPrimary();
  if (!caught_up.ok()) return failed("catching up", caught_up);
  LACUNA_RETURN_IF_ERROR(impl_->check_format());
  return impl_->load_topics();
}

Status Database::ensure_topic(const std::string& topic, std::int32_t partitions) {
  if (topic.empty() || partitions < 1) return {Code::invalid, "a topic needs a name and one partition or more"};
  {
    const std::lock_guard lock(impl_->mutex);
    LACUNA_RETURN_IF_ERROR(impl_->check_writable());
    if (impl_->topics.contains(topic)) return {};
    LACUNA_RETURN_IF_ERROR(impl_->add_topic(topic, partitions));
    LACUNA_RETURN_IF_ERROR(impl_->flush_wal());
  }
  impl_->changed.notify_all();
  return {};
}

Result<std::int32_t> Database::partition_count(const std::string& topic) const {
  const std::lock_guard lock(impl_->mutex);
  const auto found = impl_->topics.find(topic);
  if (found == impl_->topics.end()) return Status(Code::not_found, "there is no topic " + topic);
  return static_cast<std::int32_t>(found->second.ends.size());
}

std::vector<std::string> Database::topics() const {
  const std::lock_guard lock(impl_->mutex);
  std::vector<std::string> names;
  for (const auto& [name, topic] : impl_->topics) names.push_back(name);
  return names;
}

Result<PartitionId> Database::find(const TopicPartition& partition) const {
  const std::lock_guard lock(impl_->mutex);
  const auto found = impl_->topics.find(partition.topic);
  if (found == impl_->topics.end() || partition.partition < 0 ||
      static_cast<std::size_t>(partition.partition) >= found->second.ends.size()) {
    return Status(Code::not_found, "there is no partition " + std::to_string(partition.partition) + " of topic " + partition.topic);
  }
  return PartitionId{found->second.id, static_cast<std::uint32_t>(partition.partition)};
}

Status Database::write(std::span<const OutputRecord> outputs, GroupCommit* commit, bool durable) {
  {
    const std::lock_guard lock(impl_->mutex);
    LACUNA_RETURN_IF_ERROR(impl_->check_writable());
    rocksdb::WriteBatch batch;
    std::map<std::pair<Topic*, std::int32_t>, std::int64_t> ends;
    LACUNA_RETURN_IF_ERROR(impl_->stage(outputs, batch, ends));
    if (commit) {
      const auto member = impl_->members.find(commit->group);
      if (member == impl_->members.end() || member->second.number != commit->member) {
        return {Code::fenced, "another member of group " + commit->group + " took over"};
      }
      const auto changelog = impl_->topics.find(commit->changelog_topic);
      for (auto& [partition, next] : commit->next) {
        if (changelog != impl_->topics.end()) {
          const auto written = ends.find({&changelog->second, partition.partition});
          if (written != ends.end()) next.changelog_next = written->second;
        }
        batch.Put(offset_key(commit->group, partition), encode_committed(next));
      }
    }
    const rocksdb::Status written = impl_->db->Write({}, &batch);
    if (!written.ok()) return impl_->lost("writing", written);
    if (durable) LACUNA_RETURN_IF_ERROR(impl_->flush_wal());
    // Only now can a reader see them.
    for (const auto& [place, next] : ends) place.first->ends[static_cast<std::size_t>(place.second)] = next;
    if (!outputs.empty()) ++impl_->changes;
  }
  impl_->changed.notify_all();
  return {};
}

Status Database::flush() {
  const std::lock_guard lock(impl_->mutex);
  LACUNA_RETURN_IF_ERROR(impl_->check_writable());
  return impl_->flush_wal();
}

std::int64_t Database::end(PartitionId id) const {
  const std::lock_guard lock(impl_->mutex);
  if (read_only()) return impl_->stored_end(id);
  for (const auto& [name, topic] : impl_->topics) {
    if (topic.id == id.topic && id.partition < topic.ends.size()) return topic.ends[id.partition];
  }
  return 0;
}

Status Database::read(const TopicPartition& partition, PartitionId id, std::int64_t from, std::int64_t until, std::size_t max_records,
                      std::vector<Record>& out) const {
  if (from >= until || max_records == 0) return {};
  std::string first, bound;
  encode_record_key(id, std::max<std::int64_t>(from, 0), first);
  encode_record_key(id, until, bound);
  rocksdb::ReadOptions options;
  const rocksdb::Slice upper(bound);
  options.iterate_upper_bound = &upper;
  const std::shared_lock lock(impl_->db_mutex);
  if (!impl_->db) return impl_->closed();
  const std::unique_ptr<rocksdb::Iterator> it(impl_->db->NewIterator(options));
  for (it->Seek(first); it->Valid() && max_records > 0; it->Next(), --max_records) {
    Record& record = out.emplace_back();
    record.position = {partition.topic, partition.partition, offset_of(view(it->key()))};
    if (!decode_record(view(it->value()), record)) {
      const std::int64_t offset = record.position.offset;
      out.pop_back();
      return {Code::corrupt,
              "embedded log: record at " + partition.topic + "/" + std::to_string(partition.partition) + "@" + std::to_string(offset)};
    }
  }
  return it->status().ok() ? Status() : failed("reading", it->status());
}

Result<Committed> Database::committed(const std::string& group, const TopicPartition& partition) const {
  std::string bytes;
  const std::shared_lock lock(impl_->db_mutex);
  if (!impl_->db) return impl_->closed();
  const rocksdb::Status got = impl_->db->Get({}, offset_key(group, partition), &bytes);
  Committed committed;
  if (got.IsNotFound()) return committed;
  if (!got.ok()) return failed("reading offsets", got);
  if (!decode_committed(bytes, committed)) return Status(Code::corrupt, "embedded log: an offset of group " + group);
  return committed;
}

Result<std::uint64_t> Database::join(const std::string& group, const std::string& transactional_id) {
  const std::lock_guard lock(impl_->mutex);
  if (impl_->listener->full) {
    if (Status status = impl_->reopen(); !status.ok()) return status;
  }
  if (Status status = impl_->check_writable(); !status.ok()) return status;
  const auto found = impl_->members.find(group);
  if (found != impl_->members.end() && found->second.transactional_id != transactional_id) {
    return Status(Code::unavailable, "group " + group + " has a member already: the embedded log takes one a group");
  }
  const std::uint64_t number = impl_->next_member++;
  impl_->members[group] = {number, transactional_id};
  return number;
}

void Database::leave(const std::string& group, std::uint64_t member) {
  const std::lock_guard lock(impl_->mutex);
  const auto found = impl_->members.find(group);
  if (found != impl_->members.end() && found->second.number == member) impl_->members.erase(found);
}

bool Database::is_member(const std::string& group, std::uint64_t member) const {
  const std::lock_guard lock(impl_->mutex);
  const auto found = impl_->members.find(group);
  return found != impl_->members.end() && found->second.number == member;
}

std::uint64_t Database::changes() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->changes;
}

void Database::wait_for_change(std::uint64_t seen, std::chrono::steady_clock::time_point deadline) const {
  if (read_only()) deadline = std::min(deadline, std::chrono::steady_clock::now() + kRefreshInterval);
  std::unique_lock lock(impl_->mutex);
  impl_->changed.wait_until(lock, deadline, [&] { return impl_->changes != seen; });
}

}  // namespace lacuna::streaming::embedded
