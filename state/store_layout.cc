#include "state/store_layout.h"

#include <rocksdb/db.h>

#include <array>
#include <cstdio>
#include <memory>

namespace lacuna::state {

namespace {

// Big-endian, so that keys sort as their numbers do.
void append_number(std::string& key, std::uint32_t number) {
  for (int shift = 24; shift >= 0; shift -= 8) key.push_back(static_cast<char>(number >> shift & 0xff));
}

std::string hex(std::uint64_t number) {
  std::array<char, 17> text{};
  std::snprintf(text.data(), text.size(), "%016llx", static_cast<unsigned long long>(number));
  return text.data();
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

Result<StoreHeader> load_header(const RocksDbHandles& handles, const std::string& path, std::uint64_t fingerprint, bool may_write) {
  std::string bytes;
  const rocksdb::Status status = handles.db->Get(rocksdb::ReadOptions(), handles.meta, slice(kHeaderKey), &bytes);
  if (status.IsNotFound()) {
    const std::unique_ptr<rocksdb::Iterator> it(handles.db->NewIterator(rocksdb::ReadOptions(), handles.snapshots));
    it->SeekToFirst();
    if (it->Valid()) return Status(Code::corrupt, "the store in " + path + " holds patients but no header");
    LACUNA_RETURN_IF_ERROR(to_status(it->status(), "reading the store"));
    const StoreHeader header{fingerprint, 0};
    if (!may_write) return header;
    LACUNA_RETURN_IF_ERROR(
        to_status(handles.db->Put(rocksdb::WriteOptions(), handles.meta, slice(kHeaderKey), encode_header(header)), "writing the header"));
    return header;
  }
  LACUNA_RETURN_IF_ERROR(to_status(status, "reading the store's header"));
  Result<StoreHeader> header = decode_header(bytes);
  if (header.ok() && header->schema_fingerprint != fingerprint) {
    return Status(Code::unsupported, "the store in " + path + " was written under another schema (fingerprint " +
                                         hex(header->schema_fingerprint) + ", the configuration's is " + hex(fingerprint) +
                                         "): restore the schema it was written with, or give this one a new data directory");
  }
  return header;
}

}  // namespace lacuna::state
