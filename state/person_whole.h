#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "state/person_records.h"
#include "state/records/status.h"

// A patient's records as a whole: whether a record of the changelog is one of them, and how they are written anew.

namespace lacuna::state {

/// All that the store holds of a patient beside the snapshot. `state.sequence` 0: nothing.
struct PersonWhole {
  PersonState state;
  std::map<std::uint64_t, PersonJournal> journals;  ///< by slot; those that are folded too
  std::map<PartKey, StoredHistory> histories;
  std::map<PartKey, StoredPayloads> payloads;
  std::map<std::uint64_t, std::uint32_t> chunks;  ///< number, newest hour
  std::vector<DeliveryRow> rows;                  ///< by id, the lowest byte of which is not kept; only where asked for
};

/// A record of the changelog beside what the store holds.
enum class Told : std::uint8_t {
  same,     ///< a restore that ends with it ends with what the store holds
  earlier,  ///< it does not, but whatever comes later under the key prevails
  other,    ///< it says what the patient's records never said
};
/// `key`: of one of the patient's person records. `corrupt`: the value is no such record.
Result<Told> compare(const PersonWhole& whole, std::string_view key, const std::optional<std::string>& value);

/// The records that a reader needs who knows nothing of the patient: histories, what is not folded, and the ids that are, in the chunks
/// that there are. Without journals where there is nothing.
PersonUpdate written_anew(std::string_view patient_id, const PersonWhole& whole);
/// Keys of what is folded and stands in the changelog still: read before the chunks, it would hide them.
std::vector<std::string> folded_keys(std::string_view patient_id, const PersonWhole& whole);

}  // namespace lacuna::state
