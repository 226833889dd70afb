#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace lacuna {

/// Clinical and wall-clock time: milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
using Time = std::chrono::sys_time<std::chrono::milliseconds>;
using Millis = std::chrono::milliseconds;

/// Where "now" comes from; tests and simulations give their own. Must be callable from any thread.
using Clock = std::function<Time()>;
Clock system_clock();

/// Parses RFC 3339 ("2026-01-01T00:07:00Z", "2026-01-01T01:07:00.250+01:00"). The zone is required; fractions beyond
/// milliseconds are cut; years 1800 to 2299. Empty when the text is anything else.
std::optional<Time> parse_rfc3339(std::string_view text);

/// UTC, with milliseconds only when they are not zero: "2026-01-01T00:07:00Z".
std::string format_rfc3339(Time time);

/// Parses "250ms", "5s", "10m", "2h", "30d" and sums such as "1h30m". Empty when the text is anything else.
std::optional<Millis> parse_duration(std::string_view text);
/// The shortest text that parse_duration reads back: "1h30m".
std::string format_duration(Millis duration);

constexpr double hours_between(Time earlier, Time later) { return static_cast<double>((later - earlier).count()) / 3'600'000.0; }

}  // namespace lacuna
