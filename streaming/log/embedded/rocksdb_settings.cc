#include "streaming/log/embedded/rocksdb_settings.h"

#include <rocksdb/cache.h>
#include <rocksdb/convenience.h>
#include <rocksdb/env.h>
#include <rocksdb/slice_transform.h>
#include <rocksdb/table.h>
#include <rocksdb/write_buffer_manager.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstring>
#include <string>
#include <utility>

#include "streaming/log/embedded/database.h"

namespace lacuna::streaming::embedded {

namespace {

constexpr int kOpenFilesMax = 512;

// RocksDB 7's own log file ends the process (an assertion, which Debian builds in) with the second line that a full disk does
// not take. What went wrong is in the statuses too.
struct NoInfoLog final : rocksdb::Logger {
  using rocksdb::Logger::Logv;
  void Logv(const char*, va_list) override {}
};

}  // namespace

void FullDiskListener::OnBackgroundError(rocksdb::BackgroundErrorReason, rocksdb::Status* status) {
  if (is_full_disk(*status)) full = true;
}

rocksdb::Options rocksdb_options(std::shared_ptr<FullDiskListener> listener) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(kCacheBytes);
  table.block_size = 16 << 10;  // reads are scans
  table.cache_index_and_filter_blocks = true;
  rocksdb::Options options;
  options.create_if_missing = true;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  options.write_buffer_size = kWriteBufferBytes;
  options.max_write_buffer_number = kWriteBuffersMax;
  options.write_buffer_manager = std::make_shared<rocksdb::WriteBufferManager>(kWriteBufferBytes * kWriteBuffersMax, table.block_cache);
  const auto supported = rocksdb::GetSupportedCompressions();
  const bool lz4 = std::find(supported.begin(), supported.end(), rocksdb::kLZ4Compression) != supported.end();
  options.compression = lz4 ? rocksdb::kLZ4Compression : rocksdb::kNoCompression;
  options.max_background_jobs = 2;
  options.max_open_files = kOpenFilesMax;
  // Appends to a partition come in key order: with the place of the last one remembered, an insert need not search.
  options.memtable_insert_with_hint_prefix_extractor.reset(rocksdb::NewFixedPrefixTransform(kRecordKeyBytes - 8));
  options.allow_concurrent_memtable_write = false;
  // The log is handed to the operating system once a commit or flush, not once a record. It is one sequence, so a commit
  // carries every earlier append with it.
  options.manual_wal_flush = true;
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  options.info_log = std::make_shared<NoInfoLog>();
  options.listeners.push_back(std::move(listener));
  return options;
}

bool is_full_disk(const rocksdb::Status& status) {
  return status.IsNoSpace() || (status.IsIOError() && status.ToString().find(std::strerror(EDQUOT)) != std::string::npos);
}

Status failed(std::string_view what, const rocksdb::Status& status) {
  const Code code = status.IsCorruption() ? Code::corrupt : Code::internal;
  return {code, "embedded log: " + std::string(what) + ": " + status.ToString()};
}

}  // namespace lacuna::streaming::embedded
