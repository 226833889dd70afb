#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "state/deliveries.h"
#include "state/person_history.h"
#include "state/person_records.h"
#include "state/records/records.h"
#include "state/records/status.h"

// What is known of a person, on its way to the person into whom it is merged, who may be known to another instance (docs/formats.md).

namespace lacuna::state {

struct PersonTransfer {
  std::string source;  ///< key of the person who is merged
  /// In the last piece alone.
  std::optional<Snapshot> snapshot;
  std::vector<std::pair<PartKey, FeatureHistory>> histories;  ///< beside the snapshot
  std::vector<std::pair<PartKey, HeldPayloads>> payloads;     ///< beside the snapshot's
  std::vector<DeliveryRow> rows;                              ///< ids; the last byte of each is lost (kLostIdBits)
  friend bool operator==(const PersonTransfer&, const PersonTransfer&) = default;
};

/// Ids in one piece at most, so that it fits into a message.
inline constexpr std::size_t kTransferRowsMax = 4096;

/// In pieces that go in this order, each with a part of the ids. `schema`: of the snapshot, which has to be there.
std::vector<std::string> encode_transfer(const Schema& schema, const PersonTransfer& transfer);
/// One piece, of any bytes, with the snapshot in the present schema. `corrupt`; `unsupported` for a newer format, or where nothing leads to
/// the present schema.
Result<PersonTransfer> decode_transfer(const Schema& present, std::string_view bytes);

}  // namespace lacuna::state
