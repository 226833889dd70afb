#pragma once

#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "state/stored_records.h"
#include "tests/unit/state/workload.h"

namespace lacuna::state::fuzz {

inline void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "violated: %s\n", what);
  std::abort();
}

/// What every decoder promises for arbitrary bytes. What it read as it is written; empty: it refused.
template <typename Decode, typename Encode>
std::optional<std::string> check_decoder(std::string_view bytes, const Decode& decode, const Encode& encode) {
  const auto decoded = decode(bytes);
  if (!decoded.ok()) {
    require(decoded.code() == Code::corrupt || decoded.code() == Code::unsupported, "a refusal is corrupt or unsupported");
    require(!decoded.status().message().empty(), "a refusal says why");
    return std::nullopt;
  }
  const std::string written = encode(*decoded);
  const auto again = decode(written);
  require(again.ok(), "what was encoded decodes");
  require(*again == *decoded, "and is the same record");
  require(encode(*again) == written, "and is written the same");
  return written;
}

/// Of stored records, which are Protocol Buffers.
template <typename Decode, typename Encode>
void check(std::string_view bytes, const Decode& decode, const Encode& encode) {
  const std::optional<std::string> written = check_decoder(bytes, decode, encode);
  if (!written) return;
  // Of a field that comes twice the later one counts; field 1 is the version in every record.
  require(decode(*written + std::string{0x08, static_cast<char>(state::kFormatVersion + 1)}).code() != Code::ok,
          "a newer version is never read");
}

}  // namespace lacuna::state::fuzz
