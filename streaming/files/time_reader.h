#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "state/records/status.h"
#include "state/records/time.h"
#include "streaming/files/input_files.h"
#include "streaming/files/time_zone.h"

namespace lacuna::streaming {

/// The cells of a time column, in the form that the mapping says. One a mapping; const calls from any thread.
class TimeReader {
 public:
  /// `invalid`: there is no such zone, or one is needed.
  static Result<TimeReader> make(const FileMapping& mapping);

  using Clock = TimeZone::Clock;
  using Read = TimeZone::Read;
  /// `start`: of the stay, for relative forms. Empty for what is no such time, or lies outside of what a life can hold.
  std::optional<Read> read(std::string_view text, Time start) const;

 private:
  explicit TimeReader(const FileMapping& mapping) : mapping_(&mapping) {}
  std::optional<Read> of_zone(std::int64_t local_millis) const;
  std::optional<Read> with_zone(std::optional<std::int64_t> local_millis, std::string_view zone) const;
  std::optional<Read> read_local(std::string_view text) const;
  std::optional<Read> read_hl7(std::string_view text) const;
  std::optional<Read> read_pattern(std::string_view text) const;

  const FileMapping* mapping_;
  std::optional<TimeZone> zone_;
};

}  // namespace lacuna::streaming
