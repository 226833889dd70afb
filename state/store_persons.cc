#include "state/store_persons.h"

#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <map>
#include <memory>

#include "state/records/bytes.h"
#include "state/rocksdb_handles.h"
#include "state/store_layout.h"

namespace lacuna::state {

namespace {

constexpr char kStateKind = 'p', kJournalKind = static_cast<char>(PersonRecordKind::journal),
               kHistoryKind = static_cast<char>(PersonRecordKind::history), kChunkKind = static_cast<char>(PersonRecordKind::chunk),
               kPayloadsKind = static_cast<char>(PersonRecordKind::payloads);

// Big-endian, so that keys sort as their numbers do.
void append_number(std::string& key, std::uint64_t number) {
  for (int shift = 56; shift >= 0; shift -= 8) key.push_back(static_cast<char>(number >> shift & 0xff));
}

std::string prefix(std::uint64_t patient) {
  std::string key;
  append_number(key, patient);
  return key;
}

std::string person_key(std::uint64_t patient, char kind, std::uint64_t number) {
  std::string key = prefix(patient) + kind;
  if (kind != kStateKind) append_number(key, number);
  return key;
}

std::uint64_t number_at(const rocksdb::Slice& key, std::size_t from) {
  std::uint64_t out = 0;
  for (std::size_t i = from; i < key.size(); ++i) out = out << 8 | static_cast<unsigned char>(key[i]);
  return out;
}

// Of an id seven bytes are enough to tell those of one patient apart (kLostIdBits).
std::string delivery_key(const DeliveryKey& key) {
  std::string out = prefix(key.patient);
  append_number(out, key.id);
  out.pop_back();
  return out;
}

MultiGet get_all(const RocksDbHandles& handles, rocksdb::ColumnFamilyHandle* family, const std::vector<std::string>& keys) {
  return multi_get(handles, family, rocksdb::ReadOptions(), {keys.begin(), keys.end()}, false);
}

// Calls `visit` for each row whose key starts with `start`.
template <typename Visit>
Status for_each(const RocksDbHandles& handles, rocksdb::ColumnFamilyHandle* family, const std::string& start, Visit visit) {
  rocksdb::ReadOptions options;
  options.fill_cache = false;
  const std::unique_ptr<rocksdb::Iterator> it(handles.db->NewIterator(options, family));
  for (it->Seek(start); it->Valid() && it->key().starts_with(start); it->Next()) {
    LACUNA_RETURN_IF_ERROR(visit(it->key(), it->value().ToStringView()));
  }
  return to_status(it->status(), "reading the records of a patient");
}

}  // namespace

Result<std::vector<PersonState>> read_persons(const RocksDbHandles& handles, std::span<const std::string> patient_ids) {
  std::vector<std::string> keys;
  keys.reserve(patient_ids.size());
  for (const std::string& id : patient_ids) keys.push_back(person_key(patient_key(id), kStateKind, 0));
  const MultiGet found = get_all(handles, handles.persons, keys);
  std::vector<PersonState> out(keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (found.statuses[i].IsNotFound()) continue;
    LACUNA_RETURN_IF_ERROR(to_status(found.statuses[i], "reading the state of patients"));
    const Result<PersonJournal> state = decode_journal(found.values[i].ToStringView());
    if (!state.ok()) return state.status();
    out[i] = state->state;
  }
  return out;
}

Result<std::vector<std::optional<Delivery>>> read_deliveries(const RocksDbHandles& handles, std::span<const DeliveryKey> keys) {
  std::vector<std::string> names;
  names.reserve(keys.size());
  for (const DeliveryKey& key : keys) names.push_back(delivery_key(key));
  const MultiGet found = get_all(handles, handles.deliveries, names);
  std::vector<std::optional<Delivery>> out(keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (found.statuses[i].IsNotFound()) continue;
    LACUNA_RETURN_IF_ERROR(to_status(found.statuses[i], "reading ids"));
    Result<Delivery> decoded = decode_delivery(found.values[i].ToStringView(), 0);
    if (!decoded.ok()) return decoded.status();
    decoded->hour = 0;
    out[i] = std::move(*decoded);
  }
  return out;
}

Result<std::vector<DeliveryRow>> read_delivered(const RocksDbHandles& handles, std::string_view patient_id, std::uint32_t hour) {
  const std::string start = prefix(patient_key(patient_id));
  std::vector<DeliveryRow> out;
  LACUNA_RETURN_IF_ERROR(for_each(handles, handles.deliveries, start, [&](const rocksdb::Slice& key, std::string_view bytes) -> Status {
    Result<Delivery> delivery = decode_delivery(bytes, hour);
    if (!delivery.ok()) return delivery.status();
    out.push_back({number_at(key, start.size()) << kLostIdBits, std::move(*delivery)});
    return {};
  }));
  return out;
}

namespace {

// The journals of these sequences, as far as they are there; the others are left in `sequences`.
Status read_journals(const RocksDbHandles& handles, std::uint64_t patient, std::uint64_t (*slot)(std::uint64_t),
                     std::vector<std::uint64_t>& sequences, std::vector<PersonJournal>& out) {
  std::vector<std::string> keys;
  for (const std::uint64_t sequence : sequences) keys.push_back(person_key(patient, kJournalKind, slot(sequence)));
  const MultiGet found = get_all(handles, handles.persons, keys);
  std::vector<std::uint64_t> missing;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (!found.statuses[i].IsNotFound()) {
      LACUNA_RETURN_IF_ERROR(to_status(found.statuses[i], "reading the records of a patient"));
      Result<PersonJournal> journal = decode_journal(found.values[i].ToStringView());
      if (!journal.ok()) return journal.status();
      if (journal->state.sequence == sequences[i]) {
        out.push_back(std::move(*journal));
        continue;
      }
    }
    missing.push_back(sequences[i]);
  }
  sequences = std::move(missing);
  return {};
}

}  // namespace

Result<PersonPast> read_past(const RocksDbHandles& handles, std::string_view patient_id, const PersonState& state,
                             std::span<const PartKey> parts) {
  const std::uint64_t patient = patient_key(patient_id);
  PersonPast out;
  std::vector<std::uint64_t> sequences;
  for (std::uint64_t s = state.folded + 1; s <= state.sequence; ++s) sequences.push_back(s);
  LACUNA_RETURN_IF_ERROR(read_journals(handles, patient, journal_slot, sequences, out.pending));
  if (!sequences.empty()) {
    LACUNA_RETURN_IF_ERROR(read_journals(handles, patient, journal_slot_v1, sequences, out.pending));
    std::ranges::sort(out.pending, {}, [](const PersonJournal& journal) { return journal.state.sequence; });
  }
  std::vector<std::string> keys;
  for (const PartKey part : parts) keys.push_back(person_key(patient, kHistoryKind, part));
  const MultiGet found = get_all(handles, handles.persons, keys);
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (found.statuses[i].IsNotFound()) {
      out.histories.emplace_back();
      continue;
    }
    LACUNA_RETURN_IF_ERROR(to_status(found.statuses[i], "reading the records of a patient"));
    Result<StoredHistory> history = decode_history(found.values[i].ToStringView());
    if (!history.ok()) return history.status();
    out.histories.emplace_back(std::move(history->history));
  }
  return out;
}

Result<std::vector<HeldPayloads>> read_payloads(const RocksDbHandles& handles, std::string_view patient_id,
                                                std::span<const PartKey> parts) {
  std::vector<std::string> keys;
  for (const PartKey part : parts) keys.push_back(person_key(patient_key(patient_id), kPayloadsKind, part));
  const MultiGet found = get_all(handles, handles.persons, keys);
  std::vector<HeldPayloads> out(keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (found.statuses[i].IsNotFound()) continue;
    LACUNA_RETURN_IF_ERROR(to_status(found.statuses[i], "reading the records of a patient"));
    Result<StoredPayloads> stored = decode_payloads(found.values[i].ToStringView());
    if (!stored.ok()) return stored.status();
    out[i] = std::move(stored->held);
  }
  return out;
}

Result<Expiry> read_expiry(const RocksDbHandles& handles, std::string_view patient_id, std::uint32_t hour, std::uint64_t ids_max) {
  const std::string start = prefix(patient_key(patient_id));
  std::map<std::uint32_t, std::uint64_t> by_hour;
  LACUNA_RETURN_IF_ERROR(for_each(handles, handles.deliveries, start, [&](const rocksdb::Slice&, std::string_view bytes) -> Status {
    const Result<Delivery> delivery = decode_delivery(bytes, hour);
    if (!delivery.ok()) return delivery.status();
    by_hour[delivery->hour] += 1;
    return {};
  }));
  Expiry out;
  out.hour = hour;
  for (auto at = by_hour.rbegin(); at != by_hour.rend() && at->first >= hour; ++at) {
    if (out.kept + at->second > ids_max && out.kept > 0) {
      out.hour = at->first + 1;
      break;
    }
    out.kept += at->second;
  }
  LACUNA_RETURN_IF_ERROR(
      for_each(handles, handles.persons, start + kChunkKind, [&](const rocksdb::Slice& key, std::string_view bytes) -> Status {
        ByteReader in(bytes);
        if (in.get<std::uint32_t>() >= out.hour || !in.ok()) return {};
        out.chunks.push_back(number_at(key, start.size() + 1));
        return {};
      }));
  return out;
}

Result<std::vector<std::string>> read_person_keys(const RocksDbHandles& handles, std::string_view patient_id) {
  const std::string start = prefix(patient_key(patient_id));
  std::vector<std::string> out;
  LACUNA_RETURN_IF_ERROR(for_each(handles, handles.persons, start, [&](const rocksdb::Slice& key, std::string_view) -> Status {
    const char kind = key[start.size()];
    if (kind == kStateKind) return {};
    out.push_back(person_record_key(patient_id, static_cast<PersonRecordKind>(kind), number_at(key, start.size() + 1)));
    return {};
  }));
  return out;
}

Result<PersonWhole> read_whole_person(const RocksDbHandles& handles, std::string_view patient_id, bool with_rows) {
  PersonWhole out;
  const std::string start = prefix(patient_key(patient_id));
  LACUNA_RETURN_IF_ERROR(for_each(handles, handles.persons, start, [&](const rocksdb::Slice& key, std::string_view bytes) -> Status {
    const char kind = key[start.size()];
    const std::uint64_t number = number_at(key, start.size() + 1);
    if (kind == kHistoryKind) {
      Result<StoredHistory> history = decode_history(bytes);
      if (!history.ok()) return history.status();
      out.histories.emplace(static_cast<PartKey>(number), std::move(*history));
    } else if (kind == kPayloadsKind) {
      Result<StoredPayloads> payloads = decode_payloads(bytes);
      if (!payloads.ok()) return payloads.status();
      out.payloads.emplace(static_cast<PartKey>(number), std::move(*payloads));
    } else if (kind == kChunkKind) {
      ByteReader in(bytes);
      out.chunks.emplace(number, in.get<std::uint32_t>());
    } else {
      Result<PersonJournal> journal = decode_journal(bytes);
      if (!journal.ok()) return journal.status();
      if (kind == kStateKind) out.state = journal->state;
      else out.journals.emplace(number, std::move(*journal));
    }
    return {};
  }));
  if (!with_rows) return out;
  LACUNA_RETURN_IF_ERROR(for_each(handles, handles.deliveries, start, [&](const rocksdb::Slice& key, std::string_view bytes) -> Status {
    Result<Delivery> delivery = decode_delivery(bytes, out.state.oldest_hour);
    if (!delivery.ok()) return delivery.status();
    out.rows.push_back({number_at(key, start.size()) << 8, std::move(*delivery)});
    return {};
  }));
  return out;
}

Status write_person(const RocksDbHandles& handles, const PersonUpdate& update, rocksdb::WriteBatch& batch) {
  const std::uint64_t patient = patient_key(update.patient_id);
  rocksdb::Status built;
  const auto put = [&](rocksdb::ColumnFamilyHandle* family, const std::string& key, const std::string& value) {
    const rocksdb::Status status = batch.Put(family, key, value);
    if (built.ok()) built = status;
  };
  const auto drop = [&](rocksdb::ColumnFamilyHandle* family, const rocksdb::Slice& key) {
    const rocksdb::Status status = batch.Delete(family, key);
    if (built.ok()) built = status;
  };
  if (update.expiry && update.expiry->hour > 0) {
    // Before the rows of this batch are written: an id that came again stays.
    LACUNA_RETURN_IF_ERROR(
        for_each(handles, handles.deliveries, prefix(patient), [&](const rocksdb::Slice& key, std::string_view bytes) -> Status {
          const Result<Delivery> delivery = decode_delivery(bytes, update.expiry->hour);
          if (!delivery.ok()) return delivery.status();
          if (delivery->hour < update.expiry->hour) drop(handles.deliveries, key);
          return {};
        }));
  }
  for (const DeliveryRow& row : update.rows) put(handles.deliveries, delivery_key({patient, row.id}), encode_delivery(row.delivery));
  for (std::size_t i = 0; i < update.journals.size(); ++i) {
    const PersonJournal& journal = update.journals[i];
    put(handles.persons, person_key(patient, kJournalKind, journal_slot(journal.state.sequence)),
        update.journal_bytes.empty() ? encode_journal(journal) : update.journal_bytes[i]);
    put(handles.persons, person_key(patient, kStateKind, 0), encode_journal({journal.state, {}, {}}));
  }
  for (const auto& [number, chunk] : update.chunks) {
    ByteWriter newest;
    newest.put(chunk.newest_hour());
    put(handles.persons, person_key(patient, kChunkKind, number), newest.take());
  }
  for (std::size_t i = 0; i < update.histories.size(); ++i) {
    const auto& [part, history] = update.histories[i];
    put(handles.persons, person_key(patient, kHistoryKind, part),
        update.history_bytes.empty() ? encode_history(history) : update.history_bytes[i]);
  }
  for (const auto& [part, payloads] : update.payloads)
    put(handles.persons, person_key(patient, kPayloadsKind, part), encode_payloads(payloads));
  if (update.expiry) {
    for (const std::uint64_t number : update.expiry->chunks) drop(handles.persons, person_key(patient, kChunkKind, number));
  }
  return to_status(built, "building a write batch");
}

void delete_person(const RocksDbHandles& handles, std::string_view patient_id, rocksdb::WriteBatch& batch) {
  const std::string start = prefix(patient_key(patient_id));
  const auto drop = [&](rocksdb::ColumnFamilyHandle* family) {
    const std::unique_ptr<rocksdb::Iterator> it(handles.db->NewIterator(rocksdb::ReadOptions(), family));
    for (it->Seek(start); it->Valid() && it->key().starts_with(start); it->Next()) batch.Delete(family, it->key());
  };
  drop(handles.deliveries);
  drop(handles.persons);
}

}  // namespace lacuna::state
