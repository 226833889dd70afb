#include "state/records/time.h"

#include <array>
#include <limits>

namespace lacuna {

namespace {

using std::chrono::days;
using std::chrono::sys_days;
using std::chrono::year;
using std::chrono::year_month_day;

constexpr int kYearMin = 1800;
constexpr int kYearMax = 2299;
constexpr Time kTimeMin = sys_days(year(kYearMin) / 1 / 1);
constexpr Time kTimeEnd = sys_days(year(kYearMax + 1) / 1 / 1);

// Takes fixed-width pieces off the front; once anything did not fit, everything after fails too.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : left_(text) {}

  int digits(std::size_t count) {
    int value = 0;
    if (left_.size() < count) ok_ = false;
    for (std::size_t i = 0; ok_ && i < count; ++i) {
      const char c = left_[i];
      if (c < '0' || c > '9') ok_ = false;
      value = value * 10 + (c - '0');
    }
    if (ok_) left_.remove_prefix(count);
    return ok_ ? value : 0;
  }
  bool take(char c) {
    if (!ok_ || left_.empty() || left_.front() != c) return false;
    left_.remove_prefix(1);
    return true;
  }
  void expect(char c) {
    if (!take(c)) ok_ = false;
  }
  // The digits after the decimal point, at least one, as milliseconds.
  int fraction_ms() {
    int ms = 0;
    int weight = 100;
    bool any = false;
    while (ok_ && !left_.empty() && left_.front() >= '0' && left_.front() <= '9') {
      ms += weight * (left_.front() - '0');
      weight /= 10;
      any = true;
      left_.remove_prefix(1);
    }
    if (!any) ok_ = false;
    return ms;
  }
  void fail() { ok_ = false; }
  bool ok() const { return ok_; }
  bool at_end() const { return left_.empty(); }

 private:
  std::string_view left_;
  bool ok_ = true;
};

// "Z" or "+01:00" as minutes east of Greenwich; the scanner fails on anything else.
int scan_zone(Scanner& scan) {
  if (scan.take('Z') || scan.take('z')) return 0;
  const int sign = scan.take('-') ? -1 : 1;
  if (sign == 1) scan.expect('+');
  const int hours = scan.digits(2);
  scan.expect(':');
  const int minutes = scan.digits(2);
  if (hours > 23 || minutes > 59) scan.fail();
  return sign * (hours * 60 + minutes);
}

struct Unit {
  std::string_view name;
  std::int64_t ms;
};
constexpr std::array<Unit, 5> kUnits{{{"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}, {"ms", 1}}};

}  // namespace

Clock system_clock() {
  return [] { return std::chrono::floor<Millis>(std::chrono::system_clock::now()); };
}

std::optional<Time> parse_rfc3339(std::string_view text) {
  Scanner scan(text);
  const int y = scan.digits(4);
  scan.expect('-');
  const int month = scan.digits(2);
  scan.expect('-');
  const int day = scan.digits(2);
  if (!scan.take('t')) scan.expect('T');
  const int hour = scan.digits(2);
  scan.expect(':');
  const int minute = scan.digits(2);
  scan.expect(':');
  const int second = scan.digits(2);
  const int ms = scan.take('.') ? scan.fraction_ms() : 0;
  const int zone = scan_zone(scan);
  if (!scan.ok() || !scan.at_end()) return std::nullopt;

  const year_month_day date{year(y), std::chrono::month(static_cast<unsigned>(month)), std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok() || hour > 23 || minute > 59 || second > 60) return std::nullopt;
  const Time whole = sys_days(date) + std::chrono::hours(hour) + std::chrono::minutes(minute - zone) + std::chrono::seconds(second);
  // A leap second exists only as 23:59:60 UTC; like POSIX we give it the instant that follows.
  if (second == 60 && whole.time_since_epoch() % days(1) != Millis(0)) return std::nullopt;
  const Time time = whole + Millis(ms);
  // The second test keeps what a zone moved over the edge from becoming a text that would not parse.
  if (y < kYearMin || y > kYearMax || time < kTimeMin || time >= kTimeEnd) return std::nullopt;
  return time;
}

std::string format_rfc3339(Time time) {
  // Never a plausible but wrong date: such a time did not come from parse_rfc3339.
  if (time < kTimeMin || time >= kTimeEnd) return "out-of-range";
  const auto day = std::chrono::floor<days>(time);
  const year_month_day date(day);
  const auto in_day = static_cast<int>((time - day).count());
  const int seconds = in_day / 1000;
  // By hand: it is written several times an event, and printf takes ten times as long.
  std::string out = "0000-00-00T00:00:00";
  const auto put = [&out](std::size_t end, unsigned number) {
    for (; number > 0; number /= 10) out[--end] = static_cast<char>('0' + number % 10);
  };
  put(4, static_cast<unsigned>(static_cast<int>(date.year())));
  put(7, static_cast<unsigned>(date.month()));
  put(10, static_cast<unsigned>(date.day()));
  put(13, static_cast<unsigned>(seconds / 3600));
  put(16, static_cast<unsigned>(seconds / 60 % 60));
  put(19, static_cast<unsigned>(seconds % 60));
  if (in_day % 1000 != 0) {
    out += ".000";
    put(23, static_cast<unsigned>(in_day % 1000));
  }
  return out + 'Z';
}

std::optional<Millis> parse_duration(std::string_view text) {
  if (text.empty()) return std::nullopt;
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  std::int64_t total = 0;
  std::size_t next_unit = 0;  // units come once each, largest first, so that "5m5m" is a typing error
  while (!text.empty()) {
    std::int64_t number = 0;
    std::size_t used = 0;
    for (; used < text.size() && text[used] >= '0' && text[used] <= '9'; ++used) {
      const int digit = text[used] - '0';
      if (number > (kMax - digit) / 10) return std::nullopt;
      number = number * 10 + digit;
    }
    if (used == 0) return std::nullopt;
    text.remove_prefix(used);
    const std::string_view name = text.substr(0, text.find_first_of("0123456789"));
    while (next_unit < kUnits.size() && kUnits[next_unit].name != name) ++next_unit;
    if (next_unit == kUnits.size()) return std::nullopt;
    const std::int64_t unit = kUnits[next_unit].ms;
    if (number > (kMax - total) / unit) return std::nullopt;
    total += number * unit;
    text.remove_prefix(name.size());
    ++next_unit;
  }
  return Millis(total);
}

std::string format_duration(Millis duration) {
  if (duration == Millis(0)) return "0s";
  std::string out;
  const bool negative = duration < Millis(0);
  // Unsigned, since the most negative count has no positive twin.
  std::uint64_t left = static_cast<std::uint64_t>(duration.count());
  if (negative) left = 0 - left;
  for (const Unit& unit : kUnits) {
    const auto size = static_cast<std::uint64_t>(unit.ms);
    if (left >= size) out += std::to_string(left / size) + std::string(unit.name);
    left %= size;
  }
  return negative ? "-" + out : out;
}

}  // namespace lacuna
