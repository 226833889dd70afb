#include "state/store_parts.h"

#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <memory>

#include "state/store_layout.h"
#include "state/stored_records.h"

namespace lacuna::state {

namespace {

/// Of a state that is in pieces: a version that no part has, so that a build which knows nothing of pieces begins it afresh.
const std::string kInPieces(4, '\xff');

template <typename Number>
void append_number(std::string& key, Number number) {
  for (int shift = 8 * static_cast<int>(sizeof number) - 8; shift >= 0; shift -= 8)
    key.push_back(static_cast<char>(number >> shift & 0xff));
}

/// Names are texts: the byte 0 behind one keeps it apart from any that begins like it.
std::string beneath(char prefix, const std::string& name) { return prefix + name + '\0'; }

std::string piece_key(const std::string& name, std::uint32_t number) {
  std::string key = beneath(kPiecePrefix, name);
  append_number(key, number);
  return key;
}

std::string row_key(const std::string& name, std::uint64_t row) {
  std::string key = beneath(kRowPrefix, name);
  append_number(key, row);
  return key;
}

/// Calls with what is behind `start` in each key that begins with it, and the value.
Status scan(const RocksDbHandles& handles, rocksdb::ReadOptions options, const std::string& start,
            const std::function<Status(std::string_view, std::string_view)>& visit) {
  options.fill_cache = false;  // read once, when the state is loaded
  const std::unique_ptr<rocksdb::Iterator> it(handles.db->NewIterator(options, handles.meta));
  for (it->Seek(start); it->Valid() && it->key().starts_with(start); it->Next()) {
    LACUNA_RETURN_IF_ERROR(visit(it->key().ToStringView().substr(start.size()), it->value().ToStringView()));
  }
  return to_status(it->status(), "reading the store's parts");
}

}  // namespace

Status write_named(const RocksDbHandles& handles, const StateChange& change, std::uint64_t fingerprint, rocksdb::WriteBatch& batch) {
  rocksdb::Status built;
  const auto note = [&built](const rocksdb::Status& status) {
    if (built.ok()) built = status;
  };
  for (const auto& [name, bytes] : change.meta) {
    note(batch.Put(handles.meta, kNamePrefix + name, encode_named_blob({name, bytes, fingerprint})));
  }
  for (const auto& [name, part] : change.parts) {
    for (const char prefix : {kPiecePrefix, kRowPrefix}) {
      if (!part.anew) continue;
      const std::string start = beneath(prefix, name);
      LACUNA_RETURN_IF_ERROR(scan(handles, {}, start, [&](std::string_view key, std::string_view) -> Status {
        note(batch.Delete(handles.meta, start + std::string(key)));
        return {};
      }));
    }
    if (part.count) note(batch.Put(handles.meta, kNamePrefix + name, encode_named_blob({name, kInPieces, fingerprint, *part.count})));
    for (const auto& [number, piece] : part.pieces) note(batch.Put(handles.meta, piece_key(name, number), *piece));
    for (const auto& [row, bytes] : part.rows) {
      note(bytes ? batch.Put(handles.meta, row_key(name, row), *bytes) : batch.Delete(handles.meta, row_key(name, row)));
    }
  }
  return to_status(built, "building a write batch");
}

Result<StoredMeta> read_named(const RocksDbHandles& handles, const SchemaBook& schemas, const std::string& name) {
  const auto release = [&handles](const rocksdb::Snapshot* s) { handles.db->ReleaseSnapshot(s); };
  const std::unique_ptr<const rocksdb::Snapshot, decltype(release)> view(handles.db->GetSnapshot(), release);
  rocksdb::ReadOptions options;
  options.snapshot = view.get();
  std::string bytes;
  const rocksdb::Status status = handles.db->Get(options, handles.meta, kNamePrefix + name, &bytes);
  if (!status.ok()) return to_status(status, "reading meta data " + name);
  Result<NamedBlob> named = decode_named_blob(bytes);
  if (!named.ok()) return Status(named.code(), "meta data " + name + ": " + named.status().message());
  if (named->name != name) return Status(Code::corrupt, "meta data " + name + ": the record is another's");
  const Result<SchemaBook::Known> known = schemas.find(named->schema_fingerprint);
  if (!known.ok()) return Status(Code::corrupt, "meta data " + name + ": " + known.status().message());
  StoredMeta out{std::move(named->content), known->grown, {}};
  if (named->pieces == 0) return out;
  // What is left of a state that had more pieces lies behind.
  LACUNA_RETURN_IF_ERROR(scan(handles, options, beneath(kPiecePrefix, name), [&](std::string_view key, std::string_view value) -> Status {
    const auto next = static_cast<std::uint32_t>(out.pieces.size());
    if (next < named->pieces && piece_key(name, next).ends_with(key)) out.pieces.push_back(std::make_shared<const std::string>(value));
    return {};
  }));
  if (out.pieces.size() != named->pieces) return Status(Code::corrupt, "meta data " + name + ": a piece is missing");
  out.content = joined(out.pieces);
  return out;
}

Status for_each_row(const RocksDbHandles& handles, const std::string& name,
                    const std::function<Status(std::uint64_t, std::string_view)>& visit) {
  return scan(handles, {}, beneath(kRowPrefix, name), [&](std::string_view key, std::string_view value) -> Status {
    if (key.size() != sizeof(std::uint64_t)) return {Code::corrupt, "meta data " + name + ": not a row's key"};
    std::uint64_t row = 0;
    for (const char c : key) row = row << 8 | static_cast<unsigned char>(c);
    return visit(row, value);
  });
}

}  // namespace lacuna::state
