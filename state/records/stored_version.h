#pragma once

#include <cstdint>
#include <string>

#include "state/records/bytes.h"
#include "state/records/status.h"

namespace lacuna {

/// What small state begins with (see bytes.h). `unsupported` when it is a version other than `known`, the only one that its
/// reader knows; `corrupt` when there is none, since no version is 0.
inline Status take_version(ByteReader& in, std::uint32_t known, const std::string& what) {
  const auto version = in.get<std::uint32_t>();
  if (!in.ok() || version == 0) return {Code::corrupt, what + ": no version"};
  if (version == known) return {};
  return {Code::unsupported, what + ": version " + std::to_string(version) + ", this build reads " + std::to_string(known)};
}

}  // namespace lacuna
