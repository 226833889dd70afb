// Goal: what is told of a column is true however long it is. Method: columns whose counts are known.
#include "daemon/guessing/column_profile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/daemon/guessing/made_up_tables.h"

namespace lacuna::daemon {
namespace {

using namespace lacuna::daemon::testing;
using ::testing::ElementsAre;
using ::testing::Pair;

TEST(ColumnProfile, NumbersAndWordsAreCountedApart) {
  const ColumnProfile p = profile_of({"1", "2.5", "", "NA", "NaN", "inf", "1.0", "-0", "0", "x"});
  EXPECT_EQ(p.cells(), 10u);
  EXPECT_EQ(p.empty(), 1u);
  EXPECT_EQ(p.numbers(), 5u) << "what is not finite is a word";
  EXPECT_FALSE(p.whole());
  EXPECT_THAT(p.values(), ElementsAre(Pair(0, 2u), Pair(1, 2u), Pair(2.5, 1u)));
  EXPECT_THAT(p.words(), ElementsAre(Pair("NA", 1u), Pair("NaN", 1u), Pair("inf", 1u), Pair("x", 1u)));
  EXPECT_EQ(profile_of({"1,5", "1.080,5", "7"}, ',').numbers(), 3u);
  EXPECT_EQ(profile_of({"<5", "7", "≥ 200", "<x", "<"}).numbers(), 3u) << "limits are numbers, as replay reads them";
}

TEST(ColumnProfile, ExtremesAreExactInALongColumn) {
  ColumnProfile p;
  for (int i = 0; i < 50'000; ++i) p.add(fixed(100 + even(1, static_cast<std::uint64_t>(i)), 6));
  for (int i = 0; i < 7; ++i) p.add("-999");
  p.add("5000");
  EXPECT_FALSE(p.has_all_values());
  EXPECT_EQ(p.lowest().size(), ColumnProfile::kExtremesMax);
  EXPECT_EQ(p.lowest().at(-999), 7u);
  EXPECT_EQ(p.highest().at(5000), 1u);
  const std::vector<double> sample = p.sample({-999, 5000});
  EXPECT_NEAR(quantile(sample, 0.5), 100.5, 0.03);
  EXPECT_NEAR(quantile(sample, 0.1), 100.1, 0.03);
  EXPECT_EQ(sample.size() + 8 >= ColumnProfile::kSampleMax - 1, true);
}

TEST(DistinctSketch, IsExactForFewAndNearForMany) {
  DistinctSketch few, many;
  for (std::uint64_t i = 0; i < 3000; ++i) few.add(hash64(std::to_string(i % 500)));
  for (std::uint64_t i = 0; i < 200'000; ++i) many.add(hash64(std::to_string(i % 100'000)));
  EXPECT_EQ(few.count(), 500);
  EXPECT_NEAR(many.count(), 100'000, 10'000);
}

TEST(Quantile, LiesBetweenValues) {
  EXPECT_EQ(quantile({3}, 0.7), 3);
  EXPECT_EQ(quantile({0, 10}, 0.25), 2.5);
  EXPECT_EQ(number_text(3), "3");
  EXPECT_EQ(number_text(0.05), "0.05");
}

TEST(ColumnProfile, WhatStandsBehindANumber) {
  const auto parts = [](std::string_view text, char decimal = '.') {
    std::string_view number;
    const std::string unit(unit_behind(text, decimal, number));
    return unit.empty() ? "" : std::string(number) + "|" + unit;
  };
  EXPECT_EQ(parts("<5 mg/L"), "<5|mg/L");
  EXPECT_EQ(parts(">=1,250.5 mg/L"), ">=1,250.5|mg/L");
  EXPECT_EQ(parts("5,3 mg/L", ','), "5,3|mg/L");
  EXPECT_EQ(parts("37 °C"), "37|°C");
  EXPECT_EQ(parts("45%"), "45|%");
  EXPECT_EQ(parts("4.5 10*3/uL"), "4.5|10*3/uL");
  EXPECT_EQ(parts("70 g"), "70|g");
  for (const char* none : {"", "5", "<5", "2a", "98F", "3 B", "120/80", "12:30", "mg/L", "3+", "2026-01-01", "1e5", "-"}) {
    EXPECT_EQ(parts(none), "") << none;
  }
}

}  // namespace
}  // namespace lacuna::daemon
