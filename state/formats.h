#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "state/records/status.h"
#include "state/replay_buffer.h"
#include "state/store.h"

// The stored records beside Snapshot and Example (those are in store.h, since the changelog carries them too). Every
// decoder takes arbitrary bytes: `corrupt` for what it did not write, `unsupported` for a newer format version.

namespace lacuna::state {

/// Raised when a reader of the version before would misread what is written.
inline constexpr std::uint32_t kFormatVersion = 1;

std::string encode_stratum(const Stratum& stratum);
Result<Stratum> decode_stratum(std::string_view bytes);

struct StoreHeader {
  std::uint64_t schema_fingerprint = 0;
  std::uint64_t patients = 0;
};
std::string encode_header(const StoreHeader& header);
Result<StoreHeader> decode_header(std::string_view bytes);

}  // namespace lacuna::state
