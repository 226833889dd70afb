#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "state/records/status.h"
#include "state/replay_buffer.h"
#include "state/schema_book.h"
#include "state/store.h"

// The stored records beside Snapshot and Example (those are in store.h, since the changelog carries them too). Every
// decoder takes arbitrary bytes: `corrupt` for what it did not write, `unsupported` for a newer format version.

namespace lacuna::state {

/// Raised when a reader of the version before would misread what is written. 2: snapshots and examples name their schema. 3: values of
/// theirs are censored.
inline constexpr std::uint32_t kFormatVersion = 3;
/// Written where nothing is censored, so that an earlier build reads it.
inline constexpr std::uint32_t kPlainFormatVersion = 2;

std::string encode_stratum(const ReplayStratum& stratum);
Result<ReplayStratum> decode_stratum(std::string_view bytes);

struct StoreHeader {
  std::uint64_t schema_fingerprint = 0;  ///< under which it was last opened
  std::uint64_t patients = 0;
  std::uint64_t unnamed_fingerprint = 0;  ///< of the schema of records that name none; 0: not known
  friend bool operator==(const StoreHeader&, const StoreHeader&) = default;
};
std::string encode_header(const StoreHeader& header);
Result<StoreHeader> decode_header(std::string_view bytes);

struct NamedBlob {
  std::string name;
  std::string content;
  std::uint64_t schema_fingerprint = 0;  ///< 0: it names none
  std::uint32_t pieces = 0;              ///< the content lies beside it in so many; 0: it is here
  friend bool operator==(const NamedBlob&, const NamedBlob&) = default;
};
std::string encode_named_blob(const NamedBlob& named);
Result<NamedBlob> decode_named_blob(std::string_view bytes);

/// In the changelog under schema_key(), in the store under its fingerprint.
std::string encode_schema_record(const SchemaRecord& record);
Result<SchemaRecord> decode_schema_record(std::string_view bytes);

/// A whole checkpoint file. Damage is told from a newer version by the checksum.
std::string encode_checkpoint_file(const std::string& name, const std::string& content);
Result<NamedBlob> decode_checkpoint_file(std::string_view bytes);

/// CRC-32 as zlib has it; `crc`: of what came before.
std::uint32_t crc32_of(std::string_view bytes, std::uint32_t crc = 0);

}  // namespace lacuna::state
