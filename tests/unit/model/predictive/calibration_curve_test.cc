// Goal: the counts are those of intervals of each level, and the range of chance is the binomial's. Method: scores that are known, and
// figures of tables.

#include "model/predictive/calibration_curve.h"

#include <gtest/gtest.h>

#include "model/predictive/predictive.h"

namespace lacuna::model {
namespace {

TEST(CalibrationCurve, AModelThatIsRightHoldsEachLevel) {
  CalibrationCurve curve;
  for (int i = 0; i < 1000; ++i) curve.add_own(normal_quantile((i + 0.5) / 1000));
  EXPECT_EQ(curve.count, 1000u);
  for (const auto& p : curve.points) EXPECT_NEAR(static_cast<double>(p.inside_own) / 1000, p.level, 0.0011);
}

TEST(CalibrationCurve, TakesNumbersAlone) {
  EXPECT_TRUE(CalibrationCurve::takes(Likelihood::student_t));
  EXPECT_FALSE(CalibrationCurve::takes(Likelihood::negative_binomial));
  EXPECT_FALSE(CalibrationCurve::takes(Likelihood::bernoulli));
}

TEST(CalibrationCurve, TheRangeOfChanceIsTheBinomials) {
  // Of 10 fair coins 2 to 8 heads have 97.9 %, 3 to 7 have 89.1 %.
  EXPECT_EQ(binomial_range(10, 0.5), std::pair(0.2, 0.8));
  const auto [low, high] = binomial_range(10'000, 0.9);
  EXPECT_NEAR(low, 0.9 - 1.96 * 0.003, 2e-4);
  EXPECT_NEAR(high, 0.9 + 1.96 * 0.003, 2e-4);
  EXPECT_EQ(binomial_range(0, 0.5), std::pair(0.5, 0.5));
  EXPECT_EQ(binomial_range(10, 1), std::pair(1.0, 1.0));
}

}  // namespace
}  // namespace lacuna::model
