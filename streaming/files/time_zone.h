#pragma once

#include <cstdint>
#include <string>

#include "state/records/status.h"
#include "state/records/time.h"

namespace date {
class time_zone;
}

namespace lacuna::streaming {

/// Clocks of a place. A value; const calls from any thread. For streaming/files and streaming/hl7.
class TimeZone {
 public:
  /// `name`: IANA's ("Europe/Berlin"). `invalid`: this machine has no such zone.
  static Result<TimeZone> find(const std::string& name);

  /// Where a clock that was put back or forward leaves two times, or none.
  enum class Clock : std::uint8_t { one, twice, never };
  struct Read {
    Time time{};
    Clock clock = Clock::one;  ///< twice: the earlier one; never: as if the clock had not been put forward yet
  };
  /// `local_millis`: what a clock shows, as milliseconds since it showed the beginning of 1970.
  Read read(std::int64_t local_millis) const;

 private:
  explicit TimeZone(const date::time_zone* zone) : zone_(zone) {}
  const date::time_zone* zone_;
};

}  // namespace lacuna::streaming
