#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "state/records/time.h"
#include "streaming/files/time_zone.h"
#include "streaming/hl7/message.h"

// HL7's points in time (TS, DTM, DT): at the precision at which they are told. A day is not its midnight.

namespace lacuna::streaming::hl7 {

struct Stamp {
  enum class Precision : std::uint8_t { year, month, day, hour, minute, second };
  Precision precision = Precision::second;
  std::int64_t begin_millis = 0;  ///< what the sender's clock shows when it begins, as milliseconds since it showed the beginning of 1970
  std::int64_t end_millis = 0;    ///< and when it is over, exclusive; only of one that is coarse
  std::optional<int> east;        ///< minutes, where it tells its zone
  bool is_coarse() const { return precision < Precision::minute; }
};

/// "YYYY[MM[DD[HH[MM[SS[.S[S[S[S]]]]]]]]][+/-ZZZZ]", and TS.2, the precision of versions before 2.6 (Y L D H M S), behind a component's
/// delimiter. Years 1800 to 2299. Empty for what is none.
std::optional<Stamp> read_stamp(std::string_view field, const Delimiters& delimiters);

/// What stands in for a zone that a stamp does not tell.
struct Zones {
  std::optional<int> message_east{};  ///< MSH-7's
  const TimeZone* sender = nullptr;   ///< as it is configured; null: it is not
};

/// When a stamp begins. Empty: nothing tells its zone.
std::optional<TimeZone::Read> begin_of(const Stamp& stamp, const Zones& zones);

struct NamedStamp {
  std::string_view field;  ///< "OBX-14"
  std::string_view text;
};

struct Moment {
  enum class Problem : std::uint8_t { none, absent, unreadable, no_zone, imprecise };
  Time time{};
  TimeZone::Clock clock = TimeZone::Clock::one;
  Problem problem = Problem::none;
  std::string_view field;  ///< whose time it is, or whose problem
};

/// The first of `own` that is not empty; where that is coarser than a minute, the first of those behind it and of `later` that is not, and
/// lies within it.
Moment moment_of(std::span<const NamedStamp> own, std::span<const NamedStamp> later, const Delimiters& delimiters, const Zones& zones);

}  // namespace lacuna::streaming::hl7
