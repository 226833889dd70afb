#include "state/rocksdb_handles.h"

#include <rocksdb/cache.h>
#include <rocksdb/convenience.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/listener.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>
#include <rocksdb/write_buffer_manager.h>

#include <algorithm>
#include <atomic>
#include <cstdarg>

namespace lacuna::state {

namespace {

constexpr int kColumnFamilies = 5;
constexpr int kMemtablesMax = 2;  // per column family: one that fills, one that is being written out
constexpr std::uint64_t kWalBytesMin = 16u << 20;

rocksdb::CompressionType supported_or(rocksdb::CompressionType wanted, rocksdb::CompressionType otherwise) {
  const auto supported = rocksdb::GetSupportedCompressions();
  return std::find(supported.begin(), supported.end(), wanted) != supported.end() ? wanted : otherwise;
}
rocksdb::CompressionType compression() { return supported_or(rocksdb::kLZ4Compression, rocksdb::kNoCompression); }

}  // namespace

struct RocksDbListener final : rocksdb::EventListener {
  // The next write goes to a new log. The kernel may write that one out first, and after power loss RocksDB would apply it
  // across the gap that the lost end of the old one leaves; so the old one is synced before, which RocksDB notes too.
  void OnMemTableSealed(const rocksdb::MemTableInfo&) override {
    rocksdb::DB* const opened = db;
    if (opened != nullptr && !full) opened->SyncWAL().PermitUncheckedError();  // a failure comes to OnBackgroundError too
  }
  void OnBackgroundError(rocksdb::BackgroundErrorReason, rocksdb::Status* status) override {
    if (status->IsNoSpace()) full = true;
  }
  void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason, rocksdb::Status, bool* auto_recovery) override { *auto_recovery = false; }
  std::atomic<rocksdb::DB*> db = nullptr;
  std::atomic<bool> full = false;
};

namespace {

// RocksDB 7's own log file ends the process (an assertion, which Debian builds in) with the second line that a full disk does
// not take. What went wrong is in the statuses too.
struct NoInfoLog final : rocksdb::Logger {
  using rocksdb::Logger::Logv;
  void Logv(const char*, va_list) override {}
};

rocksdb::DBOptions database_options(const RocksDbHandles& handles, std::size_t buffer_bytes) {
  rocksdb::DBOptions options;
  options.create_if_missing = true;
  options.create_missing_column_families = true;
  options.paranoid_checks = true;
  // Otherwise a list of files that lost its end passes for one that was not yet written, its logs being gone.
  options.track_and_verify_wals_in_manifest = true;
  options.write_buffer_manager = handles.write_buffers;
  // Old logs are freed by writing memtables out, so that a restart replays little.
  options.max_total_wal_size = std::max<std::uint64_t>(kWalBytesMin, 2 * buffer_bytes);
  options.listeners = {handles.listener};
  options.max_background_jobs = 2;
  options.max_open_files = 512;
  options.info_log = std::make_shared<NoInfoLog>();
  options.stats_dump_period_sec = 0;
  return options;
}

rocksdb::ColumnFamilyOptions family_options(const RocksDbHandles& handles, std::size_t buffer_bytes) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = handles.cache;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  // Indices and filters count towards the one bound too.
  table.cache_index_and_filter_blocks = true;
  table.cache_index_and_filter_blocks_with_high_priority = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;

  rocksdb::ColumnFamilyOptions options;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  options.write_buffer_size = buffer_bytes / (kColumnFamilies * kMemtablesMax);
  options.max_write_buffer_number = kMemtablesMax;
  options.level_compaction_dynamic_level_bytes = true;
  options.compression = compression();
  return options;
}

// Hundreds of millions of rows of some twenty bytes, nearly all of which are asked for in vain: packed tightly, and the filter answers.
rocksdb::ColumnFamilyOptions delivery_options(const RocksDbHandles& handles, std::size_t buffer_bytes) {
  rocksdb::ColumnFamilyOptions options = family_options(handles, buffer_bytes);
  auto& table = *options.table_factory->GetOptions<rocksdb::BlockBasedTableOptions>();
  table.block_size = 16 << 10;
  table.block_restart_interval = 64;
  table.filter_policy.reset(rocksdb::NewRibbonFilterPolicy(8));
  // Of filters and indices as well, only what belongs to the patients at hand is in memory: whole ones are of millions of ids each.
  table.index_type = rocksdb::BlockBasedTableOptions::kTwoLevelIndexSearch;
  table.partition_filters = true;
  options.compression = supported_or(rocksdb::kZSTD, options.compression);
  // What is still in memory is asked for in vain too.
  options.memtable_whole_key_filtering = true;
  options.memtable_prefix_bloom_size_ratio = 0.02;
  return options;
}

/// The parts that the options refer to.
std::unique_ptr<RocksDbHandles> make_handles(std::size_t memory_bytes_max, std::size_t buffer_bytes) {
  auto handles = std::make_unique<RocksDbHandles>();
  handles->cache = rocksdb::NewLRUCache(memory_bytes_max);
  handles->write_buffers = std::make_shared<rocksdb::WriteBufferManager>(buffer_bytes, handles->cache);
  handles->listener = std::make_shared<RocksDbListener>();
  return handles;
}

std::vector<rocksdb::ColumnFamilyDescriptor> column_families(const rocksdb::ColumnFamilyOptions& family) {
  return {{rocksdb::kDefaultColumnFamilyName, family}, {"snapshots", family}, {"replay", family}, {"meta", family}};
}

void take(RocksDbHandles& handles, rocksdb::DB* db, const std::vector<rocksdb::ColumnFamilyHandle*>& families) {
  handles.db.reset(db);
  handles.defaults = families[0];
  handles.snapshots = families[1];
  handles.replay = families[2];
  handles.meta = families[3];
  if (families.size() <= 4) return;
  handles.persons = families[4];
  handles.deliveries = families[5];
}

}  // namespace

RocksDbHandles::~RocksDbHandles() {
  if (!db) return;
  for (rocksdb::ColumnFamilyHandle* handle : {defaults, snapshots, replay, meta, persons, deliveries}) {
    if (handle != nullptr) db->DestroyColumnFamilyHandle(handle);
  }
  // Waits for work in the background; the log already holds whatever was not written out.
  db->Close();
}

Result<std::unique_ptr<RocksDbHandles>> open_rocksdb(const std::string& path, std::size_t memory_bytes_max) {
  if (memory_bytes_max < kMemoryBytesMin) {
    return Status(Code::invalid, "the store needs at least " + std::to_string(kMemoryBytesMin >> 20) + " MiB of memory");
  }
  // A quarter for what is being written, charged to the cache, so that both together stay within the one figure.
  const std::size_t buffer_bytes = memory_bytes_max / 4;
  auto handles = make_handles(memory_bytes_max, buffer_bytes);
  auto families = column_families(family_options(*handles, buffer_bytes));
  families.emplace_back("persons", family_options(*handles, buffer_bytes));
  families.emplace_back("deliveries", delivery_options(*handles, buffer_bytes));
  std::vector<rocksdb::ColumnFamilyHandle*> opened_families;
  rocksdb::DB* db = nullptr;
  const rocksdb::Status opened = rocksdb::DB::Open(database_options(*handles, buffer_bytes), path, families, &opened_families, &db);
  if (!opened.ok()) return to_status(opened, "opening the store in " + path);
  handles->listener->db = db;
  take(*handles, db, opened_families);
  return handles;
}

Result<std::unique_ptr<RocksDbHandles>> open_rocksdb_read_only(const std::string& path, const std::string& scratch) {
  const std::size_t buffer_bytes = kMemoryBytesMin / 4;
  auto handles = make_handles(kMemoryBytesMin, buffer_bytes);
  rocksdb::DBOptions options = database_options(*handles, buffer_bytes);
  options.create_if_missing = options.create_missing_column_families = false;
  options.listeners.clear();
  options.max_open_files = -1;  // keeps files readable that the other process has since compacted away
  // Without the families of persons: nobody reads them here, and a store of an earlier build has none.
  const auto families = column_families(family_options(*handles, buffer_bytes));
  std::vector<rocksdb::ColumnFamilyHandle*> opened_families;
  rocksdb::DB* db = nullptr;
  const rocksdb::Status opened = rocksdb::DB::OpenAsSecondary(options, path, scratch, families, &opened_families, &db);
  if (!opened.ok()) return to_status(opened, "reading the store in " + path);
  take(*handles, db, opened_families);
  return handles;
}

bool met_full_disk(const RocksDbHandles& handles) { return handles.listener->full; }

Status write_batch(const RocksDbHandles& handles, rocksdb::WriteBatch& batch, const std::string& what) {
  const rocksdb::Status status = handles.db->Write(rocksdb::WriteOptions(), &batch);
  // Incomplete: memtables are full and could not be written out.
  if (status.IsNoSpace() || status.IsIncomplete()) handles.listener->full = true;
  return to_status(status, what);
}

std::map<std::string, std::uint64_t> rocksdb_usage(const RocksDbHandles& handles) {
  std::map<std::string, std::uint64_t> out;
  // Memtables are charged to the cache; here they are shown apart.
  const std::uint64_t charged = handles.write_buffers->dummy_entries_in_cache_usage();
  const std::uint64_t cached = handles.cache->GetUsage();
  out["block_cache"] = cached > charged ? cached - charged : 0;
  handles.db->GetAggregatedIntProperty(rocksdb::DB::Properties::kSizeAllMemTables, &out["memtables"]);
  handles.db->GetAggregatedIntProperty(rocksdb::DB::Properties::kEstimateTableReadersMem, &out["table_readers"]);
  handles.db->GetAggregatedIntProperty(rocksdb::DB::Properties::kTotalSstFilesSize, &out["sst"]);
  return out;
}

Status to_status(const rocksdb::Status& status, const std::string& what) {
  if (status.ok()) return {};
  const std::string text = what + ": " + status.ToString();
  if (status.IsNotFound()) return {Code::not_found, text};
  // A file that another one names is gone, or the name was damaged.
  if (status.IsCorruption() || status.IsPathNotFound()) return {Code::corrupt, text};
  if (status.IsNotSupported()) return {Code::unsupported, text};
  if (status.IsNoSpace() || status.IsIncomplete() || status.IsBusy() || status.IsTryAgain() || status.IsTimedOut())
    return {Code::unavailable, text};
  // RocksDB says this of the LOCK file, with the cause in words only.
  if (status.IsIOError() && text.find("LOCK") != std::string::npos) {
    return {Code::unavailable, what + ": another process has it open (" + status.ToString() + ")"};
  }
  return {Code::internal, text};
}

}  // namespace lacuna::state
