#include "state/store_inspection.h"

#include <rocksdb/db.h>

#include <filesystem>
#include <memory>
#include <utility>

#include "state/records/schema_bytes.h"
#include "state/rocksdb_handles.h"
#include "state/store.h"
#include "state/store_layout.h"
#include "state/stored_records.h"

namespace lacuna::state {

namespace fs = std::filesystem;

namespace {

/// Calls `read` with the database in `path`, which another process may have open, its header, and the schemas it knows.
template <typename Read>
auto read_beside(const Schema& schema, const std::string& path, Read read)
    -> decltype(read(std::declval<RocksDbHandles&>(), std::declval<StoreHeader&>(), std::declval<SchemaBook&>())) {
  std::error_code error;
  if (!fs::exists(database_path(path), error)) return Status(Code::not_found, "there is no store in " + path);
  std::string scratch = (fs::temp_directory_path(error) / "lacuna-read-XXXXXX").string();
  if (error || !mkdtemp(scratch.data())) return Status(Code::internal, "no temporary folder to read the store with");
  const auto open = [&]() -> decltype(read(std::declval<RocksDbHandles&>(), std::declval<StoreHeader&>(), std::declval<SchemaBook&>())) {
    Result<std::unique_ptr<RocksDbHandles>> handles = open_rocksdb_read_only(database_path(path), scratch);
    if (!handles.ok()) return handles.status();
    Result<std::optional<StoreHeader>> header = load_header(**handles, path);
    if (!header.ok()) return header.status();
    if (!*header) return Status(Code::not_found, "the store in " + path + " is empty");
    SchemaBook schemas(schema);
    LACUNA_RETURN_IF_ERROR(load_schemas(**handles, path, **header, schemas));
    return read(**handles, **header, schemas);
  };
  auto out = open();
  fs::remove_all(scratch, error);
  return out;
}

}  // namespace

Result<Snapshot> read_snapshot(const Schema& schema, const std::string& path, std::string_view patient_id) {
  return read_beside(schema, path, [patient_id](RocksDbHandles& handles, StoreHeader&, SchemaBook& schemas) -> Result<Snapshot> {
    rocksdb::PinnableSlice value;
    const rocksdb::Status status = handles.db->Get(rocksdb::ReadOptions(), handles.snapshots, slice(patient_id), &value);
    if (status.IsNotFound()) return Status(Code::not_found, "no such patient");
    if (!status.ok()) return to_status(status, "reading a snapshot");
    return decode_snapshot(schemas, value.ToStringView());
  });
}

Status read_snapshots(const Schema& schema, const std::string& path, const std::function<Status(Snapshot)>& visit) {
  return read_beside(schema, path, [&visit](RocksDbHandles& handles, StoreHeader&, SchemaBook& schemas) -> Status {
    const std::unique_ptr<rocksdb::Iterator> it(handles.db->NewIterator(rocksdb::ReadOptions(), handles.snapshots));
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
      Result<Snapshot> snapshot = decode_snapshot(schemas, it->value().ToStringView());
      if (!snapshot.ok()) return snapshot.status();
      LACUNA_RETURN_IF_ERROR(visit(std::move(*snapshot)));
    }
    return to_status(it->status(), "reading all snapshots");
  });
}

Result<StoreGrowth> read_growth(const Schema& schema, const std::string& path) {
  return read_beside(schema, path, [&schema](RocksDbHandles& handles, StoreHeader& header, SchemaBook&) -> Result<StoreGrowth> {
    std::string bytes;
    const std::string key = stored_schema_key(header.schema_fingerprint);
    const rocksdb::Status status = handles.db->Get(rocksdb::ReadOptions(), handles.meta, key, &bytes);
    if (status.IsNotFound()) return StoreGrowth{{}, header.patients};  // not kept, then load_schemas() knows it to be the present one
    if (!status.ok()) return to_status(status, "reading the store's schema");
    const Result<SchemaRecord> record = decode_schema_record(bytes);
    if (!record.ok()) return record.status();
    const Result<Schema> before = decode_schema(record->schema);
    if (!before.ok()) return before.status();
    const Result<SchemaMapping> grown = SchemaMapping::make(*before, schema);
    if (!grown.ok()) return grown.status();
    return StoreGrowth{grown->changes(), header.patients};
  });
}

}  // namespace lacuna::state
