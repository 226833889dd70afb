// Goal: round numbers, as many as asked for, within what is shown; dates where times are days apart.

#include "daemon/plots/axis.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace lacuna::daemon {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> texts(const std::vector<Tick>& ticks, bool below = false) {
  std::vector<std::string> out;
  for (const Tick& t : ticks) out.push_back(below ? t.below : t.text);
  return out;
}

Time at(const char* text) { return *parse_rfc3339(text); }

TEST(Axis, PutsValuesInProportion) {
  const Axis axis(10, 20, 200, 100);
  EXPECT_DOUBLE_EQ(axis.at(10), 200);
  EXPECT_DOUBLE_EQ(axis.at(12.5), 175);
  EXPECT_TRUE(std::isfinite(Axis(5, 5, 0, 100).at(5))) << "of one value there is an axis";
  EXPECT_DOUBLE_EQ(Axis(5, 5, 0, 100).at(5), 50);
}

TEST(Axis, TicksAreRoundAndWithin) {
  EXPECT_THAT(texts(number_ticks(0, 10, 5)), ElementsAre("0", "2", "4", "6", "8", "10"));
  EXPECT_THAT(texts(number_ticks(-0.03, 0.031, 4)), ElementsAre("-0.02", "0.00", "0.02"));
  EXPECT_THAT(texts(number_ticks(98, 1020, 4)), ElementsAre("500", "1000"));
  EXPECT_TRUE(number_ticks(1, 1, 4).empty());
  EXPECT_TRUE(number_ticks(0, INFINITY, 4).empty());
  for (double width = 1e-9; width < 1e9; width *= 3.7) {
    const auto ticks = number_ticks(-width / 3, width, 4);
    EXPECT_GE(ticks.size(), 2u) << width;
    EXPECT_LE(ticks.size(), 6u) << width;
    for (const Tick& t : ticks) EXPECT_TRUE(t.value >= -width / 3 * 1.001 && t.value <= width * 1.001);
  }
}

TEST(Axis, TimesAreToldAsHoursDaysMonthsOrYears) {
  const auto hours = time_ticks(at("2026-01-01T07:10:00Z"), at("2026-01-02T09:00:00Z"), 5);
  EXPECT_THAT(texts(hours), ElementsAre("12:00", "18:00", "00:00", "06:00"));
  EXPECT_THAT(texts(hours, true), ElementsAre("2026-01-01", "", "2026-01-02", "")) << "the day where it is another";
  EXPECT_THAT(texts(time_ticks(at("2025-12-28T07:00:00Z"), at("2026-01-04T09:00:00Z"), 4)), ElementsAre("12-30", "01-01", "01-03"));
  EXPECT_THAT(texts(time_ticks(at("2025-11-03T00:00:00Z"), at("2026-03-04T00:00:00Z"), 4)),
              ElementsAre("2025-12", "2026-01", "2026-02", "2026-03"));
  EXPECT_THAT(texts(time_ticks(at("2001-11-03T00:00:00Z"), at("2009-03-04T00:00:00Z"), 4)), ElementsAre("2002", "2004", "2006", "2008"));
  EXPECT_LE(time_ticks(at("1800-01-01T00:00:00Z"), at("2299-01-01T00:00:00Z"), 4).size(), 6u);
  EXPECT_TRUE(time_ticks(at("2026-01-01T00:00:00Z"), at("2026-01-01T00:00:00Z"), 4).empty());
}

TEST(Axis, SharesHaveTwoDigitsThatCount) {
  EXPECT_EQ(percent(0), "0 %");
  EXPECT_EQ(percent(0.004), "0.4 %");
  EXPECT_EQ(percent(0.0994), "9.9 %");
  EXPECT_EQ(percent(1), "100 %");
}

}  // namespace
}  // namespace lacuna::daemon
