#include "model/predictive/predictive.h"
#include "model/predictive/log_normal.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <random>

// Protects the numbers that everything else rests on: they are compared with slow references (long double sums, fine
// quadrature) and with identities, over random mixtures. Each failure prints the seed of its mixture.

namespace lacuna::model {
namespace {

Predictive random_mixture(std::uint64_t seed, Likelihood likelihood, std::size_t components = 16) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  Predictive p;
  p.likelihood = likelihood;
  const float spread = std::exp(normal(random));
  float total = 0;
  for (std::size_t k = 0; k < components; ++k) {
    p.weights.push_back(std::exp(normal(random)));
    p.location.push_back(2 + spread * normal(random));
    p.scale.push_back(0.3f * std::exp(0.7f * normal(random)));
    total += p.weights.back();
  }
  for (float& w : p.weights) w /= total;
  return p;
}

long double reference_cdf(const Predictive& p, long double y) {
  long double sum = 0;
  for (std::size_t k = 0; k < p.weights.size(); ++k) {
    sum += p.weights[k] * 0.5L * std::erfc(-(y - p.location[k]) / p.scale[k] / std::numbers::sqrt2_v<long double>);
  }
  return sum;
}

long double reference_density(const Predictive& p, long double y) {
  long double sum = 0;
  for (std::size_t k = 0; k < p.weights.size(); ++k) {
    const long double t = (y - p.location[k]) / p.scale[k];
    sum += static_cast<long double>(p.weights[k]) / p.scale[k] * std::exp(-t * t / 2) / std::sqrt(2 * std::numbers::pi_v<long double>);
  }
  return sum;
}

// Trapezoid over a range that holds all but 1e-12 of any of the mixtures above.
template <typename F>
double integrate(F&& f, double from, double to, int panels = 20'000) {
  long double sum = 0;
  const long double step = (to - from) / panels;
  for (int i = 0; i <= panels; ++i) sum += f(from + i * step) * (i == 0 || i == panels ? 0.5L : 1.0L);
  return static_cast<double>(sum * step);
}

TEST(NormalQuantile, InvertsTheDistributionFunctionIntoBothTails) {
  for (double z = -37; z <= 8; z += 0.01) {
    EXPECT_NEAR(normal_quantile(normal_cdf(z)), z, z > 5 ? 1e-2 : 1e-8) << z;  // above 5, 1 - p has few digits left
  }
  EXPECT_NEAR(normal_quantile(0.95), 1.6448536269514722, 1e-13);
  EXPECT_NEAR(normal_quantile(1e-20), -9.262340089798408, 1e-11);
  EXPECT_TRUE(std::isfinite(normal_quantile(0)));
  EXPECT_TRUE(std::isfinite(normal_quantile(1)));
}

TEST(NormalMixture, QuantileAndScoreInvertTheReferenceDistribution) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(seed);
    const Predictive p = random_mixture(seed, Likelihood::normal, seed % 32 + 1);
    for (const double probability : {1e-9, 1e-4, 0.05, 0.3, 0.5, 0.77, 0.95, 0.9999}) {
      const double y = p.quantile(probability);
      const double slope = static_cast<double>(reference_density(p, y));
      const double off = (static_cast<double>(reference_cdf(p, y)) - probability) / slope;
      // Where a mixture has a gap between its components the quantile is ill-determined and the probability decides.
      EXPECT_TRUE(std::abs(off) < 1e-4 * 0.3 || std::abs(off * slope) < 1e-6 * probability) << probability << " " << off;
      EXPECT_NEAR(p.cdf(y), static_cast<double>(reference_cdf(p, y)), 1e-12);
    }
    for (const double z : {-9.0, -3.0, 0.0, 1.645, 5.0, 9.0}) EXPECT_NEAR(p.normal_score(p.quantile_at(z), 0), z, 1e-3);
  }
}

TEST(NormalMixture, FarApartComponentsStillHaveTheirQuantiles) {
  // Newton alone leaves such a mixture at once; the bracket keeps it.
  Predictive p{Likelihood::normal, {0.5f, 0.5f}, {-1000, 1000}, {0.01f, 0.01f}, {}};
  EXPECT_NEAR(p.quantile(0.25), -1000, 1e-3);
  EXPECT_NEAR(p.quantile(0.75), 1000, 1e-3);
  EXPECT_NEAR(p.quantile(0.499), -1000 + 0.01 * normal_quantile(0.998), 1e-4);
  p.weights = {1, 0};
  EXPECT_NEAR(p.quantile(0.9), -1000 + 0.01 * normal_quantile(0.9), 1e-4);
}

TEST(NormalMixture, MomentsDensityAndCrpsAgreeWithQuadrature) {
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    SCOPED_TRACE(seed);
    const Predictive p = random_mixture(seed, Likelihood::normal, seed == 1 ? 1 : 7);
    const double from = p.mean() - 12 * p.sd() - 20, to = p.mean() + 12 * p.sd() + 20;
    const double mean = integrate([&](long double y) { return y * reference_density(p, y); }, from, to);
    const double square = integrate([&](long double y) { return (y - mean) * (y - mean) * reference_density(p, y); }, from, to);
    EXPECT_NEAR(p.mean(), mean, 2e-6 * (1 + std::abs(mean)));
    EXPECT_NEAR(p.sd(), std::sqrt(square), 1e-6 * (1 + p.sd()));
    for (const double value : {p.quantile(0.01), p.mean(), p.quantile(0.9) + 3 * p.sd()}) {
      EXPECT_NEAR(p.log_density(value), static_cast<double>(std::log(reference_density(p, value))), 1e-9);
      const double below = integrate([&](long double y) { return reference_cdf(p, y) * reference_cdf(p, y); }, from, value);
      const double above = integrate([&](long double y) { return (1 - reference_cdf(p, y)) * (1 - reference_cdf(p, y)); }, value, to);
      EXPECT_NEAR(p.crps(value), below + above, 1e-5 * (1 + p.sd()));
    }
  }
  // The closed form for one normal (Gneiting and Raftery 2007): sd * (2 phi(0) - 1 / sqrt(pi)) at its mean.
  const Predictive one{Likelihood::normal, {1}, {3}, {2}, {}};
  EXPECT_NEAR(one.crps(3), 2 * (2 / std::sqrt(2 * std::numbers::pi) - 1 / std::sqrt(std::numbers::pi)), 1e-8);
  EXPECT_NEAR(one.crps(3e6), 3e6 - 3 - 2 / std::sqrt(std::numbers::pi), 1e-6);  // far away it is the distance
}

TEST(LogNormalMixture, IsTheNormalOneOnTheLogScale) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    Predictive p = random_mixture(seed, Likelihood::log_normal, 5);
    for (float& m : p.location) m = std::abs(m) + 1;
    Predictive log_scale = p;
    log_scale.likelihood = Likelihood::normal;
    for (const double probability : {0.3, 0.5, 0.95}) {
      EXPECT_NEAR(std::log1p(p.quantile(probability)), std::max(0.0, log_scale.quantile(probability)), 1e-9);
    }
    EXPECT_DOUBLE_EQ(p.cdf(std::expm1(2.0)), log_scale.cdf(std::log1p(std::expm1(2.0))));
    EXPECT_DOUBLE_EQ(p.crps(std::expm1(2.0)), log_scale.crps(std::log1p(std::expm1(2.0))));
    EXPECT_EQ(p.cdf(-0.5), 0);
    double mean = 0, square = 0;  // E exp(aY) of a normal is exp(a m + a^2 s^2 / 2)
    for (std::size_t k = 0; k < p.weights.size(); ++k) {
      const double m = p.location[k], v = static_cast<double>(p.scale[k]) * p.scale[k];
      mean += p.weights[k] * std::exp(m + v / 2);
      square += p.weights[k] * std::exp(2 * m + 2 * v);
    }
    EXPECT_NEAR(p.mean(), mean - 1, 1e-6 * mean);
    EXPECT_NEAR(p.sd(), std::sqrt(square - mean * mean), 1e-4 * std::sqrt(square));
  }
}

TEST(LogNormalMixture, NeverNegativeAndNeverInfinite) {
  const Predictive low{Likelihood::log_normal, {1}, {-3}, {1}, {}};
  EXPECT_EQ(low.quantile(0.05), 0);
  EXPECT_GE(low.mean(), 0);
  const Predictive wild{Likelihood::log_normal, {0.5f, 0.5f}, {400, 1}, {50, 1}, {}};
  for (const double v : {wild.mean(), wild.sd(), wild.quantile(0.99), wild.crps(1), wild.log_density(1)}) {
    EXPECT_TRUE(std::isfinite(v)) << v;
  }
}

// Values drawn from the mixture must have a uniform transform: otherwise calibration corrects what is not wrong.
TEST(Predictive, TransformOfItsOwnDrawsIsUniform) {
  const std::uint64_t seed = 77;
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> uniform;
  std::normal_distribution<double> normal;
  for (const Likelihood likelihood : {Likelihood::normal, Likelihood::log_normal, Likelihood::negative_binomial, Likelihood::bernoulli,
                                      Likelihood::categorical, Likelihood::ordinal, Likelihood::student_t}) {
    Predictive p{likelihood, {0.2f, 0.5f, 0.3f}, {1, 4, 9}, {0.5f, 1, 2}, {}};
    if (likelihood == Likelihood::student_t) p.freedom = {2.5f, 4, 20};
    if (likelihood == Likelihood::bernoulli) p.class_probabilities = {0.8f, 0.2f};
    if (has_categories(likelihood)) p.class_probabilities = {0.1f, 0.05f, 0.6f, 0.25f};
    constexpr int kDraws = 20'000, kBins = 20;
    std::vector<int> bins(kBins);
    std::discrete_distribution<std::size_t> component(p.weights.begin(), p.weights.end());
    std::discrete_distribution<int> category(p.class_probabilities.begin(), p.class_probabilities.end());
    for (int i = 0; i < kDraws; ++i) {
      double value = 0;
      const std::size_t k = component(random);
      if (is_discrete(likelihood)) {
        value = category(random);
      } else if (likelihood == Likelihood::negative_binomial) {
        std::gamma_distribution<double> rate(p.scale[k], p.location[k] / p.scale[k]);
        value = std::poisson_distribution<int>(rate(random))(random);
      } else if (likelihood == Likelihood::student_t) {
        value = p.location[k] + p.scale[k] * std::student_t_distribution<double>(p.freedom[k])(random);
      } else {
        value = p.location[k] + p.scale[k] * normal(random);
        if (likelihood == Likelihood::log_normal) {
          if (value < 0) continue;  // mass below 0 is not observable
          value = std::expm1(value);
        }
      }
      const double u = uniform(random);
      const double pit = p.pit(value, u);
      ASSERT_GE(pit, 0);
      ASSERT_LE(pit, 1 + 1e-6);
      bins[static_cast<std::size_t>(std::min(pit * kBins, kBins - 1.0))] += 1;
      if (pit > 1e-4 && pit < 1 - 1e-4) {
        ASSERT_NEAR(normal_cdf(p.normal_score(value, u)), pit, 1e-6);
      }
    }
    double chi_square = 0;
    for (std::size_t b = 0; b < kBins; ++b) {
      const double expected = static_cast<double>(kDraws) / kBins;
      if (likelihood == Likelihood::log_normal && b == 0) continue;
      chi_square += (bins[b] - expected) * (bins[b] - expected) / expected;
    }
    EXPECT_LT(chi_square, 43.8) << to_string(likelihood);  // 99.9 % point at 19 degrees of freedom
  }
}

TEST(Classes, SummariesFollowTheProbabilities) {
  const Predictive p{Likelihood::categorical, {}, {}, {}, {0.1f, 0.2f, 0.3f, 0.4f}};
  EXPECT_NEAR(p.mean(), 2.0, 1e-6);
  EXPECT_NEAR(p.sd(), 1.0, 1e-6);
  EXPECT_EQ(p.quantile(0.05), 0);
  EXPECT_EQ(p.median(), 2);
  EXPECT_EQ(p.quantile(0.95), 3);
  EXPECT_NEAR(p.cdf(1), 0.3, 1e-6);
  EXPECT_NEAR(p.pit(1, 0.5), 0.2, 1e-6);
  EXPECT_NEAR(p.log_density(3), std::log(0.4), 1e-6);
  EXPECT_NEAR(p.crps(1), 0.01 + 0.49 + 0.16, 1e-6);
  const Predictive certain{Likelihood::bernoulli, {}, {}, {}, {0, 1}};
  EXPECT_EQ(certain.crps(1), 0);
  EXPECT_EQ(certain.crps(0), 1);
  EXPECT_TRUE(std::isfinite(certain.log_density(0)));
  EXPECT_TRUE(std::isfinite(certain.normal_score(0, 0.5)));
}

// Protects: the order counts. Between {least, most} the middle class is the median though it is never likeliest, and a guess far off
// costs more than a near one.
TEST(Classes, OrdinalsAreSummarisedInTheirOrder) {
  const Predictive p{Likelihood::ordinal, {}, {}, {}, {0.45f, 0.1f, 0.45f}};
  EXPECT_EQ(p.median(), 1);
  EXPECT_EQ(p.quantile(0.44), 0);
  EXPECT_EQ(p.quantile(0.56), 2);
  EXPECT_NEAR(p.mean(), 1, 1e-6);
  EXPECT_NEAR(p.cdf(1), 0.55, 1e-6);
  const Predictive low{Likelihood::ordinal, {}, {}, {}, {1, 0, 0}};
  EXPECT_EQ(low.crps(1), 1);
  EXPECT_EQ(low.crps(2), 2);
}

// A log-normal mixture whose values are asked for in another unit: what is natural is converted, and what is on the scale is that of
// the new unit, compared with sums over a fine grid. No value is negative in either unit; what would be counts as 0.
TEST(Predictive, LogNormalInAnotherUnit) {
  for (const UnitConversion unit : {UnitConversion{18.02, 0}, {0.0555, 0}, {1.8, 32}, {5, -3}, {1, 0.5}}) {
    for (std::uint64_t seed = 1; seed <= 6; ++seed) {
      const Predictive plain = random_mixture(seed, Likelihood::log_normal);
      Predictive p = plain;
      p.unit = unit;
      const auto there = [&](double value) { return (value - unit.offset) / unit.factor; };
      const auto here = [&](double value) { return std::max(0.0, unit.factor * value + unit.offset); };
      EXPECT_NEAR(p.mean(), here(plain.mean()), 1e-9 * p.mean()) << seed;
      EXPECT_NEAR(p.sd(), unit.factor * plain.sd(), 1e-9 * p.sd()) << seed;
      for (const double q : {0.01, 0.3, 0.5, 0.8, 0.99}) {
        const double value = p.quantile(q);
        EXPECT_NEAR(value, here(plain.quantile(q)), 1e-9 * (1 + value)) << seed;
        EXPECT_EQ(p.quantile_at(normal_quantile(q)), value);
        if (value <= std::max(0.0, unit.offset)) continue;
        EXPECT_NEAR(p.cdf(value), q, 1e-3) << seed;
        EXPECT_NEAR(p.normal_score(value, 0), normal_quantile(q), 1e-2) << seed;
        EXPECT_NEAR(p.normal_score(value, 0), plain.normal_score(there(value), 0), 1e-6) << seed;
        // The derivative of the distribution function by log(1 + value).
        const double u = std::log1p(value), step = 1e-5;
        const double slope = (p.cdf(std::expm1(u + step)) - p.cdf(std::expm1(u - step))) / (2 * step);
        EXPECT_NEAR(std::exp(p.log_density(value)), slope, 1e-4 * (1 + slope)) << seed;
      }
      EXPECT_EQ(p.cdf(-0.1), 0);
      EXPECT_EQ(p.cdf(0.9 * std::max(unit.offset, 0.0) - 1e-9), 0);
      const auto scaled = [&](double y) { return std::log1p(here(std::expm1(std::max(y, 0.0)))); };
      const double mean =
          integrate([&](long double y) { return scaled(static_cast<double>(y)) * reference_density(p, y); }, -20, 30, 12'000);
      EXPECT_NEAR(p.mean_on_scale(), mean, 1e-4 * (1 + mean)) << seed;
      const double square = integrate(
          [&](long double y) { return std::pow(scaled(static_cast<double>(y)) - mean, 2) * reference_density(p, y); }, -20, 30, 12'000);
      const auto moments = log_normal::moments_on_scale(p);
      EXPECT_EQ(moments.first, p.mean_on_scale());
      EXPECT_NEAR(moments.second, std::sqrt(square), 1e-3 * std::sqrt(square)) << seed;
      for (const double at : {0.05, 0.6, 0.999}) {
        const double value = p.quantile(at), u = std::log1p(value);
        const auto below = [&](long double x) -> long double {
          const double natural = std::expm1(static_cast<double>(x));
          return there(natural) < 0 ? 0 : reference_cdf(p, std::log1p(there(natural)));
        };
        const double crps = integrate([&](long double x) { return below(x) * below(x); }, 0, u, 4'000) +
                            integrate([&](long double x) { return (1 - below(x)) * (1 - below(x)); }, u, 30, 8'000);
        EXPECT_NEAR(p.crps(value), crps, 2e-3 * (0.01 + crps)) << seed << ", " << unit.factor;
      }
    }
  }
}

}  // namespace
}  // namespace lacuna::model
