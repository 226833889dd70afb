#include "streaming/files/time_zone.h"

#include <date/tz.h>

#include <exception>

namespace lacuna::streaming {

namespace {

/// The tables of zones end with 2037, and times that were moved to hide whose they are lie beyond: what the clocks did then is read off the
/// year before that begins with the same weekday and is as long.
date::days beyond_tables(date::local_time<Millis> local) {
  constexpr int kLast = 2037;
  const date::year_month_day day{date::floor<date::days>(local)};
  if (int(day.year()) <= kLast) return date::days(0);
  const auto begin = [](date::year year) { return date::local_days(year / 1 / 1); };
  for (date::year like{kLast};; --like) {
    const date::days apart = begin(day.year()) - begin(like);
    if (apart.count() % 7 == 0 && like.is_leap() == day.year().is_leap()) return apart;
  }
}

}  // namespace

Result<TimeZone> TimeZone::find(const std::string& name) {
  try {
    return TimeZone(date::locate_zone(name));
  } catch (const std::exception&) {
    return {Code::invalid, "'" + name + "' is not in this machine's time zones (package tzdata); names are such as Europe/Berlin"};
  }
}

TimeZone::Read TimeZone::read(std::int64_t local_millis) const {
  const date::local_time<Millis> local{Millis(local_millis)};
  const date::local_info info = zone_->get_info(date::floor<std::chrono::seconds>(local - beyond_tables(local)));
  Read out;
  if (info.result == date::local_info::ambiguous) out.clock = Clock::twice;
  if (info.result == date::local_info::nonexistent) out.clock = Clock::never;
  out.time = Time(Millis(local_millis) - info.first.offset);
  return out;
}

}  // namespace lacuna::streaming
