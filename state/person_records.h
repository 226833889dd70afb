#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "state/deliveries.h"
#include "state/person_history.h"
#include "state/person_payloads.h"
#include "state/records/status.h"

// What is kept of a patient beside the snapshot, as records of their own (docs/formats.md): a journal of each batch, and from time to time
// what the journals add up to. Every decoder takes arbitrary bytes.

namespace lacuna::state {

/// How many batches of a patient stand in journals at most before they are folded. Each has a slot, which the one that comes so many
/// later takes over.
inline constexpr std::uint64_t kJournalSlots = 32;
inline constexpr std::uint64_t kJournalSlotsV1 = 16;  ///< of journals of version 1, whose slots were the first ones
constexpr std::uint64_t journal_slot(std::uint64_t sequence) { return kJournalSlotsV1 + sequence % kJournalSlots; }
constexpr std::uint64_t journal_slot_v1(std::uint64_t sequence) { return sequence % kJournalSlotsV1; }
/// A batch with more ids of one patient is folded at once, so that no record grows with the batch.
inline constexpr std::size_t kJournalRowsMax = 64;
inline constexpr std::size_t kChunkRowsMax = 256;

/// Where a patient's records stand. Numbers begin at `begun`, how far the partition's topics had been read together, so that those of a
/// person who begins after a forgetting are higher than all before, through whichever topic either came.
struct PersonState {
  std::uint64_t begun = 0;        ///< which person this is, of those who had the id one after the other
  std::uint64_t sequence = 0;     ///< `begun`, and the batches that changed the patient; 0: there are no records
  std::uint64_t folded = 0;       ///< the last one whose values the histories hold
  std::uint64_t ids = 0;          ///< remembered, of events and results
  std::uint64_t chunks = 0;       ///< written so far
  std::uint32_t oldest_hour = 0;  ///< no id is older; see hour_of()
  std::uint32_t since_hour = 0;   ///< the patient's clinical time at the first of these records
  friend bool operator==(const PersonState&, const PersonState&) = default;
};

/// What stands under one id of the patient: event_key() or result_key().
struct DeliveryRow {
  std::uint64_t id = 0;
  Delivery delivery;
  friend bool operator==(const DeliveryRow&, const DeliveryRow&) = default;
};

/// What happened to one value of the patient.
struct ValueChange {
  PartKey part = 0;
  HistoryChange change;
  friend bool operator==(const ValueChange&, const ValueChange&) = default;
};

/// What one batch did: the ids and values that came. Folded at once (state.folded == state.sequence) it holds neither: chunks and
/// histories do.
struct PersonJournal {
  PersonState state;
  std::vector<DeliveryRow> rows;
  std::vector<ValueChange> changes;
  friend bool operator==(const PersonJournal&, const PersonJournal&) = default;
};
std::string encode_journal(const PersonJournal& journal);
Result<PersonJournal> decode_journal(std::string_view bytes);

/// The ids of several batches.
struct DeliveryChunk {
  std::uint64_t begun = 0;     ///< PersonState::begun
  std::uint64_t sequence = 0;  ///< of the newest batch in it
  std::vector<DeliveryRow> rows;
  std::uint32_t newest_hour() const;
  friend bool operator==(const DeliveryChunk&, const DeliveryChunk&) = default;
};
std::string encode_chunk(const DeliveryChunk& chunk);
Result<DeliveryChunk> decode_chunk(std::string_view bytes);

struct StoredHistory {
  std::uint64_t begun = 0;     ///< PersonState::begun
  std::uint64_t sequence = 0;  ///< of the newest batch in it
  FeatureHistory history;
  friend bool operator==(const StoredHistory&, const StoredHistory&) = default;
};
std::string encode_history(const StoredHistory& stored);
Result<StoredHistory> decode_history(std::string_view bytes);

/// A row without its id, as the store holds it under that. Of the hour it keeps 16 bits: it is read as the one nearest to `near`.
std::string encode_delivery(const Delivery& delivery);
Result<Delivery> decode_delivery(std::string_view bytes, std::uint32_t near);

/// Ids that are forgotten: those before `hour`.
struct Expiry {
  std::uint32_t hour = 0;
  std::uint64_t kept = 0;             ///< ids that stay
  std::vector<std::uint64_t> chunks;  ///< numbers of those that hold nothing else
  friend bool operator==(const Expiry&, const Expiry&) = default;
};

/// What a batch, or a piece of the changelog, does to one patient's records. In this order.
struct PersonUpdate {
  std::string patient_id;
  std::vector<DeliveryRow> rows;
  std::vector<PersonJournal> journals{};                          ///< of a batch: one
  std::vector<std::pair<std::uint64_t, DeliveryChunk>> chunks{};  ///< by number
  std::vector<std::pair<PartKey, StoredHistory>> histories{};
  std::vector<std::pair<PartKey, StoredPayloads>> payloads{};  ///< empty ones too: there are none any more
  std::optional<Expiry> expiry{};
  /// Of `journals` and `histories`, in their order; empty: not encoded yet.
  std::vector<std::string> journal_bytes{}, history_bytes{};
};
/// For the store and the changelog alike, once.
void encode(PersonUpdate& update);

/// Of a patient, what the snapshot does not tell: what is not folded yet, in order, and the histories asked for, as far as there are any.
/// What was deleted from the changelog before the store was rebuilt is not there, and the snapshot is right all the same.
struct PersonPast {
  std::vector<PersonJournal> pending;
  std::vector<std::optional<FeatureHistory>> histories;  ///< in the order asked
};

/// A record of the changelog; without a value: deleted.
struct PersonRecord {
  std::string key;
  std::optional<std::string> value;
};
enum class PersonRecordKind : char { journal = 'j', history = 'h', chunk = 'c', payloads = 'y' };
/// The key of one in the changelog. `number`: the slot, PartKey or number of the chunk.
std::string person_record_key(std::string_view patient_id, PersonRecordKind kind, std::uint64_t number);
/// An update as records of the changelog.
std::vector<PersonRecord> to_records(const PersonUpdate& update);
/// What such a key says; empty for any other.
struct PersonKey {
  std::string_view patient_id;  ///< of the key that was given
  PersonRecordKind kind = PersonRecordKind::journal;
  std::uint64_t number = 0;
};
std::optional<PersonKey> parse_person_key(std::string_view key);
/// The patient whose person record has this key; empty for any other key.
inline std::optional<std::string_view> person_of(std::string_view key) {
  const std::optional<PersonKey> one = parse_person_key(key);
  return one ? std::optional(one->patient_id) : std::nullopt;
}
/// Adds one record of the patient to what is to be written; the records come in the order of the log. One that `known`, what the store
/// holds of the patient, is past already is passed over. True: it is the first of another person, who began after a forgetting whose
/// tombstone compaction has removed: what the store and `update` held is forgotten, `known` is that person's.
Result<bool> add_record(std::string_view key, const std::optional<std::string>& value, PersonState& known, PersonUpdate& update);

}  // namespace lacuna::state
