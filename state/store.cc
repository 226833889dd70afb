#include "state/store.h"

#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <mutex>
#include <numeric>
#include <set>
#include <shared_mutex>

#include "state/checkpoint_files.h"
#include "state/records/schema_bytes.h"
#include "state/replay_buffer.h"
#include "state/rocksdb_handles.h"
#include "state/store_layout.h"
#include "state/store_parts.h"
#include "state/store_persons.h"
#include "state/store_replay.h"
#include "state/stored_records.h"

namespace lacuna::state {

namespace {

namespace fs = std::filesystem;

class RocksDbStore final : public Store {
 public:
  RocksDbStore(std::unique_ptr<SchemaBook> schemas, const StoreOptions& options, std::unique_ptr<RocksDbHandles> handles,
               CheckpointFiles checkpoints, std::uint64_t patients, ReplayBuffer replay, ReplayOwners owners)
      : schemas_(std::move(schemas)),
        database_(database_path(options.path)),
        memory_bytes_max_(options.memory_bytes_max),
        checkpoints_(std::move(checkpoints)),
        handles_(std::move(handles)),
        patients_(patients),
        replay_(std::move(replay)),
        owners_(std::move(owners)) {}

  Result<Snapshot> snapshot(std::string_view patient_id) const override;
  Result<std::vector<std::optional<Snapshot>>> snapshots(std::span<const std::string> patient_ids) const override;
  Status for_each_snapshot(const std::function<void(Snapshot)>& visit) const override;
  std::uint64_t patient_count_estimate() const override { return patients_; }
  Result<std::map<std::pair<std::string, std::int32_t>, StoredPosition>> positions() const override;
  Result<StoredMeta> meta(const std::string& name) const override {
    return read([&](const RocksDbHandles& h) { return read_named(h, *schemas_, name); });
  }
  Status for_each_row(const std::string& name, const std::function<Status(std::uint64_t, std::string_view)>& visit) const override {
    return read([&](const RocksDbHandles& h) { return state::for_each_row(h, name, visit); });
  }
  const SchemaBook& schemas() const override { return *schemas_; }
  Status learn_schema(std::string_view record) override;
  std::uint64_t dropped() const override { return dropped_; }
  Result<std::vector<PersonState>> persons(std::span<const std::string> patient_ids) const override {
    return read([&](const RocksDbHandles& h) { return read_persons(h, patient_ids); });
  }
  Result<std::vector<std::optional<Delivery>>> deliveries(std::span<const DeliveryKey> keys) const override {
    return read([&](const RocksDbHandles& h) { return read_deliveries(h, keys); });
  }
  Result<std::vector<HeldPayloads>> payloads(std::string_view patient_id, std::span<const PartKey> parts) const override {
    return read([&](const RocksDbHandles& h) { return read_payloads(h, patient_id, parts); });
  }
  Result<PersonPast> past(std::string_view patient_id, const PersonState& state, std::span<const PartKey> parts) const override {
    return read([&](const RocksDbHandles& h) { return read_past(h, patient_id, state, parts); });
  }
  Result<std::vector<DeliveryRow>> delivered(std::string_view patient_id, std::uint32_t hour) const override {
    return read([&](const RocksDbHandles& h) { return read_delivered(h, patient_id, hour); });
  }
  Result<std::vector<std::string>> person_keys(std::string_view patient_id) const override {
    return read([&](const RocksDbHandles& h) { return read_person_keys(h, patient_id); });
  }
  Result<PersonWhole> whole_person(std::string_view patient_id, bool with_rows) const override {
    return read([&](const RocksDbHandles& h) { return read_whole_person(h, patient_id, with_rows); });
  }
  Result<Expiry> expiry(std::string_view patient_id, std::uint32_t hour, std::uint64_t ids_max) const override {
    return read([&](const RocksDbHandles& h) { return read_expiry(h, patient_id, hour, ids_max); });
  }
  Status apply(const StateChange& change) override;
  std::uint64_t written() const override { return written_; }
  Status wipe(const std::string& topic, std::int32_t partition) override;
  Status sync() override;
  Result<std::vector<Example>> draw(std::size_t count, std::uint64_t seed) const override {
    return examples([&](const ReplayBuffer& replay) { return replay.draw(count, seed); });
  }
  Result<std::vector<Example>> replayed(std::span<const std::size_t> places) const override {
    return examples([&](const ReplayBuffer& replay) { return replay.slots_at(places); });
  }
  std::size_t replay_size() const override {
    const std::lock_guard lock(replay_mutex_);
    return replay_.size();
  }
  std::size_t replay_size(std::string_view patient_id) const override {
    const std::lock_guard lock(replay_mutex_);
    return owners_.slots(patient_key(patient_id)).size();
  }

  Status put_checkpoint(const std::string& name, const std::string& bytes) override { return checkpoints_.put(name, bytes); }
  Result<std::string> checkpoint(const std::string& name) const override { return checkpoints_.get(name); }
  Result<std::vector<std::string>> checkpoint_names() const override { return checkpoints_.names(); }
  Status drop_checkpoint(const std::string& name) override { return checkpoints_.drop(name); }
  std::map<std::string, std::uint64_t> usage() const override {
    const Open handles(*this);
    return handles ? rocksdb_usage(*handles) : std::map<std::string, std::uint64_t>{};
  }

 private:
  // The database, which stays open as long as this lives; false when reopen() failed.
  class Open {
   public:
    explicit Open(const RocksDbStore& store) : lock_(store.rocks_mutex_), handles_(store.handles_.get()) {}
    explicit operator bool() const { return handles_ != nullptr; }
    const RocksDbHandles& operator*() const { return *handles_; }
    const RocksDbHandles* operator->() const { return handles_; }

   private:
    std::shared_lock<std::shared_mutex> lock_;
    const RocksDbHandles* handles_;
  };

  template <typename Read>
  std::invoke_result_t<Read, const RocksDbHandles&> read(Read of) const {
    const Open handles(*this);
    if (!handles) return closed_;
    return of(*handles);
  }
  Status reopen();
  const Schema& schema() const { return schemas_->present(); }
  StoreHeader header(std::uint64_t patients) const { return {schema().fingerprint(), patients, schemas_->unnamed()}; }
  Result<std::uint64_t> count_stored(const std::set<std::string_view>& patient_ids) const;
  Result<std::uint64_t> patients_after(const StateChange& change) const;

  // Constant after construction.
  const std::unique_ptr<SchemaBook> schemas_;
  const std::string database_;
  const std::size_t memory_bytes_max_;
  const CheckpointFiles checkpoints_;

  // RocksDB synchronises itself; held alone to close it and open it again, which only the applying thread does.
  mutable std::shared_mutex rocks_mutex_;
  std::unique_ptr<RocksDbHandles> handles_;
  Status closed_;  // why there is none
  std::atomic<std::uint64_t> patients_;
  mutable std::atomic<std::uint64_t> dropped_ = 0;
  std::atomic<std::uint64_t> written_ = 0;

  Result<std::vector<Example>> examples(const std::function<std::vector<Slot>(const ReplayBuffer&)>& choose) const;

  // Held over the write as well, so that a draw sees counters and slots of the same batch.
  mutable std::mutex replay_mutex_;
  ReplayBuffer replay_;  // guarded by replay_mutex_, as owners_ is; only apply() changes them
  ReplayOwners owners_;
};

Result<Snapshot> RocksDbStore::snapshot(std::string_view patient_id) const {
  const Open handles(*this);
  if (!handles) return closed_;
  rocksdb::PinnableSlice value;
  const rocksdb::Status status = handles->db->Get(rocksdb::ReadOptions(), handles->snapshots, slice(patient_id), &value);
  if (status.IsNotFound()) return Status(Code::not_found, "no such patient");
  if (!status.ok()) return to_status(status, "reading a snapshot");
  return decode_snapshot(*schemas_, value.ToStringView());
}

Result<std::vector<std::optional<Snapshot>>> RocksDbStore::snapshots(std::span<const std::string> patient_ids) const {
  const Open handles(*this);
  if (!handles) return closed_;
  const std::vector<rocksdb::Slice> keys(patient_ids.begin(), patient_ids.end());
  const MultiGet found = multi_get(*handles, handles->snapshots, rocksdb::ReadOptions(), keys, false);
  std::vector<std::optional<Snapshot>> out(keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (found.statuses[i].IsNotFound()) continue;
    LACUNA_RETURN_IF_ERROR(to_status(found.statuses[i], "reading snapshots"));
    std::uint64_t dropped = 0;
    Result<Snapshot> decoded = decode_snapshot(*schemas_, found.values[i].ToStringView(), &dropped);
    if (!decoded.ok()) return decoded.status();
    dropped_ += dropped;
    out[i] = std::move(decoded).value();
  }
  return out;
}

Status RocksDbStore::for_each_snapshot(const std::function<void(Snapshot)>& visit) const {
  const Open handles(*this);
  if (!handles) return closed_;
  rocksdb::ReadOptions options;
  options.fill_cache = false;  // one pass over everything would push out what is in use
  const std::unique_ptr<rocksdb::Iterator> it(handles->db->NewIterator(options, handles->snapshots));
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    Result<Snapshot> decoded = decode_snapshot(*schemas_, it->value().ToStringView());
    if (!decoded.ok()) return decoded.status();
    visit(std::move(decoded).value());
  }
  return to_status(it->status(), "reading all snapshots");
}

Result<std::map<std::pair<std::string, std::int32_t>, StoredPosition>> RocksDbStore::positions() const {
  const Open handles(*this);
  if (!handles) return closed_;
  std::map<std::pair<std::string, std::int32_t>, StoredPosition> out;
  LACUNA_RETURN_IF_ERROR(for_each_meta(*handles, kPositionPrefix, [&out](std::string_view bytes) -> Status {
    Result<PartitionPosition> decoded = decode_position(bytes);
    if (!decoded.ok()) return decoded.status();
    out[{decoded->topic, decoded->partition}] = decoded->position;
    return {};
  }));
  return out;
}

Status RocksDbStore::learn_schema(std::string_view record) {
  LACUNA_RETURN_IF_ERROR(reopen());
  const Result<SchemaRecord> decoded = decode_schema_record(record);
  if (!decoded.ok()) return decoded.status();
  const Result<Schema> schema = decode_schema(decoded->schema);
  if (!schema.ok()) return schema.status();
  const std::uint64_t fingerprint = schema->fingerprint();
  std::string kept;
  const rocksdb::Status row = handles_->db->Get(rocksdb::ReadOptions(), handles_->meta, stored_schema_key(fingerprint), &kept);
  if (!row.IsNotFound()) LACUNA_RETURN_IF_ERROR(to_status(row, "reading a schema"));
  const bool known = row.ok() && schemas_->contains(fingerprint) && (!decoded->unnamed || schemas_->unnamed() != 0);
  LACUNA_RETURN_IF_ERROR(schemas_->add(*decoded));
  if (known) return {};
  return write_schema(*handles_, header(patients_), {decoded->schema, schemas_->unnamed() == fingerprint}, fingerprint);
}

// RocksDB can only guess how many keys it holds, and guesses several times too high while rows are being rewritten. The
// rows looked up here were just read by whoever changed them, so this is cheap.
Result<std::uint64_t> RocksDbStore::count_stored(const std::set<std::string_view>& patient_ids) const {
  std::vector<rocksdb::Slice> keys;
  keys.reserve(patient_ids.size());
  for (const std::string_view id : patient_ids) keys.push_back(slice(id));
  const MultiGet found = multi_get(*handles_, handles_->snapshots, rocksdb::ReadOptions(), keys, true);
  std::uint64_t stored = 0;
  for (const rocksdb::Status& status : found.statuses) {
    if (status.IsNotFound()) continue;
    LACUNA_RETURN_IF_ERROR(to_status(status, "reading snapshots"));
    ++stored;
  }
  return stored;
}

Result<std::uint64_t> RocksDbStore::patients_after(const StateChange& change) const {
  const std::set<std::string_view> forgotten(change.forgotten.begin(), change.forgotten.end());
  std::set<std::string_view> changed, before;  // of the latter, those that were not forgotten
  for (const Snapshot& s : change.snapshots) {
    changed.insert(s.patient_id);
    if (!forgotten.contains(s.patient_id)) before.insert(s.patient_id);
  }
  const Result<std::uint64_t> gone = count_stored(forgotten), known = count_stored(before);
  if (!gone.ok()) return gone.status();
  if (!known.ok()) return known.status();
  return patients_ - std::min<std::uint64_t>(patients_, *gone) + (changed.size() - *known);
}

// After a full disk: closes the database and opens it again, once there is room for what its logs hold, which is then written
// out as tables.
Status RocksDbStore::reopen() {
  if (handles_ && !met_full_disk(*handles_)) return {};
  constexpr std::uintmax_t kMargin = 1u << 20;
  std::error_code error;
  std::uintmax_t logs = 0;
  for (const auto& entry : fs::directory_iterator(database_, error)) {
    if (entry.path().extension() == ".log") logs += entry.file_size(error);
  }
  const fs::space_info space = fs::space(database_, error);
  if (error || space.available < logs + kMargin) return {Code::unavailable, "the store's disk is full"};
  const std::lock_guard lock(rocks_mutex_);
  handles_.reset();
  Result<std::unique_ptr<RocksDbHandles>> opened = open_rocksdb(database_, memory_bytes_max_);
  closed_ = opened.status();
  if (opened.ok()) handles_ = std::move(opened).value();
  return closed_;
}

Status RocksDbStore::sync() {
  LACUNA_RETURN_IF_ERROR(reopen());
  return to_status(handles_->db->SyncWAL(), "syncing the store");
}

Status RocksDbStore::apply(const StateChange& change) {
  LACUNA_RETURN_IF_ERROR(reopen());
  rocksdb::WriteBatch batch;
  // WriteBatch reports only what cannot happen here (a batch over 4 GiB, an unknown column family); the first such
  // failure is kept and nothing is written.
  rocksdb::Status built;
  const auto put = [&](rocksdb::ColumnFamilyHandle* family, std::string_view key, std::string_view value) {
    const rocksdb::Status status = batch.Put(family, slice(key), slice(value));
    if (built.ok()) built = status;
  };

  const Result<std::uint64_t> patients = patients_after(change);
  if (!patients.ok()) return patients.status();
  std::string unused;
  for (const std::string& id : change.forgotten) {
    // Where there is none, no trace of the name is left either.
    const rocksdb::Status found = handles_->db->Get(rocksdb::ReadOptions(), handles_->snapshots, id, &unused);
    if (!found.IsNotFound()) LACUNA_RETURN_IF_ERROR(to_status(found, "reading a snapshot"));
    if (const rocksdb::Status status = found.ok() ? batch.Delete(handles_->snapshots, id) : built; built.ok()) built = status;
    delete_person(*handles_, id, batch);
  }
  if (*patients != patients_) put(handles_->meta, kHeaderKey, encode_header(header(*patients)));
  for (const Snapshot& s : change.snapshots) put(handles_->snapshots, s.patient_id, change.bytes_of(s, schema()));
  for (const auto& [partition, position] : change.positions) {
    put(handles_->meta, position_key(partition.first, partition.second), encode_position({partition.first, partition.second, position}));
  }
  const std::uint64_t meta_schema = change.meta_schema != 0 ? change.meta_schema : schema().fingerprint();
  LACUNA_RETURN_IF_ERROR(write_named(*handles_, change, meta_schema, batch));

  for (const PersonUpdate& person : change.persons) LACUNA_RETURN_IF_ERROR(write_person(*handles_, person, batch));

  ReplayChanges examples(*schemas_, *handles_, replay_, owners_);
  LACUNA_RETURN_IF_ERROR(examples.forget(change.forgotten));
  LACUNA_RETURN_IF_ERROR(examples.place(change.examples));
  LACUNA_RETURN_IF_ERROR(examples.correct(change.corrections));
  if (const rocksdb::Status status = examples.write(batch); built.ok()) built = status;
  const ReplayBuffer& next = examples.buffer();
  for (std::uint32_t s = 0; s < next.strata().size(); ++s) {
    const bool same = s < replay_.strata().size() && next.strata()[s] == replay_.strata()[s];
    if (!same) put(handles_->meta, stratum_key(s), encode_stratum(next.strata()[s]));
  }
  LACUNA_RETURN_IF_ERROR(to_status(built, "building a write batch"));

  const std::lock_guard lock(replay_mutex_);
  LACUNA_RETURN_IF_ERROR(write_batch(*handles_, batch, "writing a batch"));
  written_ += batch.GetDataSize();
  examples.commit(replay_, owners_);
  patients_ = *patients;
  return {};
}

constexpr std::uint64_t kWipedPerBatch = 1000;

Status RocksDbStore::wipe(const std::string& topic, std::int32_t partition) {
  LACUNA_RETURN_IF_ERROR(reopen());
  rocksdb::WriteBatch batch;
  batch.Delete(handles_->meta, position_key(topic, partition));
  std::uint64_t gone = 0;  // in this batch
  const auto write = [&]() -> Status {
    const std::uint64_t left = patients_ - std::min<std::uint64_t>(patients_, gone);
    batch.Put(handles_->meta, slice(kHeaderKey), encode_header(header(left)));
    LACUNA_RETURN_IF_ERROR(write_batch(*handles_, batch, "wiping a partition"));
    patients_ = left;
    batch.Clear();
    gone = 0;
    return {};
  };
  rocksdb::ReadOptions options;
  options.fill_cache = false;
  const std::unique_ptr<rocksdb::Iterator> it(handles_->db->NewIterator(options, handles_->snapshots));
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    const Result<Snapshot> snapshot = decode_snapshot(*schemas_, it->value().ToStringView());
    if (!snapshot.ok()) return snapshot.status();
    if (snapshot->source.topic != topic || snapshot->source.partition != partition) continue;
    batch.Delete(handles_->snapshots, it->key());
    delete_person(*handles_, snapshot->patient_id, batch);
    if (++gone == kWipedPerBatch) LACUNA_RETURN_IF_ERROR(write());
  }
  LACUNA_RETURN_IF_ERROR(to_status(it->status(), "reading all snapshots"));
  return write();
}

Result<std::vector<Example>> RocksDbStore::examples(const std::function<std::vector<Slot>(const ReplayBuffer&)>& choose) const {
  const Open handles(*this);
  if (!handles) return closed_;
  std::vector<Slot> slots;
  rocksdb::ReadOptions options;
  {
    const std::lock_guard lock(replay_mutex_);
    slots = choose(replay_);
    options.snapshot = handles->db->GetSnapshot();
  }
  const auto release = [&handles](const rocksdb::Snapshot* s) { handles->db->ReleaseSnapshot(s); };
  const std::unique_ptr<const rocksdb::Snapshot, decltype(release)> view(options.snapshot, release);

  // Read in key order, answered in the order drawn.
  std::vector<std::size_t> order(slots.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&slots](std::size_t a, std::size_t b) { return slots[a] < slots[b]; });
  std::vector<std::string> keys;
  keys.reserve(slots.size());
  for (std::size_t i : order) keys.push_back(slot_key(slots[i]));
  const MultiGet found = multi_get(*handles, handles->replay, options, {keys.begin(), keys.end()}, true);

  std::vector<std::optional<Example>> drawn(slots.size());
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (found.statuses[i].IsNotFound()) return Status(Code::corrupt, "replay buffer: a slot in use is empty");
    LACUNA_RETURN_IF_ERROR(to_status(found.statuses[i], "reading the replay buffer"));
    bool emptied = false;
    Result<Example> decoded = decode_example(*schemas_, found.values[i].ToStringView(), &emptied);
    if (!decoded.ok()) return decoded.status();
    if (!emptied) drawn[order[i]] = std::move(decoded).value();
  }
  std::vector<Example> out;
  out.reserve(drawn.size());
  for (std::optional<Example>& example : drawn) {
    if (example) out.push_back(std::move(*example));
  }
  return out;
}

}  // namespace

Result<std::unique_ptr<Store>> Store::open(const Schema& schema, StoreOptions options) {
  std::error_code error;
  const bool made = fs::create_directories(options.path, error);
  if (error) return to_status(error, "making the store's folder " + options.path);
  // Patient data are for the daemon's user alone; a folder that was there already keeps the mode somebody chose.
  if (made) fs::permissions(options.path, fs::perms::owner_all, error);

  Result<std::unique_ptr<RocksDbHandles>> handles = open_rocksdb(database_path(options.path), options.memory_bytes_max);
  if (!handles.ok()) return handles.status();
  Result<std::optional<StoreHeader>> stored = load_header(**handles, options.path);
  if (!stored.ok()) return stored.status();
  const StoreHeader before = stored->value_or(StoreHeader{});
  auto schemas = std::make_unique<SchemaBook>(schema);
  if (*stored) LACUNA_RETURN_IF_ERROR(load_schemas(**handles, options.path, before, *schemas));
  const std::uint64_t unnamed = schemas->unnamed();
  LACUNA_RETURN_IF_ERROR(write_schema(**handles, {schema.fingerprint(), before.patients, unnamed},
                                      {encode_schema(schema), unnamed == schema.fingerprint()}, schema.fingerprint(), !*stored));

  std::vector<ReplayStratum> strata;
  LACUNA_RETURN_IF_ERROR(for_each_meta(**handles, kStratumPrefix, [&strata](std::string_view bytes) -> Status {
    Result<ReplayStratum> decoded = decode_stratum(bytes);
    if (!decoded.ok()) return decoded.status();
    strata.push_back(*decoded);
    return {};
  }));
  Result<CheckpointFiles> checkpoints = CheckpointFiles::open(options.path + "/checkpoints");
  if (!checkpoints.ok()) return checkpoints.status();
  ReplayBuffer replay(options.replay_capacity, options.replay_strata_max, options.seed, std::move(strata));
  Result<ReplayOwners> owners = load_owners(*schemas, **handles, replay);
  if (!owners.ok()) return owners.status();
  return std::unique_ptr<Store>(std::make_unique<RocksDbStore>(std::move(schemas), options, std::move(handles).value(),
                                                               std::move(checkpoints).value(), before.patients, std::move(replay),
                                                               std::move(*owners)));
}

}  // namespace lacuna::state
