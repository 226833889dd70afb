#pragma once

#include <rocksdb/slice.h>
#include <rocksdb/status.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "state/records/status.h"
#include "state/replay_buffer.h"
#include "state/rocksdb_handles.h"
#include "state/stored_records.h"

namespace rocksdb {
struct ReadOptions;
}

// What lies where in the store's database (docs/formats.md). Private to state/: it shows RocksDB's types.

namespace lacuna::state {

// Keys of the meta column family: one letter, then what it names.
inline constexpr std::string_view kHeaderKey = "h";
inline constexpr char kPositionPrefix = 'p';
inline constexpr char kStratumPrefix = 'r';
inline constexpr char kNamePrefix = 'm';

/// Of a store's folder, the database's.
std::string database_path(const std::string& store);
std::string slot_key(Slot slot);
std::string position_key(const std::string& topic, std::int32_t partition);
std::string stratum_key(std::uint32_t stratum);
inline rocksdb::Slice slice(std::string_view text) { return {text.data(), text.size()}; }

/// Many keys of one column family in one call; values stay valid as long as the result does. `sorted`: the keys are.
struct MultiGet {
  std::vector<rocksdb::PinnableSlice> values;
  std::vector<rocksdb::Status> statuses;
};
MultiGet multi_get(const RocksDbHandles& handles, rocksdb::ColumnFamilyHandle* family, const rocksdb::ReadOptions& options,
                   const std::vector<rocksdb::Slice>& keys, bool sorted);

/// Calls `visit` with the value of each meta key with this first letter, in key order.
Status for_each_meta(const RocksDbHandles& handles, char prefix, const std::function<Status(std::string_view)>& visit);

/// Reads the header, or writes the first one into a new store. `unsupported`: it is another schema's.
Result<StoreHeader> load_header(const RocksDbHandles& handles, const std::string& path, std::uint64_t fingerprint, bool may_write);

}  // namespace lacuna::state
