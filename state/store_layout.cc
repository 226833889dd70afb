#include "state/store_layout.h"

#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <filesystem>
#include <memory>

#include "state/store.h"

namespace lacuna::state {

namespace {

// Big-endian, so that keys sort as their numbers do.
void append_number(std::string& key, std::uint32_t number) {
  for (int shift = 24; shift >= 0; shift -= 8) key.push_back(static_cast<char>(number >> shift & 0xff));
}

}  // namespace

std::string database_path(const std::string& store) { return store + "/rocksdb"; }

std::string slot_key(Slot slot) {
  std::string key;
  append_number(key, slot.stratum);
  append_number(key, slot.index);
  return key;
}
std::string position_key(const std::string& topic, std::int32_t partition) {
  std::string key = kPositionPrefix + topic;  // the fixed width at the end keeps any two topics apart
  append_number(key, static_cast<std::uint32_t>(partition));
  return key;
}
std::string stratum_key(std::uint32_t stratum) {
  std::string key(1, kStratumPrefix);
  append_number(key, stratum);
  return key;
}

std::string stored_schema_key(std::uint64_t fingerprint) { return kSchemaPrefix + fingerprint_text(fingerprint); }

std::string owner_key(Slot slot) { return kOwnerPrefix + slot_key(slot); }

Slot slot_of(std::string_view key) {
  const auto number = [key](std::size_t from_end) {
    std::uint32_t out = 0;
    for (std::size_t i = key.size() - from_end; i < key.size() - from_end + 4; ++i) out = out << 8 | static_cast<unsigned char>(key[i]);
    return out;
  };
  return key.size() < 8 ? Slot{} : Slot{number(8), number(4)};
}

MultiGet multi_get(const RocksDbHandles& handles, rocksdb::ColumnFamilyHandle* family, const rocksdb::ReadOptions& options,
                   const std::vector<rocksdb::Slice>& keys, bool sorted) {
  MultiGet out{std::vector<rocksdb::PinnableSlice>(keys.size()), std::vector<rocksdb::Status>(keys.size())};
  if (!keys.empty()) {
    handles.db->MultiGet(options, family, keys.size(), keys.data(), out.values.data(), out.statuses.data(), sorted);
  }
  return out;
}

Status for_each_meta(const RocksDbHandles& handles, char prefix, const std::function<Status(std::string_view)>& visit) {
  const std::unique_ptr<rocksdb::Iterator> it(handles.db->NewIterator(rocksdb::ReadOptions(), handles.meta));
  const std::string_view start(&prefix, 1);
  for (it->Seek(slice(start)); it->Valid() && it->key().starts_with(slice(start)); it->Next()) {
    LACUNA_RETURN_IF_ERROR(visit(it->value().ToStringView()));
  }
  return to_status(it->status(), "reading the store's meta data");
}

namespace {

/// Nobody's data would be misread under another schema.
Result<bool> is_empty(const RocksDbHandles& handles) {
  for (rocksdb::ColumnFamilyHandle* family : {handles.snapshots, handles.replay}) {
    const std::unique_ptr<rocksdb::Iterator> it(handles.db->NewIterator(rocksdb::ReadOptions(), family));
    it->SeekToFirst();
    if (it->Valid()) return false;
    LACUNA_RETURN_IF_ERROR(to_status(it->status(), "reading the store"));
  }
  bool empty = true;
  for (const char prefix : {kPositionPrefix, kNamePrefix}) {
    LACUNA_RETURN_IF_ERROR(for_each_meta(handles, prefix, [&empty](std::string_view) -> Status {
      empty = false;
      return {};
    }));
  }
  return empty;
}

}  // namespace

Result<std::optional<StoreHeader>> load_header(const RocksDbHandles& handles, const std::string& path) {
  std::string bytes;
  const rocksdb::Status status = handles.db->Get(rocksdb::ReadOptions(), handles.meta, slice(kHeaderKey), &bytes);
  if (!status.IsNotFound()) LACUNA_RETURN_IF_ERROR(to_status(status, "reading the store's header"));
  const Result<StoreHeader> header = status.ok() ? decode_header(bytes) : Result<StoreHeader>(StoreHeader{});
  if (!header.ok()) return header.status();
  const Result<bool> empty = is_empty(handles);
  if (!empty.ok()) return empty.status();
  if (*empty) return std::optional<StoreHeader>();
  if (!status.ok()) return Status(Code::corrupt, "the store in " + path + " holds patients but no header");
  return std::optional(*header);
}

Status load_schemas(const RocksDbHandles& handles, const std::string& path, const StoreHeader& header, SchemaBook& schemas) {
  if (header.unnamed_fingerprint != 0) schemas.set_unnamed(header.unnamed_fingerprint);  // first: the header's word stands
  LACUNA_RETURN_IF_ERROR(for_each_meta(handles, kSchemaPrefix, [&](std::string_view bytes) -> Status {
    const Result<SchemaRecord> record = decode_schema_record(bytes);
    if (!record.ok()) return record.status();
    const Status added = schemas.add(*record);
    if (added.code() == Code::unsupported) return {added.code(), "the store in " + path + ": " + added.message()};
    return added;
  }));
  if (schemas.contains(header.schema_fingerprint)) return {};
  return {Code::unsupported,
          "the store in " + path + " was written under another schema (fingerprint " + fingerprint_text(header.schema_fingerprint) +
              ", the configuration's is " + fingerprint_text(schemas.present().fingerprint()) +
              "), by a version that did not keep it: start this version once with the schema that it was written under, then change it"};
}

Status write_schema(const RocksDbHandles& handles, const StoreHeader& header, const SchemaRecord& record, std::uint64_t fingerprint,
                    bool alone) {
  rocksdb::WriteBatch batch;
  constexpr char kAfterSchemas = kSchemaPrefix + 1;
  if (alone) batch.DeleteRange(handles.meta, slice({&kSchemaPrefix, 1}), slice({&kAfterSchemas, 1}));
  batch.Put(handles.meta, slice(kHeaderKey), encode_header(header));
  batch.Put(handles.meta, stored_schema_key(fingerprint), encode_schema_record(record));
  return write_batch(handles, batch, "writing a schema");
}

Result<std::string> quarantine(const std::string& path) {
  for (int n = 1;; ++n) {
    const std::string aside = path + ".damaged-" + std::to_string(n);
    std::error_code error;
    if (std::filesystem::exists(aside, error)) continue;
    std::filesystem::rename(path, aside, error);
    if (error) return Status(Code::internal, "putting " + path + " aside: " + error.message());
    return aside;
  }
}

}  // namespace lacuna::state
