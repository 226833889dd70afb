// Protects what a snapshot says of a feature some of whose values are limits: the limit is never taken for a value by what is made of it.

#include "state/records/feature_state.h"

#include <gtest/gtest.h>

namespace lacuna {
namespace {

Time at(int hours) { return Time(std::chrono::hours(hours)); }

FeatureState after(const std::vector<std::pair<double, Comparator>>& values, int every = 1) {
  FeatureState out;
  int hour = 0;
  for (const auto& [value, comparator] : values) apply_value(Likelihood::normal, out, value, at(hour += every), comparator);
  return out;
}

TEST(Comparators, AreReadAndWritten) {
  for (const Comparator c : {Comparator::less, Comparator::at_most, Comparator::at_least, Comparator::greater}) {
    EXPECT_EQ(parse_comparator(to_string(c)), c);
    EXPECT_EQ(turned(turned(c)), c);
    EXPECT_EQ(side_of(turned(c)), -side_of(c));
  }
  EXPECT_EQ(turned(Comparator::less), Comparator::greater);
  EXPECT_EQ(turned(Comparator::at_most), Comparator::at_least);
  EXPECT_EQ(turned(Comparator::equal), Comparator::equal);
  EXPECT_EQ(parse_comparator(""), std::nullopt);
  EXPECT_EQ(parse_comparator("="), std::nullopt);
}

TEST(FeatureStates, OfLimitsAloneNothingElseIsKnown) {
  const FeatureState s = after({{5, Comparator::less}, {4, Comparator::less}});
  EXPECT_EQ(s.count, 2U);
  EXPECT_EQ(s.last, 4);
  EXPECT_EQ(s.comparator, Comparator::less);
  EXPECT_TRUE(s.unmeasured);
}

TEST(FeatureStates, TheFirstMeasuredValueBeginsTheSummaries) {
  const FeatureState s = after({{5, Comparator::less}, {14, Comparator::equal}});
  EXPECT_FALSE(s.unmeasured);
  EXPECT_EQ(s.mean_short, 14);
  EXPECT_EQ(s.mean_long, 14);
  EXPECT_EQ(s.slope, 0);
  EXPECT_EQ(s.previous, 14) << "no value is known before it";
  EXPECT_EQ(s.comparator, Comparator::equal);
}

TEST(FeatureStates, AMeanGoesNoFurtherThanALimitDemands) {
  const FeatureState low = after({{3, Comparator::equal}, {5, Comparator::less}});
  EXPECT_EQ(low.mean_short, 3) << "below 5 already";
  const FeatureState high = after({{9, Comparator::equal}, {5, Comparator::less}}, 24 * 365);
  EXPECT_NEAR(high.mean_short, 5, 1e-6);
  EXPECT_NEAR(after({{9, Comparator::equal}, {12, Comparator::at_least}}, 24 * 365).mean_long, 12, 1e-6);
  EXPECT_EQ(high.last, 5);
}

TEST(FeatureStates, SlopeAndPreviousAreOfMeasuredValues) {
  const FeatureState s = after({{3, Comparator::equal}, {4, Comparator::equal}, {5, Comparator::less}, {4.5, Comparator::equal}});
  const FeatureState before = after({{3, Comparator::equal}, {4, Comparator::equal}});
  EXPECT_EQ(s.slope, before.slope) << "how far it moved is not known";
  EXPECT_EQ(s.previous, 4);
  EXPECT_EQ(s.last, 4.5);
}

TEST(FeatureStates, AnotherReportOfOneTimeTakesTheComparatorAway) {
  FeatureState s = after({{3, Comparator::equal}, {5, Comparator::less}});
  apply_value(Likelihood::normal, s, 4.2, at(2));
  EXPECT_EQ(s.last, 4.2);
  EXPECT_EQ(s.comparator, Comparator::equal);
  apply_value(Likelihood::normal, s, 1, at(1), Comparator::less);
  EXPECT_EQ(s.comparator, Comparator::equal) << "a late one changes nothing but the count";
  EXPECT_EQ(s.count, 4U);
}

TEST(FeatureStates, CensoringIsOneNumber) {
  for (const FeatureState& s :
       {after({{5, Comparator::less}}), after({{5, Comparator::equal}, {5, Comparator::greater}}), FeatureState()}) {
    FeatureState read = s;
    read.comparator = Comparator::at_most, read.unmeasured = !s.unmeasured;
    ASSERT_TRUE(take_censoring(censoring_of(s), read));
    EXPECT_EQ(read, s);
  }
  FeatureState s;
  for (const std::uint32_t wrong : {5U, 7U, 8U, 13U, 16U, 17U}) EXPECT_FALSE(take_censoring(wrong, s)) << wrong;
}

}  // namespace
}  // namespace lacuna
