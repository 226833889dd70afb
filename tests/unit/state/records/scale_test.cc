#include "state/records/scale.h"

#include <gtest/gtest.h>

#include <cmath>

namespace lacuna {
namespace {

TEST(Scale, IsTheLogarithmOfOnePlusXForLogNormalAndNothingElse) {
  for (const Likelihood l : {Likelihood::normal, Likelihood::student_t, Likelihood::negative_binomial, Likelihood::ordinal}) {
    EXPECT_EQ(to_scale(l, 12.5), 12.5);
    EXPECT_EQ(from_scale(l, -12.5), -12.5);
  }
  EXPECT_DOUBLE_EQ(to_scale(Likelihood::log_normal, 12.5), std::log(13.5));
  EXPECT_NEAR(from_scale(Likelihood::log_normal, to_scale(Likelihood::log_normal, 12.5)), 12.5, 1e-12);
}

// A negative number is what a broken analyser sends: the scale must give one, and not a NaN that spreads through means.
TEST(Scale, OfALogNormalIsDefinedEverywhere) {
  EXPECT_EQ(to_scale(Likelihood::log_normal, -3), 0);
  EXPECT_EQ(from_scale(Likelihood::log_normal, -3), 0);
  EXPECT_TRUE(std::isfinite(from_scale(Likelihood::log_normal, 1e6)));
}

TEST(Scale, DetectorsTakeCountsByRatioToo) {
  EXPECT_DOUBLE_EQ(to_symmetric_scale(Likelihood::negative_binomial, 3), std::log(4.0));
  EXPECT_DOUBLE_EQ(to_symmetric_scale(Likelihood::log_normal, 3), std::log(4.0));
  EXPECT_EQ(to_symmetric_scale(Likelihood::student_t, 3), 3);
}

TEST(Scale, DistancesAreInStandardDeviationsOfTheScale) {
  const StandardScale plain{Likelihood::normal, 10, 2};
  EXPECT_DOUBLE_EQ(plain.distance(7, 12), 2.5);
  EXPECT_DOUBLE_EQ(plain.distance(12, 7), 2.5);
  EXPECT_DOUBLE_EQ(plain.from_mean(7), 1.5);
  const StandardScale logarithmic{Likelihood::log_normal, std::log(10.0), 0.5};
  EXPECT_NEAR(logarithmic.distance(9, 99), 2 * std::log(10.0), 1e-12);
  EXPECT_NEAR(logarithmic.from_mean(99), 2 * std::log(10.0), 1e-12);
}

}  // namespace
}  // namespace lacuna
