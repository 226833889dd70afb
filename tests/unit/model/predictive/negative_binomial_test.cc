#include "model/predictive/negative_binomial.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

// Protects the negative binomial against slow sums over every count, from nearly Poisson to very wide, small and large means.

namespace lacuna::model::negative_binomial {
namespace {

struct Shape {
  double mean, dispersion;
};
const std::vector<Shape> kShapes = {{0.01, 0.5}, {0.7, 3}, {4, 0.2}, {30, 5}, {30, 90'000}, {400, 2}, {900, 50}, {20'000, 1.5}};

// log P(X = k) from lgamma in long double.
long double reference(const Shape& s, long double k) {
  const long double r = s.dispersion, m = s.mean;
  return std::exp(std::lgamma(k + r) - std::lgamma(r) - std::lgamma(k + 1) + r * (std::log(r) - std::log(r + m)) +
                  k * (std::log(m) - std::log(r + m)));
}

Predictive mixture(std::initializer_list<Shape> shapes) {
  Predictive p;
  p.likelihood = Likelihood::negative_binomial;
  for (const Shape& s : shapes) {
    p.weights.push_back(1.0f / static_cast<float>(shapes.size()));
    p.location.push_back(static_cast<float>(s.mean));
    p.scale.push_back(static_cast<float>(s.dispersion));
  }
  return p;
}

TEST(NegativeBinomial, ProbabilityAndDistributionAgreeWithSums) {
  for (const Shape& s : kShapes) {
    SCOPED_TRACE(testing::Message() << s.mean << " / " << s.dispersion);
    const double sd = std::sqrt(s.mean + s.mean * s.mean / s.dispersion);
    const auto last = static_cast<int>(s.mean + 4 * sd + 10);
    long double sum = 0, mean = 0;
    for (int k = 0; k <= last; ++k) {
      sum += reference(s, k);
      mean += k * reference(s, k);
      if (k % (last / 50 + 1) != 0) continue;
      EXPECT_NEAR(probability(s.mean, s.dispersion, k), static_cast<double>(reference(s, k)),
                  1e-8 * (1 + static_cast<double>(reference(s, k))));
      EXPECT_NEAR(distribution(s.mean, s.dispersion, k), static_cast<double>(sum), 1e-7);
    }
    EXPECT_LE(mean, s.mean * (1 + 1e-6));
  }
  EXPECT_EQ(probability(3, 1, -1), 0);
  EXPECT_EQ(probability(3, 1, 1.5), 0);
  EXPECT_EQ(distribution(3, 1, -1), 0);
}

TEST(NegativeBinomial, QuantileIsTheSmallestCountThatReachesTheProbability) {
  for (const Shape& s : kShapes) {
    const Predictive p = mixture({s, {s.mean * 2, s.dispersion}});
    for (const double probability : {1e-6, 0.05, 0.5, 0.95, 0.9999}) {
      SCOPED_TRACE(testing::Message() << s.mean << " / " << s.dispersion << " at " << probability);
      const double q = p.quantile(probability);
      EXPECT_GE(p.cdf(q) + 1e-9, probability);
      if (q > 0) {
        EXPECT_LT(p.cdf(q - 1) - 1e-9, probability);
      }
    }
  }
}

TEST(NegativeBinomial, CrpsAgreesWithTheSumOverEveryCount) {
  for (const Shape& s : kShapes) {
    const Predictive p = mixture({s, {s.mean * 2, s.dispersion}});
    const double sd = p.sd();
    for (const double value : {0.0, std::floor(s.mean), std::floor(s.mean + 6 * sd)}) {
      SCOPED_TRACE(testing::Message() << s.mean << " / " << s.dispersion << " at " << value);
      long double below = 0, sum = 0;
      for (int k = 0; k < 4e6; ++k) {
        below += (reference(s, k) + reference({static_cast<float>(s.mean * 2), s.dispersion}, k)) / 2;
        const long double gap = below - (k >= value ? 1 : 0);
        sum += gap * gap;
        if (k > value && gap * gap < 1e-12L) break;
      }
      EXPECT_NEAR(p.crps(value), static_cast<double>(sum), 2e-4 * (1 + static_cast<double>(sum)));
    }
  }
}

TEST(NegativeBinomial, MomentsOfAMixture) {
  const Predictive p = mixture({{2, 1}, {6, 3}});
  EXPECT_NEAR(p.mean(), 4, 1e-9);
  EXPECT_NEAR(p.sd() * p.sd(), (2 + 4 + 6 + 12) / 2.0 + 4, 1e-6);
  EXPECT_NEAR(p.log_density(3), std::log(static_cast<double>((reference({2, 1}, 3) + reference({6, 3}, 3)) / 2)), 1e-9);
}

}  // namespace
}  // namespace lacuna::model::negative_binomial
