#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "state/person_records.h"
#include "state/person_whole.h"
#include "state/records/status.h"
#include "state/store.h"

namespace rocksdb {
class WriteBatch;
}

// Where the records of persons lie in the store's database: column family `deliveries` (patient, id), column family `persons` (patient,
// kind, number). Patients are named by patient_key(), so that the rows of one stand together and are short. Private to this folder.

namespace lacuna::state {

struct RocksDbHandles;

/// In the order asked; of patients without records the empty state.
Result<std::vector<PersonState>> read_persons(const RocksDbHandles& handles, std::span<const std::string> patient_ids);
/// In the order asked; empty where nothing was delivered.
Result<std::vector<std::optional<Delivery>>> read_deliveries(const RocksDbHandles& handles, std::span<const DeliveryKey> keys);
/// All of the patient's, in the order of their ids, of which the last byte is lost; `hour`: near which they came.
Result<std::vector<DeliveryRow>> read_delivered(const RocksDbHandles& handles, std::string_view patient_id, std::uint32_t hour);
Result<PersonPast> read_past(const RocksDbHandles& handles, std::string_view patient_id, const PersonState& state,
                             std::span<const PartKey> parts);
/// In the order asked; empty where none are kept.
Result<std::vector<HeldPayloads>> read_payloads(const RocksDbHandles& handles, std::string_view patient_id, std::span<const PartKey> parts);
Result<Expiry> read_expiry(const RocksDbHandles& handles, std::string_view patient_id, std::uint32_t hour, std::uint64_t ids_max);
/// The changelog's keys of all that is kept of the patient here.
Result<std::vector<std::string>> read_person_keys(const RocksDbHandles& handles, std::string_view patient_id);

Result<PersonWhole> read_whole_person(const RocksDbHandles& handles, std::string_view patient_id, bool with_rows);

Status write_person(const RocksDbHandles& handles, const PersonUpdate& update, rocksdb::WriteBatch& batch);
/// All that is kept of the patient beside the snapshot.
void delete_person(const RocksDbHandles& handles, std::string_view patient_id, rocksdb::WriteBatch& batch);

}  // namespace lacuna::state
