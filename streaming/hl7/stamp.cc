#include "streaming/hl7/stamp.h"

#include <algorithm>
#include <chrono>

namespace lacuna::streaming::hl7 {

namespace {

using Precision = Stamp::Precision;

constexpr std::int64_t kMinuteMillis = 60'000, kHourMillis = 60 * kMinuteMillis, kDayMillis = 24 * kHourMillis;
constexpr int kYearMin = 1800, kYearMax = 2299;

bool take_digits(std::string_view& text, std::size_t count, int& out) {
  if (text.size() < count) return false;
  int value = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (text[i] < '0' || text[i] > '9') return false;
    value = value * 10 + (text[i] - '0');
  }
  text.remove_prefix(count);
  out = value;
  return true;
}

bool take_zone(std::string_view text, std::optional<int>& east) {
  if (text.empty()) return true;
  if (text == "Z") {
    east = 0;
    return true;
  }
  const int sign = text.front() == '-' ? -1 : 1;
  if (text.front() != '-' && text.front() != '+') return false;
  text.remove_prefix(1);
  int hours = 0, minutes = 0;
  if (!take_digits(text, 2, hours) || !take_digits(text, 2, minutes) || !text.empty() || hours > 14 || minutes > 59) return false;
  east = sign * (60 * hours + minutes);
  return true;
}

std::int64_t days_of(int year, int month, int day) {
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  return std::chrono::sys_days(date).time_since_epoch().count();
}

bool is_day(int year, int month, int day) {
  return std::chrono::year_month_day{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                     std::chrono::day(static_cast<unsigned>(day))}
      .ok();
}

/// TS.2; false: it is none.
bool lower_precision(std::string_view letter, Precision& precision) {
  constexpr std::string_view kLetters = "YLDHMS";
  if (letter.empty()) return true;
  const std::size_t at = kLetters.find(letter.front());
  if (letter.size() != 1 || at == std::string_view::npos) return false;
  precision = std::min(precision, static_cast<Precision>(at));
  return true;
}

struct Civil {
  int year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0;
  std::int64_t millis = 0;
};

/// The digits, as far as they go; what is left is the zone.
bool take_civil(std::string_view& text, Civil& c, Precision& precision) {
  if (!take_digits(text, 4, c.year)) return false;
  precision = Precision::year;
  int* const parts[] = {&c.month, &c.day, &c.hour, &c.minute, &c.second};
  for (int* const part : parts) {
    if (!take_digits(text, 2, *part)) break;
    precision = static_cast<Precision>(static_cast<int>(precision) + 1);
  }
  if (precision != Precision::second || text.empty() || text.front() != '.') return true;
  text.remove_prefix(1);
  std::int64_t unit = 100;
  std::size_t digits = 0;
  for (; digits < text.size() && text[digits] >= '0' && text[digits] <= '9'; ++digits, unit /= 10) c.millis += unit * (text[digits] - '0');
  text.remove_prefix(digits);
  return digits > 0;
}

/// The beginning and the end of what a precision leaves open.
void set_bounds(const Civil& c, Stamp& out) {
  const std::int64_t day = days_of(c.year, c.month, c.day) * kDayMillis;
  const std::int64_t hour = day + c.hour * kHourMillis;
  switch (out.precision) {
    case Precision::year:
      out.begin_millis = days_of(c.year, 1, 1) * kDayMillis;
      out.end_millis = days_of(c.year + 1, 1, 1) * kDayMillis;
      break;
    case Precision::month:
      out.begin_millis = days_of(c.year, c.month, 1) * kDayMillis;
      out.end_millis = (c.month == 12 ? days_of(c.year + 1, 1, 1) : days_of(c.year, c.month + 1, 1)) * kDayMillis;
      break;
    case Precision::day:
      out.begin_millis = day;
      out.end_millis = day + kDayMillis;
      break;
    case Precision::hour:
      out.begin_millis = hour;
      out.end_millis = hour + kHourMillis;
      break;
    case Precision::minute: out.begin_millis = out.end_millis = hour + c.minute * kMinuteMillis; break;
    case Precision::second: out.begin_millis = out.end_millis = hour + c.minute * kMinuteMillis + c.second * 1000 + c.millis; break;
  }
}

}  // namespace

std::optional<Stamp> read_stamp(std::string_view field, const Delimiters& delimiters) {
  std::string_view text = piece(field, delimiters.component, 1);
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  Civil c;
  Stamp out;
  if (!take_civil(text, c, out.precision) || !take_zone(text, out.east)) return std::nullopt;
  if (c.year < kYearMin || c.year > kYearMax || !is_day(c.year, c.month, c.day)) return std::nullopt;
  if (c.hour > 23 || c.minute > 59 || c.second > 60) return std::nullopt;
  if (text.size() != field.size() && !lower_precision(piece(field, delimiters.component, 2), out.precision)) return std::nullopt;
  set_bounds(c, out);
  return out;
}

namespace {

std::optional<TimeZone::Read> at(std::int64_t local_millis, const Stamp& stamp, const Zones& zones) {
  const std::optional<int> east = stamp.east ? stamp.east : zones.message_east;
  if (east) return TimeZone::Read{Time(Millis(local_millis - *east * kMinuteMillis)), TimeZone::Clock::one};
  return zones.sender != nullptr ? std::optional(zones.sender->read(local_millis)) : std::nullopt;
}

}  // namespace

std::optional<TimeZone::Read> begin_of(const Stamp& stamp, const Zones& zones) { return at(stamp.begin_millis, stamp, zones); }

Moment moment_of(std::span<const NamedStamp> own, std::span<const NamedStamp> later, const Delimiters& delimiters, const Zones& zones) {
  Moment out;
  const auto given = [](const NamedStamp& one) { return !one.text.empty() && !is_null(one.text); };
  const auto first = std::find_if(own.begin(), own.end(), given);
  if (first == own.end()) {
    out.problem = Moment::Problem::absent;
    if (!own.empty()) out.field = own.front().field;
    return out;
  }
  out.field = first->field;
  const std::optional<Stamp> stamp = read_stamp(first->text, delimiters);
  if (!stamp) {
    out.problem = Moment::Problem::unreadable;
    return out;
  }
  const std::optional<TimeZone::Read> begin = begin_of(*stamp, zones);
  if (!begin) {
    out.problem = Moment::Problem::no_zone;
    return out;
  }
  out.time = begin->time;
  out.clock = begin->clock;
  if (!stamp->is_coarse()) return out;
  const Time end = at(stamp->end_millis, *stamp, zones)->time;
  const auto refine = [&](const NamedStamp& one) {
    const std::optional<Stamp> finer = given(one) ? read_stamp(one.text, delimiters) : std::nullopt;
    const std::optional<TimeZone::Read> moment = finer && !finer->is_coarse() ? begin_of(*finer, zones) : std::nullopt;
    if (!moment || moment->time < begin->time || moment->time >= end) return false;
    out.time = moment->time;
    out.clock = moment->clock;
    out.field = one.field;
    return true;
  };
  if (std::any_of(first + 1, own.end(), refine) || std::any_of(later.begin(), later.end(), refine)) return out;
  out.problem = Moment::Problem::imprecise;
  return out;
}

}  // namespace lacuna::streaming::hl7
