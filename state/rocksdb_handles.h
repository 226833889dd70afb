#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "state/records/status.h"

namespace rocksdb {
class Cache;
class ColumnFamilyHandle;
class DB;
class Status;
class WriteBatch;
class WriteBufferManager;
}  // namespace rocksdb

// How the store sets RocksDB up: bounded memory, bounded logs, damage reported and not passed over.

namespace lacuna::state {

/// Below this the cache could not hold the indices of a moderate store.
inline constexpr std::size_t kMemoryBytesMin = 8u << 20;

struct RocksDbListener;

/// An open database with its column families. Closed by the destructor.
struct RocksDbHandles {
  RocksDbHandles() = default;
  ~RocksDbHandles();
  RocksDbHandles(const RocksDbHandles&) = delete;
  RocksDbHandles& operator=(const RocksDbHandles&) = delete;

  std::shared_ptr<rocksdb::Cache> cache;
  std::shared_ptr<rocksdb::WriteBufferManager> write_buffers;
  std::shared_ptr<RocksDbListener> listener;
  std::unique_ptr<rocksdb::DB> db;
  rocksdb::ColumnFamilyHandle* defaults = nullptr;  ///< RocksDB insists on it; empty
  rocksdb::ColumnFamilyHandle* snapshots = nullptr;
  rocksdb::ColumnFamilyHandle* replay = nullptr;
  rocksdb::ColumnFamilyHandle* meta = nullptr;
  rocksdb::ColumnFamilyHandle* persons = nullptr;     ///< not when opened beside another process
  rocksdb::ColumnFamilyHandle* deliveries = nullptr;  ///< as `persons`
};

/// `unavailable` when another process has it open; `corrupt` when RocksDB finds damage.
Result<std::unique_ptr<RocksDbHandles>> open_rocksdb(const std::string& path, std::size_t memory_bytes_max);

/// For reading what lies in `path` beside the process that has it open, as of now. `scratch`: a folder for RocksDB's own notes.
Result<std::unique_ptr<RocksDbHandles>> open_rocksdb_read_only(const std::string& path, const std::string& scratch);

/// All or nothing. `unavailable`: the disk is full.
Status write_batch(const RocksDbHandles& handles, rocksdb::WriteBatch& batch, const std::string& what);

/// True once something did not fit on the disk. From then on this database is for reading; what was written is there when it is
/// opened again. (RocksDB 7 does not get over it otherwise: its Resume() can wait for ever for a flush that it has forgotten.)
bool met_full_disk(const RocksDbHandles& handles);

std::map<std::string, std::uint64_t> rocksdb_usage(const RocksDbHandles& handles);

/// `what` names the operation. Ok becomes Ok.
Status to_status(const rocksdb::Status& status, const std::string& what);

}  // namespace lacuna::state
