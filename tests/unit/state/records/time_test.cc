// Protects: clinical times. Every day of five centuries is compared with a calendar counted day by day; zones, fractions
// and refusals are compared with independent rules.

#include "state/records/time.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace lacuna {
namespace {

constexpr std::int64_t kDayMs = 86'400'000;

std::string text(const char* format, auto... values) {
  std::vector<char> out(80);
  std::snprintf(out.data(), out.size(), format, values...);
  return out.data();
}
std::int64_t ms(Time t) { return t.time_since_epoch().count(); }

bool is_leap(int year) { return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0; }
int days_in(int year, int month) {
  constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return month == 2 && is_leap(year) ? 29 : kDays[month - 1];
}

TEST(Rfc3339, EveryDayOfFiveCenturies) {
  std::int64_t day = 0;
  for (int y = 1800; y < 1970; ++y) day -= is_leap(y) ? 366 : 365;
  for (int y = 1800; y <= 2299; ++y) {
    for (int m = 1; m <= 12; ++m) {
      for (int d = 1; d <= 31; ++d) {
        const std::string written = text("%04d-%02d-%02dT23:59:58Z", y, m, d);
        const auto parsed = parse_rfc3339(written);
        ASSERT_EQ(parsed.has_value(), d <= days_in(y, m)) << written;
        if (!parsed) continue;
        ASSERT_EQ(ms(*parsed), day * kDayMs + kDayMs - 2000) << written;
        ASSERT_EQ(format_rfc3339(*parsed), written);
        ++day;
      }
    }
  }
}

TEST(Rfc3339, ZonesAndFractions) {
  const std::uint64_t seed = 20260101;
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  for (int i = 0; i < 20'000; ++i) {
    const std::int64_t utc = static_cast<std::int64_t>(random() % 10'000'000'000'000ULL) - 5'000'000'000'000;
    const int zone = static_cast<int>(random() % 2879) - 1439;
    const Time local = Time(Millis(utc)) + std::chrono::minutes(zone);
    std::string written = format_rfc3339(local);
    written.pop_back();
    const char* more = written.find('.') != std::string::npos && random() % 2 == 0 ? "9999" : "";  // cut, not rounded
    written += more + text("%c%02d:%02d", zone < 0 ? '-' : '+', std::abs(zone) / 60, std::abs(zone) % 60);
    const auto parsed = parse_rfc3339(written);
    ASSERT_TRUE(parsed.has_value()) << written;
    ASSERT_EQ(ms(*parsed), utc) << written;
  }
}

TEST(Rfc3339, KnownTexts) {
  EXPECT_EQ(ms(*parse_rfc3339("1970-01-01T00:00:00Z")), 0);
  EXPECT_EQ(ms(*parse_rfc3339("2026-01-01T01:07:00.250+01:00")), 1'767'226'020'250);
  EXPECT_EQ(ms(*parse_rfc3339("1969-12-31T23:59:59.9z")), -100);
  EXPECT_EQ(parse_rfc3339("2016-12-31t23:59:60Z"), parse_rfc3339("2017-01-01T00:00:00Z"));  // a real leap second
  EXPECT_EQ(parse_rfc3339("2017-01-01T00:59:60+01:00"), parse_rfc3339("2017-01-01T00:00:00Z"));
  EXPECT_EQ(format_rfc3339(Time(Millis(-1))), "1969-12-31T23:59:59.999Z");
}

TEST(Rfc3339, Refusals) {
  for (const char* bad : {"",
                          "2026-01-01",
                          "2026-01-01T00:07:00",
                          "2026-01-01 00:07:00Z",
                          "2026-01-01T00:07Z",
                          "2026-1-01T00:07:00Z",
                          "2026-01-01T24:00:00Z",
                          "2026-01-01T00:60:00Z",
                          "2026-01-01T00:00:61Z",
                          "2026-01-01T12:00:60Z",
                          "2026-01-01T00:00:00.Z",
                          "2026-01-01T00:00:00+24:00",
                          "2026-01-01T00:00:00+01:60",
                          "2026-01-01T00:00:00+0100",
                          "2026-01-01T00:00:00Z ",
                          " 2026-01-01T00:00:00Z",
                          "2026-00-01T00:00:00Z",
                          "2026-13-01T00:00:00Z",
                          "2026-01-00T00:00:00Z",
                          "1900-02-29T00:00:00Z",
                          "1799-12-31T23:59:59Z",
                          "2300-01-01T00:00:00Z",
                          "1800-01-01T00:00:00+00:01",
                          "2299-12-31T23:59:59-00:01",
                          "-026-01-01T00:00:00Z",
                          "2026-01-01T00:00:00-",
                          "2026-01-01T00:00:00ZZ",
                          "2026-01-01T00:00:00,5Z"}) {
    EXPECT_FALSE(parse_rfc3339(bad).has_value()) << bad;
  }
  using namespace std::string_view_literals;
  EXPECT_FALSE(parse_rfc3339("2026-01-01T00:00:00Z\0"sv).has_value());
  EXPECT_FALSE(parse_rfc3339("2026-01-01T00:00:00+99:00\0"sv).has_value());
}

// '0' stands for any digit, every other character for itself.
bool fits(std::string_view text, std::string_view pattern) {
  if (text.size() != pattern.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool digit = text[i] >= '0' && text[i] <= '9';
    if (pattern[i] == '0' ? !digit : text[i] != pattern[i]) return false;
  }
  return true;
}

// RFC 3339's date-time: takes the zone off the end, then a fraction, and compares the rest with a picture of it. The
// parser goes the other way.
bool in_grammar(std::string text) {
  if (!text.empty() && (text.back() == 'Z' || text.back() == 'z')) text.pop_back();
  else if (text.size() > 6 && (fits(text.substr(text.size() - 6), "+00:00") || fits(text.substr(text.size() - 6), "-00:00")))
    text.resize(text.size() - 6);
  else return false;
  if (const std::size_t dot = text.find('.'); dot != std::string::npos) {
    const std::string fraction = text.substr(dot + 1);
    if (fraction.empty() || !fits(fraction, std::string(fraction.size(), '0'))) return false;
    text.resize(dot);
  }
  return fits(text, "0000-00-00T00:00:00") || fits(text, "0000-00-00t00:00:00");
}

TEST(Rfc3339, MutatedTextsAreAcceptedOnlyInTheGrammar) {
  const std::uint64_t seed = 3339;
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  const std::string alphabet = "0123456789-+:.TZtz ";
  int accepted = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string candidate = i % 2 == 0 ? "2024-02-29T12:34:56.789Z" : "2024-12-31T23:59:59-11:30";
    for (std::uint64_t edits = 1 + random() % 2; edits > 0; --edits) {
      const std::size_t at = random() % candidate.size();
      const char c = alphabet[random() % alphabet.size()];
      if (random() % 3 == 0) candidate.insert(at, 1, c);
      else if (random() % 2 == 0) candidate.erase(at, 1);
      else candidate[at] = c;
    }
    const auto parsed = parse_rfc3339(candidate);
    if (!parsed) continue;
    ++accepted;
    ASSERT_TRUE(in_grammar(candidate)) << candidate;
    ASSERT_EQ(parse_rfc3339(format_rfc3339(*parsed)), parsed) << candidate;
  }
  EXPECT_GT(accepted, 1000);
}

TEST(Rfc3339, WhatCannotBeReadBackIsNoDate) {
  EXPECT_EQ(format_rfc3339(Time::max()), "out-of-range");
  EXPECT_EQ(format_rfc3339(Time::min()), "out-of-range");
}

TEST(Duration, RoundTrip) {
  const std::uint64_t seed = 42;
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  for (int i = 0; i < 20'000; ++i) {
    const Millis d(static_cast<std::int64_t>(random() >> (random() % 63 + 1)));
    ASSERT_EQ(parse_duration(format_duration(d)), d) << d.count();
  }
}

TEST(Duration, KnownTexts) {
  EXPECT_EQ(parse_duration("250ms"), Millis(250));
  EXPECT_EQ(parse_duration("1h30m"), Millis(5'400'000));
  EXPECT_EQ(parse_duration("90m"), Millis(5'400'000));
  EXPECT_EQ(parse_duration("30d"), Millis(30 * kDayMs));
  EXPECT_EQ(parse_duration("1m1ms"), Millis(60'001));
  EXPECT_EQ(parse_duration("0s"), Millis(0));
  EXPECT_EQ(format_duration(Millis(5'400'000)), "1h30m");
  EXPECT_EQ(format_duration(std::chrono::hours(72)), "3d");
  EXPECT_EQ(format_duration(Millis(-1500)), "-1s500ms");
}

TEST(Duration, Refusals) {
  for (const char* bad : {"", "5", "s", "5 s", "-5s", "1.5h", "5m5m", "30m1h", "5x", "5sec", "1h 30m", "9223372036854775808ms",
                          "106751991168d", "9223372036854775807ms1ms", "5S", "h5"}) {
    EXPECT_FALSE(parse_duration(bad).has_value()) << bad;
  }
}

}  // namespace
}  // namespace lacuna
