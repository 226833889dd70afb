#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "state/example_correction.h"
#include "state/person_records.h"
#include "state/person_whole.h"
#include "state/records/pieces.h"
#include "state/records/records.h"
#include "state/records/status.h"
#include "state/records/time.h"
#include "state/schema_book.h"
#include "state/snapshot_records.h"

// The local store: a view of the event log in RocksDB. One column family each for snapshots, replay, positions/meta, and for what is kept
// of each patient beside the snapshot.

namespace lacuna::state {

/// What became of the records of an input partition since its first: consumed == applied + duplicate + late + refused + forwarded.
/// `partial`: applied, but some features were refused. `forwarded`: to where the patient is known.
struct RecordCounts {
  std::uint64_t consumed = 0, applied = 0, duplicate = 0, late = 0, refused = 0, partial = 0, forwarded = 0;
  RecordCounts& operator+=(const RecordCounts& more) {
    consumed += more.consumed;
    applied += more.applied;
    duplicate += more.duplicate;
    late += more.late;
    refused += more.refused;
    partial += more.partial;
    forwarded += more.forwarded;
    return *this;
  }
  friend bool operator==(const RecordCounts&, const RecordCounts&) = default;
};

/// What the store has applied of an input partition. Without changelog_next and written it is also a record of the
/// changelog, so that the counts go where the partition goes and survive the disk.
struct StoredPosition {
  std::int64_t input_next = 0;      ///< next input offset
  std::int64_t changelog_next = 0;  ///< next changelog offset
  RecordCounts counts{};
  Time written{};  ///< wall clock of the last change; the epoch when unknown
  friend bool operator==(const StoredPosition&, const StoredPosition&) = default;
};

/// What has changed of named state that is too much to be written with each batch.
struct PartChange {
  bool anew = false;                        ///< before all else here, what lies under the name goes
  std::optional<std::uint32_t> count{};     ///< of pieces, where it is another than before: the whole is pieces 0 to count - 1
  std::map<std::uint32_t, Piece> pieces{};  ///< that have changed
  std::map<std::uint64_t, std::optional<std::string>> rows{};  ///< by key; empty: gone
};

/// Everything that changes with one batch: written in one RocksDB WriteBatch (WAL on, no fsync).
struct StateChange {
  /// Patients of whom nothing stays, of replay examples neither: before all else here, which may be of new persons with these ids.
  std::vector<std::string> forgotten{};
  std::vector<Snapshot> snapshots;  ///< keyed by patient id, with the partition they live in
  /// The snapshots as encode_snapshot() gives them; empty: whoever made this did not need them.
  std::vector<std::string> encoded{};
  std::vector<PersonUpdate> persons{};                                       ///< what is kept of them beside the snapshot
  std::vector<Example> examples;                                             ///< offered to the replay buffer
  std::vector<ExampleCorrection> corrections{};                              ///< of examples, also of those offered here
  std::map<std::pair<std::string, std::int32_t>, StoredPosition> positions;  ///< (topic, partition)
  std::map<std::string, std::string> meta;                                   ///< named small state: detectors, calibration, scores
  std::map<std::string, PartChange> parts{};                                 ///< named state by difference; names are not in `meta` too
  std::uint64_t meta_schema = 0;  ///< fingerprint of a learned schema (Store::learn_schema) that both were written under; 0: the present

  /// Of one of `snapshots`.
  std::string bytes_of(const Snapshot& snapshot, const Schema& schema) const {
    return encoded.empty() ? encode_snapshot(schema, snapshot) : encoded.at(static_cast<std::size_t>(&snapshot - snapshots.data()));
  }
};

/// Named small state as it was written.
struct StoredMeta {
  std::string content;
  std::shared_ptr<const SchemaMapping> grown;  ///< from the schema it was written under to the present one; null: that is the same
  Pieces pieces{};                             ///< as PartChange wrote it: `content` is all of them; none: it was written whole
};

struct StoreOptions {
  std::string path;
  std::size_t memory_bytes_max = 256u << 20;  ///< block cache and write buffers together
  std::size_t replay_capacity = 50'000;       ///< examples over all strata
  std::size_t replay_strata_max = 64;         ///< site x missingness pattern; further ones share the last stratum
  std::uint64_t seed = 1;
};

/// A row of one patient.
struct DeliveryKey {
  std::uint64_t patient = 0;  ///< patient_key()
  std::uint64_t id = 0;       ///< event_key() or result_key()
  friend auto operator<=>(const DeliveryKey&, const DeliveryKey&) = default;
};

/// Thread rule: apply(), wipe(), learn_schema() and sync() from one thread; the const reads and draw() from any.
///
/// Everything read is of the present schema: what was written under another is carried over by name (SchemaMapping), record by record
/// as it is read, and rewritten when its patient changes.
class Store {
 public:
  /// `corrupt` when RocksDB finds damage; `unsupported` when nothing leads from a schema that data were written under to this one, when
  /// a version that did not keep its schema wrote them under another, or for a newer format. A store without data takes any schema.
  static Result<std::unique_ptr<Store>> open(const Schema& schema, StoreOptions options);
  virtual ~Store() = default;

  virtual Result<Snapshot> snapshot(std::string_view patient_id) const = 0;  ///< not_found when there is none
  /// In the order asked; empty entries for unknown patients. One MultiGet.
  virtual Result<std::vector<std::optional<Snapshot>>> snapshots(std::span<const std::string> patient_ids) const = 0;
  virtual Status for_each_snapshot(const std::function<void(Snapshot)>& visit) const = 0;
  virtual std::uint64_t patient_count_estimate() const = 0;

  virtual Result<std::map<std::pair<std::string, std::int32_t>, StoredPosition>> positions() const = 0;
  virtual Result<StoredMeta> meta(const std::string& name) const = 0;  ///< not_found when never written
  /// The rows of PartChange under this name, ascending by key. They are of the schema that meta() tells.
  virtual Status for_each_row(const std::string& name, const std::function<Status(std::uint64_t, std::string_view)>& visit) const = 0;

  /// The schemas that records here and in the changelog name.
  virtual const SchemaBook& schemas() const = 0;
  /// Takes one from a log, durably; `record`: encode_schema_record(). Errors as SchemaBook::add().
  virtual Status learn_schema(std::string_view record) = 0;
  /// Features, attributes and payloads that snapshots() and restored snapshots had and the present schema has not, since the start.
  virtual std::uint64_t dropped() const = 0;

  /// Where each patient's records stand, in the order asked; without any: the empty state.
  virtual Result<std::vector<PersonState>> persons(std::span<const std::string> patient_ids) const = 0;
  /// What was delivered under ids, in the order asked, without the hours; empty where nothing was. One MultiGet.
  virtual Result<std::vector<std::optional<Delivery>>> deliveries(std::span<const DeliveryKey> keys) const = 0;
  /// `state`: as persons() told it.
  virtual Result<PersonPast> past(std::string_view patient_id, const PersonState& state, std::span<const PartKey> parts) const = 0;
  /// The payloads that are kept beside the newest one of these modalities, in the order asked; empty where none are.
  virtual Result<std::vector<HeldPayloads>> payloads(std::string_view patient_id, std::span<const PartKey> parts) const = 0;
  /// All that was delivered under the patient's ids, of which the last byte is lost; `hour`: of the patient's newest clinical time.
  virtual Result<std::vector<DeliveryRow>> delivered(std::string_view patient_id, std::uint32_t hour) const = 0;
  /// The changelog's keys of what is kept of the patient beside the snapshot.
  virtual Result<std::vector<std::string>> person_keys(std::string_view patient_id) const = 0;
  /// All of that, read at once; the ids only `with_rows`: there may be many.
  virtual Result<PersonWhole> whole_person(std::string_view patient_id, bool with_rows) const = 0;
  /// Which ids go so that none before `hour` and at most `ids_max` stay; all are within three years of it. Reads all of the patient's.
  virtual Result<Expiry> expiry(std::string_view patient_id, std::uint32_t hour, std::uint64_t ids_max) const = 0;

  /// All or nothing. `unavailable` (the disk is full): nothing was written; call it again once there may be room. Then the
  /// database is opened again; should that fail for want of room, reads are `unavailable` too until it succeeds.
  virtual Status apply(const StateChange& change) = 0;
  /// Bytes that apply() has written since the store was opened, into its log and once more into its tables.
  virtual std::uint64_t written() const = 0;
  /// Forgets a partition: its position, and the snapshots whose newest record came from it. Replay examples stay. In
  /// steps of bounded size, the position first: interrupted, it is simply done again.
  virtual Status wipe(const std::string& topic, std::int32_t partition) = 0;
  /// fsync of everything applied so far; at shutdown.
  virtual Status sync() = 0;

  /// A draw of `count` examples (with replacement), as ReplayBuffer::draw() draws; the same seed over the
  /// same buffer gives the same draw. Fewer when the buffer is empty, or nothing that an example learns from is left in the schema.
  virtual Result<std::vector<Example>> draw(std::size_t count, std::uint64_t seed) const = 0;
  /// Those at these places of the buffer, which are numbered from 0 below replay_size(); in their order, without places beyond it and
  /// without what nothing is left to learn from.
  virtual Result<std::vector<Example>> replayed(std::span<const std::size_t> places) const = 0;
  virtual std::size_t replay_size() const = 0;
  virtual std::size_t replay_size(std::string_view patient_id) const = 0;  ///< of this patient

  virtual Status put_checkpoint(const std::string& name, const std::string& bytes) = 0;  ///< fsynced, with checksum
  virtual Result<std::string> checkpoint(const std::string& name) const = 0;             ///< corrupt: checksum mismatch
  virtual Result<std::vector<std::string>> checkpoint_names() const = 0;
  virtual Status drop_checkpoint(const std::string& name) = 0;

  /// Bytes on disk and in memory by name ("block_cache", "memtables", "sst"), for metrics.
  virtual std::map<std::string, std::uint64_t> usage() const = 0;
};

/// Puts a store that open() called `corrupt` aside, for whoever wants to know why: renames options.path to
/// "<path>.damaged-<n>" and gives that name. Afterwards open() makes an empty one.
Result<std::string> quarantine(const std::string& path);

/// A position as the changelog and the store hold it.
struct PartitionPosition {
  std::string topic;
  std::int32_t partition = 0;
  StoredPosition position;
  friend bool operator==(const PartitionPosition&, const PartitionPosition&) = default;
};
std::string encode_position(const PartitionPosition& position);
Result<PartitionPosition> decode_position(std::string_view bytes);

/// A piece of an instance's model checkpoint, as it is published; state/model_chunks.h cuts and joins.
struct ModelChunk {
  std::string instance;
  std::uint64_t number = 0;  ///< of the checkpoint; the instance's next one has a higher number
  std::uint32_t chunk = 0;   ///< 0 .. chunks - 1
  std::uint32_t chunks = 1;
  std::uint32_t crc32 = 0;  ///< of the whole checkpoint
  std::string content;      ///< its bytes in this piece
  friend bool operator==(const ModelChunk&, const ModelChunk&) = default;
};
/// What is cut into pieces: the learner's checkpoint, and the store's named state at that time.
struct PublishedModel {
  std::string learner;
  std::map<std::string, std::string> meta;
  std::string schema{};  ///< encode_schema() of the one that both were written under; empty: before it was kept
  friend bool operator==(const PublishedModel&, const PublishedModel&) = default;
};
std::string encode_published_model(const PublishedModel& checkpoint);
Result<PublishedModel> decode_published_model(std::string_view bytes);
std::string encode_model_chunk(const ModelChunk& chunk);
Result<ModelChunk> decode_model_chunk(std::string_view bytes);

}  // namespace lacuna::state
