#include "state/store_replay.h"

#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "state/deliveries.h"
#include "state/records/bytes.h"
#include "state/rocksdb_handles.h"
#include "state/snapshot_records.h"
#include "state/store_layout.h"

namespace lacuna::state {

namespace {

Status empty_slot() { return {Code::corrupt, "replay buffer: a slot in use is empty"}; }

std::string owner_bytes(std::uint64_t owner) {
  ByteWriter out;
  out.put(owner);
  return out.take();
}

}  // namespace

Result<ReplayChanges::Content> ReplayChanges::content(Slot slot) const {
  if (const auto it = changes_.find(slot); it != changes_.end()) {
    if (!it->second) return empty_slot();
    return *it->second;
  }
  Content out;
  const rocksdb::Status status = handles_.db->Get(rocksdb::ReadOptions(), handles_.replay, slot_key(slot), &out.bytes);
  if (status.IsNotFound()) return empty_slot();
  if (!status.ok()) return to_status(status, "reading the replay buffer");
  const std::optional<std::uint64_t> owner = owners_.of(slot);
  if (!owner) return Status(Code::corrupt, "replay buffer: nobody's example");
  out.owner = *owner;
  return out;
}

Status ReplayChanges::move(Slot last, Slot hole) {
  if (hole != last) {
    Result<Content> moved = content(last);
    if (!moved.ok()) return moved.status();
    changes_[hole] = std::move(moved).value();
  }
  changes_[last] = std::nullopt;
  return {};
}

Status ReplayChanges::remove(Slot slot) {
  const auto [hole, last] = buffer_.remove(slot);
  return move(last, hole);
}

Status ReplayChanges::forget(const std::vector<std::string>& patient_ids) {
  for (const std::string& id : patient_ids) {
    for (const Slot slot : slots_of(patient_key(id))) LACUNA_RETURN_IF_ERROR(remove(slot));
  }
  return {};
}

Status ReplayChanges::place(const std::vector<Example>& examples) {
  for (const Example& example : examples) {
    const ReplayBuffer::Placement placement = buffer_.offer(stratum_hash(schemas_.present(), example));
    for (const auto& [hole, last] : placement.evicted) LACUNA_RETURN_IF_ERROR(move(last, hole));
    if (placement.taken)
      changes_[placement.put] = Content{encode_example(schemas_.present(), example), patient_key(example.before.patient_id)};
  }
  return {};
}

std::vector<Slot> ReplayChanges::slots_of(std::uint64_t owner) const {
  std::vector<Slot> out = owners_.slots(owner);
  std::erase_if(out, [this](const Slot& slot) { return changes_.contains(slot); });
  for (const auto& [slot, content] : changes_) {
    if (content && content->owner == owner) out.push_back(slot);
  }
  // From behind, so that what is moved into a hole was looked at already.
  std::sort(out.begin(), out.end(), [](const Slot& a, const Slot& b) { return b < a; });
  return out;
}

Status ReplayChanges::correct_one(const ExampleCorrection& correction) {
  const std::uint64_t owner = patient_key(correction.patient_id);
  for (const Slot slot : slots_of(owner)) {
    Result<Content> stored = content(slot);
    if (!stored.ok()) return stored.status();
    Result<Example> example = decode_example(schemas_, stored->bytes);
    if (!example.ok()) return example.status();
    if (!correct_example(schemas_.present(), correction, *example)) {
      LACUNA_RETURN_IF_ERROR(remove(slot));
    } else if (std::string bytes = encode_example(schemas_.present(), *example); bytes != stored->bytes) {
      changes_[slot] = Content{std::move(bytes), owner};
    }
  }
  return {};
}

Status ReplayChanges::correct(const std::vector<ExampleCorrection>& corrections) {
  for (const ExampleCorrection& one : corrections) LACUNA_RETURN_IF_ERROR(correct_one(one));
  return {};
}

rocksdb::Status ReplayChanges::write(rocksdb::WriteBatch& batch) const {
  rocksdb::Status out;
  const auto note = [&out](const rocksdb::Status& status) {
    if (out.ok()) out = status;
  };
  for (const auto& [slot, content] : changes_) {
    note(content ? batch.Put(handles_.replay, slot_key(slot), content->bytes) : batch.Delete(handles_.replay, slot_key(slot)));
    note(content ? batch.Put(handles_.meta, owner_key(slot), owner_bytes(content->owner)) : batch.Delete(handles_.meta, owner_key(slot)));
  }
  return out;
}

void ReplayChanges::commit(ReplayBuffer& buffer, ReplayOwners& owners) const {
  buffer = buffer_;
  for (const auto& [slot, content] : changes_) owners.set(slot, content ? std::optional(content->owner) : std::nullopt);
}

Result<ReplayOwners> load_owners(const SchemaBook& schemas, const RocksDbHandles& handles, const ReplayBuffer& buffer) {
  ReplayOwners out;
  rocksdb::ReadOptions options;
  options.fill_cache = false;
  const std::string_view start(&kOwnerPrefix, 1);
  const std::unique_ptr<rocksdb::Iterator> known(handles.db->NewIterator(options, handles.meta));
  for (known->Seek(slice(start)); known->Valid() && known->key().starts_with(slice(start)); known->Next()) {
    ByteReader in(known->value().ToStringView());
    out.set(slot_of(known->key().ToStringView()), in.get<std::uint64_t>());
  }
  LACUNA_RETURN_IF_ERROR(to_status(known->status(), "reading whose the examples are"));
  if (out.size() == buffer.size()) return out;

  rocksdb::WriteBatch batch;
  const std::unique_ptr<rocksdb::Iterator> it(handles.db->NewIterator(options, handles.replay));
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    const Result<Example> example = decode_example(schemas, it->value().ToStringView());
    if (!example.ok()) return example.status();
    const Slot slot = slot_of(it->key().ToStringView());
    const std::uint64_t owner = patient_key(example->before.patient_id);
    out.set(slot, owner);
    batch.Put(handles.meta, owner_key(slot), owner_bytes(owner));
  }
  LACUNA_RETURN_IF_ERROR(to_status(it->status(), "reading the replay buffer"));
  LACUNA_RETURN_IF_ERROR(write_batch(handles, batch, "writing whose the examples are"));
  return out;
}

}  // namespace lacuna::state
