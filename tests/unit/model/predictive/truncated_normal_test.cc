// Protects what is made of a limit without a network: the mean and variance beyond it, and draws of a prediction from there, which are
// those of its own values that lie there.

#include "model/predictive/truncated_normal.h"

#include <cmath>

#include <gtest/gtest.h>

#include "model/predictive/predictive.h"

namespace lacuna::model {
namespace {

TEST(TruncatedNormal, IsWhatNumbersGive) {
  for (const double limit : {-6.0, -2.0, -0.8, 0.0, 1.5, 7.0}) {
    double mass = 0, sum = 0, squares = 0;
    for (double z = -14; z < limit; z += 1e-4) {
      const double p = std::exp(-0.5 * z * z);
      mass += p, sum += p * z, squares += p * z * z;
    }
    const double mean = sum / mass, variance = squares / mass - mean * mean;
    const TruncatedNormal below = truncated_normal(limit, Comparator::less), above = truncated_normal(-limit, Comparator::at_least);
    EXPECT_NEAR(below.mean, mean, 1e-3) << limit;
    EXPECT_NEAR(below.variance, variance, 1e-3) << limit;
    EXPECT_DOUBLE_EQ(above.mean, -below.mean);
    EXPECT_DOUBLE_EQ(above.variance, below.variance);
  }
  const TruncatedNormal far = truncated_normal(-1e9, Comparator::less);
  EXPECT_TRUE(std::isfinite(far.mean) && std::isfinite(far.variance));
}

Predictive mixture(Likelihood likelihood) {
  Predictive p;
  p.likelihood = likelihood;
  p.weights = {0.3F, 0.7F};
  p.location = likelihood == Likelihood::negative_binomial ? std::vector<float>{2, 9} : std::vector<float>{1, 2.5F};
  p.scale = {0.5F, 1.5F};
  p.freedom = {4, 4};
  return p;
}

// With all u, below and above by their shares, the draws are the distribution.
TEST(Predictive, BeyondALimitLiesWhatIsThere) {
  for (const Likelihood likelihood : {Likelihood::normal, Likelihood::log_normal, Likelihood::student_t, Likelihood::negative_binomial}) {
    const Predictive p = mixture(likelihood);
    const double limit = likelihood == Likelihood::log_normal ? 5 : 2;
    const double share = p.cdf(limit);
    for (const double value : {limit - 1.0, limit, limit + 1.0, limit + 4.0}) {
      double reached = 0;
      constexpr int kDraws = 2000;
      for (int i = 0; i < kDraws; ++i) {
        const double u = (i + 0.5) / kDraws;
        const double below = p.beyond(limit, Comparator::at_most, u), above = p.beyond(limit, Comparator::greater, u);
        EXPECT_LE(below, limit);
        EXPECT_GE(above, limit);
        reached += share * (below <= value ? 1 : 0) + (1 - share) * (above <= value ? 1 : 0);
      }
      EXPECT_NEAR(reached / kDraws, p.cdf(value), 2e-3) << to_string(likelihood) << " " << value;
    }
    EXPECT_LT(p.beyond(limit, Comparator::less, 0.999), limit + 1e-9);
  }
  EXPECT_EQ(mixture(Likelihood::negative_binomial).beyond(2, Comparator::less, 0.9999), 1);
  EXPECT_EQ(mixture(Likelihood::negative_binomial).beyond(0, Comparator::less, 0.5), 0) << "nothing is there";
}

TEST(Predictive, BeyondAFarLimitIsAtIt) {
  const Predictive p = mixture(Likelihood::normal);
  for (const double u : {0.0, 0.5, 0.999}) {
    EXPECT_LE(p.beyond(-1e6, Comparator::less, u), -1e6);
    EXPECT_GE(p.beyond(1e6, Comparator::greater, u), 1e6);
    EXPECT_TRUE(std::isfinite(p.beyond(1e6, Comparator::less, u)));
  }
}

}  // namespace
}  // namespace lacuna::model
