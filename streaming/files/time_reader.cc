#include "streaming/files/time_reader.h"

#include <date/date.h>

#include <charconv>
#include <cmath>
#include <iterator>
#include <sstream>
#include <string>
#include <utility>

#include "streaming/files/cell_text.h"

namespace lacuna::streaming {

namespace {

using TimeForm = FileMapping::TimeForm;

// Past this a relative time is a mistake, and far below what a time can hold.
constexpr double kMinutesMax = 60.0 * 24 * 366 * 150;
constexpr std::int64_t kMinuteMillis = 60'000, kDayMillis = 24 * 60 * kMinuteMillis;

/// Takes exactly `digits` digits off the front.
bool take_digits(std::string_view& text, std::size_t digits, int& out) {
  if (text.size() < digits || text.substr(0, digits).find_first_not_of("0123456789") != std::string_view::npos) return false;
  std::from_chars(text.data(), text.data() + digits, out);
  text.remove_prefix(digits);
  return true;
}

bool take(std::string_view& text, std::string_view signs) {
  if (text.empty() || signs.find(text.front()) == std::string_view::npos) return false;
  text.remove_prefix(1);
  return true;
}

/// ".123456": what goes beyond milliseconds is cut.
bool take_fraction(std::string_view& text, std::int64_t& millis) {
  std::int64_t unit = 100;
  std::size_t digits = 0;
  for (; digits < text.size() && text[digits] >= '0' && text[digits] <= '9'; ++digits, unit /= 10) millis += unit * (text[digits] - '0');
  text.remove_prefix(digits);
  return digits > 0;
}

/// "Z", "UTC", "GMT", "+0100", "+01:00", "-05": minutes east.
bool take_zone(std::string_view& text, int& minutes) {
  if (take(text, "Zz")) return true;
  if (text.starts_with("UTC") || text.starts_with("GMT")) {
    text.remove_prefix(3);
    return true;
  }
  if (text.empty() || (text.front() != '+' && text.front() != '-')) return false;
  const int sign = text.front() == '-' ? -1 : 1;
  text.remove_prefix(1);
  int hours = 0, rest = 0;
  if (!take_digits(text, 2, hours)) return false;
  (void)take(text, ":");
  if (!text.empty() && !take_digits(text, 2, rest)) return false;
  if (hours > 14 || rest > 59) return false;
  minutes = sign * (60 * hours + rest);
  return true;
}

struct Civil {
  int year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0;
  std::int64_t millis = 0;
};

std::optional<std::int64_t> millis_of(const Civil& c) {
  const date::year_month_day day{date::year(c.year), date::month(static_cast<unsigned>(c.month)), date::day(static_cast<unsigned>(c.day))};
  if (c.month < 1 || c.day < 1 || !day.ok() || c.hour > 23 || c.minute > 59 || c.second > 60) return std::nullopt;
  const std::int64_t days = date::sys_days(day).time_since_epoch().count();
  return days * kDayMillis + ((c.hour * 60 + c.minute) * 60 + c.second) * std::int64_t{1000} + c.millis;
}

std::optional<double> hours_minutes(std::string_view text) {
  const auto colon = text.find(':');
  if (colon == std::string_view::npos || colon == 0 || text.size() != colon + 3) return std::nullopt;
  unsigned hours = 0, minutes = 0;
  const char* middle = text.data() + colon;
  const char* end = text.data() + text.size();
  const auto first = std::from_chars(text.data(), middle, hours), second = std::from_chars(middle + 1, end, minutes);
  if (first.ec != std::errc() || first.ptr != middle || second.ec != std::errc() || second.ptr != end) return std::nullopt;
  if (minutes > 59) return std::nullopt;
  return hours * 60.0 + minutes;
}

/// "P1DT3H", "-PT27H5.5M": ISO 8601's duration, without months and years, in minutes.
std::optional<double> iso_duration(std::string_view text) {
  constexpr std::pair<char, double> kParts[] = {{'W', 7 * 24 * 60}, {'D', 24 * 60}, {'H', 60}, {'M', 1}, {'S', 1.0 / 60}};
  const double sign = take(text, "-") ? -1 : 1;
  if (!take(text, "P") || text.empty() || text == "T") return std::nullopt;
  double minutes = 0;
  bool in_day = false;  // behind the T
  std::size_t next = 0;
  while (!text.empty()) {
    if (!in_day && take(text, "T")) {
      in_day = true;
      continue;
    }
    const std::size_t end = text.find_first_not_of("0123456789.");
    double number = 0;
    if (end == std::string_view::npos || !read_plain_number(text.substr(0, end), number)) return std::nullopt;
    while (next < std::size(kParts) && kParts[next].first != text[end]) ++next;
    if (next == std::size(kParts) || in_day != (next >= 2)) return std::nullopt;
    minutes += number * kParts[next++].second;
    text.remove_prefix(end + 1);
  }
  return sign * minutes;
}

/// "1 days 03:00:00", "-1 days +23:00:00.5", "1 day, 3:00:00", "03:00:00", "2 days", "P1DT3H": what data frames and Python write for a
/// difference, in minutes.
std::optional<double> time_offset(std::string_view text) {
  if (text.starts_with('P') || text.starts_with("-P")) return iso_duration(text);
  double minutes = 0;
  if (const auto word = text.find(" day"); word != std::string_view::npos) {
    double days = 0;
    if (!read_plain_number(text.substr(0, word), days) || days != std::floor(days)) return std::nullopt;
    minutes = days * 24 * 60;
    text.remove_prefix(word + 4);
    (void)take(text, "s");
    if (text.empty()) return minutes;
    (void)take(text, ",");
    if (!take(text, " ")) return std::nullopt;
  }
  const double sign = take(text, "-") ? -1 : 1;
  if (sign > 0) (void)take(text, "+");
  int hour = 0, minute = 0, second = 0;
  std::int64_t millis = 0;
  if (!(take_digits(text, 2, hour) || take_digits(text, 1, hour)) || !take(text, ":") || !take_digits(text, 2, minute) || minute > 59) {
    return std::nullopt;
  }
  if (take(text, ":") && (!take_digits(text, 2, second) || second > 59)) return std::nullopt;
  if (take(text, ".") && !take_fraction(text, millis)) return std::nullopt;
  if (!text.empty()) return std::nullopt;
  return minutes + sign * (hour * 60 + minute + (second + static_cast<double>(millis) / 1000) / 60);
}

std::optional<TimeReader::Read> plain(std::int64_t millis) { return TimeReader::Read{Time(Millis(millis)), TimeReader::Clock::one}; }

}  // namespace

Result<TimeReader> TimeReader::make(const FileMapping& mapping) {
  TimeReader reader(mapping);
  if (mapping.time_zone.empty()) return reader;
  const Result<TimeZone> zone = TimeZone::find(mapping.time_zone);
  if (!zone.ok()) return {zone.code(), "time_zone: " + zone.status().message()};
  reader.zone_ = *zone;
  return reader;
}

std::optional<TimeReader::Read> TimeReader::of_zone(std::int64_t local_millis) const {
  return zone_ ? std::optional(zone_->read(local_millis)) : std::nullopt;
}

/// `zone`: what stands behind the time; nothing: the mapping's.
std::optional<TimeReader::Read> TimeReader::with_zone(std::optional<std::int64_t> local_millis, std::string_view zone) const {
  if (!local_millis) return std::nullopt;
  if (zone.empty()) return of_zone(*local_millis);
  int east = 0;
  if (!take_zone(zone, east) || !zone.empty()) return std::nullopt;
  return plain(*local_millis - east * kMinuteMillis);
}

/// "2180-07-23 14:00:00", "2180-07-23T14:00", "2180-07-23", with fractions, and with a zone of their own.
std::optional<TimeReader::Read> TimeReader::read_local(std::string_view text) const {
  Civil c;
  if (!take_digits(text, 4, c.year) || !take(text, "-/") || !take_digits(text, 2, c.month) || !take(text, "-/") ||
      !take_digits(text, 2, c.day)) {
    return std::nullopt;
  }
  if (take(text, " T")) {
    if (!take_digits(text, 2, c.hour) || !take(text, ":") || !take_digits(text, 2, c.minute)) return std::nullopt;
    if (take(text, ":") && !take_digits(text, 2, c.second)) return std::nullopt;
    if (take(text, ".,") && !take_fraction(text, c.millis)) return std::nullopt;
    (void)take(text, " ");
  }
  return with_zone(millis_of(c), text);
}

/// "20260101", "202601011430", "20260101143000.25+0100": from the day on.
std::optional<TimeReader::Read> TimeReader::read_hl7(std::string_view text) const {
  Civil c;
  if (!take_digits(text, 4, c.year) || !take_digits(text, 2, c.month) || !take_digits(text, 2, c.day)) return std::nullopt;
  if (take_digits(text, 2, c.hour)) {
    if (take_digits(text, 2, c.minute) && take_digits(text, 2, c.second) && take(text, ".") && !take_fraction(text, c.millis))
      return std::nullopt;
  }
  return with_zone(millis_of(c), text);
}

std::optional<TimeReader::Read> TimeReader::read_pattern(std::string_view text) const {
  std::istringstream in{std::string(text)};
  date::local_time<Millis> local{};
  std::chrono::minutes east{0};
  std::string name;
  in >> date::parse(mapping_->time_pattern, local, name, east);
  if (in.fail() || in.peek() != std::istringstream::traits_type::eof()) return std::nullopt;
  if (mapping_->time_pattern.find("%z") != std::string::npos || mapping_->time_pattern.find("%Ez") != std::string::npos) {
    return Read{Time(local.time_since_epoch() - east), Clock::one};
  }
  return of_zone(local.time_since_epoch().count());
}

std::optional<TimeReader::Read> TimeReader::read(std::string_view text, Time start) const {
  const TimeForm form = mapping_->time_form;
  if (form == TimeForm::none) return Read{start, Clock::one};
  if (form == TimeForm::local) return read_local(text);
  if (form == TimeForm::hl7) return read_hl7(text);
  if (form == TimeForm::pattern) return read_pattern(text);
  if (form == TimeForm::rfc3339) {
    const std::optional<Time> time = parse_rfc3339(text);
    return time ? std::optional(Read{*time, Clock::one}) : std::nullopt;
  }
  if (form == TimeForm::hours_minutes || form == TimeForm::offset) {
    const std::optional<double> minutes = form == TimeForm::offset ? time_offset(text) : hours_minutes(text);
    if (!minutes || !(std::abs(*minutes) <= kMinutesMax)) return std::nullopt;
    return Read{start + Millis(std::llround(*minutes * kMinuteMillis)), Clock::one};
  }
  double number = 0;
  if (!read_plain_number(text, number)) return std::nullopt;
  double minutes = number;
  if (form == TimeForm::hours) minutes *= 60;
  if (form == TimeForm::days) minutes *= 24 * 60;
  if (form == TimeForm::epoch_seconds) minutes /= 60;
  if (form == TimeForm::epoch_millis) minutes /= kMinuteMillis;
  if (!(std::abs(minutes) <= 4 * kMinutesMax)) return std::nullopt;  // NaN too
  if (form == TimeForm::epoch_millis) return Read{Time(Millis(std::llround(number))), Clock::one};
  if (mapping_->is_relative() && std::abs(minutes) > kMinutesMax) return std::nullopt;
  return Read{(mapping_->is_relative() ? start : Time{}) + Millis(std::llround(minutes * kMinuteMillis)), Clock::one};
}

}  // namespace lacuna::streaming
