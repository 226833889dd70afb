#pragma once

#include <rocksdb/slice.h>
#include <rocksdb/status.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "state/records/status.h"
#include "state/replay_buffer.h"
#include "state/rocksdb_handles.h"
#include "state/schema_book.h"
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
inline constexpr char kSchemaPrefix = 's';
inline constexpr char kOwnerPrefix = 'o';  // of a replay slot
inline constexpr char kPiecePrefix = 'n';  // of a named state
inline constexpr char kRowPrefix = 'k';    // of a named state

/// Of a store's folder, the database's.
std::string database_path(const std::string& store);
std::string slot_key(Slot slot);
std::string position_key(const std::string& topic, std::int32_t partition);
std::string stratum_key(std::uint32_t stratum);
std::string stored_schema_key(std::uint64_t fingerprint);
std::string owner_key(Slot slot);
/// The slot that owner_key() or slot_key() names at the end of `key`.
Slot slot_of(std::string_view key);
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

/// The header; empty: there are no data, so that any schema will do. `corrupt`: there are data and no header.
Result<std::optional<StoreHeader>> load_header(const RocksDbHandles& handles, const std::string& path);

/// Adds the schemas that lie here. `unsupported`: nothing leads from one of them to the present one, or data lie here under a schema that
/// was not kept (`header` of format version 1) and is not the present one.
Status load_schemas(const RocksDbHandles& handles, const std::string& path, const StoreHeader& header, SchemaBook& schemas);

/// A schema, and a header that says so, in one step. `alone`: the others that lie here go.
Status write_schema(const RocksDbHandles& handles, const StoreHeader& header, const SchemaRecord& record, std::uint64_t fingerprint,
                    bool alone = false);

}  // namespace lacuna::state
