#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "state/records/status.h"
#include "state/rocksdb_handles.h"
#include "state/schema_book.h"
#include "state/store.h"

namespace rocksdb {
class WriteBatch;
}

// Named small state in the store's database, whole or in parts (docs/formats.md). Private to state/: it shows RocksDB's types.

namespace lacuna::state {

/// What StateChange::meta and StateChange::parts say. `fingerprint`: of the schema that they were written under.
Status write_named(const RocksDbHandles& handles, const StateChange& change, std::uint64_t fingerprint, rocksdb::WriteBatch& batch);
/// As Store::meta().
Result<StoredMeta> read_named(const RocksDbHandles& handles, const SchemaBook& schemas, const std::string& name);
/// As Store::for_each_row().
Status for_each_row(const RocksDbHandles& handles, const std::string& name,
                    const std::function<Status(std::uint64_t, std::string_view)>& visit);

}  // namespace lacuna::state
