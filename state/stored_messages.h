#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "state/records/status.h"
#include "state/records/time.h"
#include "state/stored_records.h"

// Between Protocol Buffers messages and bytes, for the sources that encode and decode stored records.

namespace lacuna::state {

// Wide enough for every time an event may carry, narrow enough that differences of stored times cannot overflow.
inline constexpr std::int64_t kTimeMsMax = 100'000'000'000'000;

inline std::int64_t to_ms(Time time) { return time.time_since_epoch().count(); }
inline Time from_ms(std::int64_t ms) { return Time(Millis(ms)); }
inline bool is_time(std::int64_t ms) { return ms >= -kTimeMsMax && ms <= kTimeMsMax; }

template <typename Message>
std::string to_bytes(Message& message, bool censored = false) {
  message.set_format_version(censored ? kFormatVersion : kPlainFormatVersion);
  return message.SerializeAsString();
}

inline Status check_version(std::uint32_t version, const char* what) {
  if (version > kFormatVersion) {
    return {Code::unsupported, std::string(what) + ": format version " + std::to_string(version) + ", this build reads up to " +
                                   std::to_string(kFormatVersion) + ": use a newer build"};
  }
  if (version == 0) return {Code::corrupt, std::string(what) + ": no format version"};
  return {};
}

inline Status corrupt(const char* what, const char* why) { return {Code::corrupt, std::string(what) + ": " + why}; }

template <typename Message>
Status parse(std::string_view bytes, const char* what, Message& out) {
  if (bytes.size() > static_cast<std::size_t>(std::numeric_limits<int>::max()) ||
      !out.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return corrupt(what, "not a record of this kind");
  }
  return {};
}

template <typename Message>
Status from_bytes(std::string_view bytes, const char* what, Message& out) {
  LACUNA_RETURN_IF_ERROR(parse(bytes, what, out));
  return check_version(out.format_version(), what);
}

}  // namespace lacuna::state
