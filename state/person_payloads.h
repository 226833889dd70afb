#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "state/deliveries.h"
#include "state/records/records.h"
#include "state/records/status.h"

// The payloads of one modality of one patient: the newest is in the snapshot, and a few of those before it are kept, so that they come
// back when it is withdrawn. Pure values and functions.

namespace lacuna::state {

/// A payload that holds.
struct HeldPayload {
  Time time{};
  PayloadRef payload{};  ///< never none
  friend bool operator==(const HeldPayload&, const HeldPayload&) = default;
};
/// By time, of equal times as they came.
using HeldPayloads = std::vector<HeldPayload>;

/// What happens to one payload.
struct PayloadChange {
  Tag replaces = 0;  ///< payload_tag() of the one that holds no more; 0: of none
  Time time{};
  PayloadRef payload{};  ///< that holds now; none: a withdrawal
};
/// True where what it replaces was there. What is not there (any more) is not taken away, and a payload that replaces it holds all the
/// same.
bool apply_change(HeldPayloads& held, const PayloadChange& change);

/// Those before the newest, as they are kept.
struct StoredPayloads {
  std::uint64_t begun = 0;     ///< PersonState::begun
  std::uint64_t sequence = 0;  ///< of the batch that wrote it
  HeldPayloads held;
  friend bool operator==(const StoredPayloads&, const StoredPayloads&) = default;
};
std::string encode_payloads(const StoredPayloads& stored);
/// Of any bytes. Whether a payload fits a modality is not looked at.
Result<StoredPayloads> decode_payloads(std::string_view bytes);

}  // namespace lacuna::state
