// Protects the Student t against references of 40 digits (incomplete beta and quadrature in arbitrary precision), from the middle to
// tails of 1e-213, and by identities over random mixtures. Each failure prints the seed of its mixture.

#include "model/predictive/student_t.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

namespace lacuna::model::student_t {
namespace {

Predictive random_mixture(std::uint64_t seed, std::size_t components) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  Predictive p;
  p.likelihood = Likelihood::student_t;
  const float spread = std::exp(normal(random));
  float total = 0;
  for (std::size_t k = 0; k < components; ++k) {
    p.weights.push_back(std::exp(normal(random)));
    p.location.push_back(2 + spread * normal(random));
    p.scale.push_back(0.3f * std::exp(0.7f * normal(random)));
    p.freedom.push_back(2.1f + 10 * std::exp(1.5f * normal(random)));
    total += p.weights.back();
  }
  for (float& w : p.weights) w /= total;
  return p;
}

Predictive one(double freedom) { return {Likelihood::student_t, {1}, {0}, {1}, {}, {static_cast<float>(freedom)}}; }

// Three unlike components, all numbers exact in binary.
const Predictive kMixture{Likelihood::student_t, {0.5f, 0.25f, 0.25f}, {0, 2, -1}, {1, 0.25f, 3}, {}, {4, 2.5f, 12}};

// Mass above y, by symmetry: with the accuracy of a small number.
double above(const Predictive& p, double y) {
  double sum = 0;
  for (std::size_t k = 0; k < p.weights.size(); ++k) sum += p.weights[k] * distribution(p.freedom[k], (p.location[k] - y) / p.scale[k]);
  return sum;
}

// Integral of the squared distance to the step at y, by Simpson's rule in x: y + scale sinh(x).
double crps_by_quadrature(const Predictive& p, double y, double scale) {
  constexpr int kPanels = 20'000;
  constexpr double kEnd = 25, kStep = kEnd / kPanels;
  double sum = 0;
  for (int i = 0; i <= kPanels; ++i) {
    const double reach = scale * std::sinh(i * kStep), below = p.cdf(y - reach), over = above(p, y + reach);
    sum += (below * below + over * over) * std::cosh(i * kStep) * (i == 0 || i == kPanels ? 1 : i % 2 == 0 ? 2 : 4);
  }
  return sum * scale * kStep / 3;
}

double mean_scale(const Predictive& p) {
  double sum = 0;
  for (std::size_t k = 0; k < p.weights.size(); ++k) sum += p.weights[k] * p.scale[k];
  return sum;
}

TEST(Student, DistributionKeepsItsDigitsIntoTheTail) {
  struct Reference {
    double freedom, t, lower;
  };
  constexpr Reference kReferences[] = {
      {2.5, -1, 0.20203051363913673},      {2.5, -1e3, 2.2747463948307452e-8},    {2.5, -1e80, 7.1933971908317224e-201},
      {3, -2, 0.069662984279421588},       {4.5, -1e30, 5.2491951236434316e-135}, {10, 0.5, 0.68605319712851353},
      {10, -1e20, 1.23046875e-196},        {30, -5, 1.1648342733503898e-5},       {100, -30, 4.1901662793441461e-52},
      {1000, -12, 2.1620286933872637e-31}, {1e6, -8, 6.2275317166012598e-16},     {2.125, -1e100, 1.7199354449807924e-213},
  };
  for (const Reference& r : kReferences) {
    EXPECT_NEAR(distribution(r.freedom, r.t) / r.lower, 1, 1e-12) << r.freedom << " at " << r.t;
    if (r.lower < 0.5) {
      EXPECT_NEAR(distribution(r.freedom, -r.t), 1 - r.lower, 1e-15);
    }
    EXPECT_NEAR(one(r.freedom).normal_score(r.t, 0), normal_quantile(r.lower), 1e-9 * (1 + std::abs(normal_quantile(r.lower))));
    EXPECT_NEAR(one(r.freedom).normal_score(-r.t, 0), -normal_quantile(r.lower), 1e-9 * (1 + std::abs(normal_quantile(r.lower))));
  }
}

TEST(Student, ScoreFollowsTheTailTo1e300) {
  // P(T <= -t) tends to C t^-freedom: a tenfold t costs `freedom` powers of ten, down to the last one that a score can tell.
  const double far = distribution(3, -1e40);
  for (double power = 50; power <= 99; power += 7) {
    const double lower = distribution(3, -std::pow(10, power));
    EXPECT_NEAR(lower / far * std::pow(10, 3 * (power - 40)), 1, 1e-10) << power;
    const double z = one(3).normal_score(-std::pow(10, power), 0);
    EXPECT_NEAR(z, normal_quantile(lower), 1e-12 * std::abs(z));
    EXPECT_NEAR(std::log10(-one(3).quantile_at(z)), power, 1e-6);
    EXPECT_NEAR(std::log10(one(3).quantile_at(-z)), power, 1e-6);
  }
  EXPECT_NEAR(std::log10(-one(3).quantile(1e-300)), 100, 0.2);
}

TEST(Student, OneComponentHasItsClosedForms) {
  struct Reference {
    double freedom, at, crps;
  };
  for (const Reference& r :
       {Reference{2.5, 0, 0.28611862418627071}, Reference{3, 1.5, 0.95722102519641112}, Reference{5, -4, 3.3205141104662235},
        Reference{30, 2, 1.4427575459418617}, Reference{1e5, 0.7, 0.42156968225205449}}) {
    SCOPED_TRACE(r.freedom);
    EXPECT_NEAR(one(r.freedom).crps(r.at), r.crps, 1e-12);
    // Shifted and stretched; split in two, which takes the quadrature's way.
    Predictive p{Likelihood::student_t, {1}, {3}, {2}, {}, {static_cast<float>(r.freedom)}};
    EXPECT_NEAR(p.crps(3 + 2 * r.at), 2 * r.crps, 1e-12);
    p = {Likelihood::student_t, {0.5f, 0.5f}, {3, 3}, {2, 2}, {}, {p.freedom[0], p.freedom[0]}};
    EXPECT_NEAR(p.crps(3 + 2 * r.at), 2 * r.crps, 1e-8);
    EXPECT_EQ(p.mean(), 3);
    const double v = r.freedom;
    EXPECT_NEAR(p.sd(), 2 * std::sqrt(v / (v - 2)), 1e-9);
  }
}

TEST(Student, MixtureAgreesWithTheReference) {
  EXPECT_NEAR(kMixture.cdf(1.5), 0.66505714032043792, 1e-14);
  EXPECT_NEAR(kMixture.log_density(1.5), -1.883929826330011, 1e-13);
  EXPECT_NEAR(kMixture.crps(1.5), 0.650863951250214, 1e-8);
  EXPECT_NEAR(kMixture.crps(-6), 5.13369923134604, 1e-8);
  EXPECT_NEAR(kMixture.crps(40), 38.5776386393147, 1e-8);
  EXPECT_NEAR(kMixture.mean(), 0.25, 1e-15);
  EXPECT_NEAR(kMixture.sd() * kMixture.sd(), 0.5 * (2 + 0.0625) + 0.25 * (0.0625 * 5 + 3.0625) + 0.25 * (9 * 1.2 + 1.5625), 1e-12);
}

TEST(Student, QuantileInvertsTheDistribution) {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    SCOPED_TRACE(seed);
    const Predictive p = random_mixture(seed, seed % 32 + 1);
    const double scale = mean_scale(p);
    for (const double z : {-30.0, -9.0, -3.0, -0.7, 0.0, 1.645, 5.0, 20.0}) EXPECT_NEAR(p.normal_score(p.quantile_at(z), 0), z, 1e-5);
    for (const double probability : {1e-9, 0.05, 0.5, 0.95, 0.9999})
      EXPECT_NEAR(p.cdf(p.quantile(probability)), probability, 1e-6 * probability);
    for (const double y : {p.mean() - 5 * scale, p.mean(), p.mean() + 3 * scale}) EXPECT_NEAR(p.quantile(p.cdf(y)), y, 1e-4 * scale);
  }
}

TEST(Student, FarApartComponentsStillHaveTheirQuantiles) {
  // Newton alone leaves such a mixture at once; the bracket keeps it.
  const Predictive p{Likelihood::student_t, {0.5f, 0.5f}, {-1000, 1000}, {0.01f, 0.01f}, {}, {30, 30}};
  const Predictive alone{Likelihood::student_t, {1}, {-1000}, {0.01f}, {}, {30}};
  EXPECT_NEAR(p.quantile(0.25), -1000, 1e-5);
  EXPECT_NEAR(p.quantile(0.75), 1000, 1e-5);
  EXPECT_NEAR(p.quantile(0.49), alone.quantile(0.98), 1e-5);
  // E|X - y| less half of E|X - X'|, where X and X' share a component every other time.
  const double itself = 2 * 0.01 * (one(30).crps(1e3) - 1e3);  // less E|T - T'|
  EXPECT_NEAR(p.crps(0), 1000 - 0.5 * (0.5 * 2000 - 0.5 * itself), 2e-3);
}

TEST(Student, DensityIsTheSlopeOfTheDistribution) {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE(seed);
    const Predictive p = random_mixture(seed, 7);
    for (const double z : {-2.0, 0.0, 1.0, 3.0}) {
      const double y = p.quantile_at(z), step = 1e-4 * p.scale[0];
      const double slope = z < 0 ? p.cdf(y + step) - p.cdf(y - step) : above(p, y - step) - above(p, y + step);
      EXPECT_NEAR(std::exp(p.log_density(y)) * 2 * step / slope, 1, 1e-4) << z;
    }
  }
}

TEST(Student, DensityFallsByItsPowerWhereNoDoubleHoldsIt) {
  EXPECT_NEAR(kMixture.log_density(1e250) - kMixture.log_density(1e240), -10 * std::log(10) * (1 + 2.5), 1e-9);
}

TEST(Student, CrpsAgreesWithQuadrature) {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE(seed);
    const Predictive p = random_mixture(seed, seed + 1);
    const double scale = mean_scale(p);
    const auto [least, most] = std::minmax_element(p.location.begin(), p.location.end());
    for (const double z : {-3.0, 0.3}) {
      const double y = p.quantile_at(z);
      EXPECT_NEAR(p.crps(y), crps_by_quadrature(p, y, 0.5 * scale), 1e-6 * (scale + *most - *least));
    }
  }
}

// Protects: a component that no panel's nodes would meet by chance still counts.
TEST(Student, CrpsFindsNarrowComponents) {
  for (const float scale : {0.1f, 1e-2f, 1e-3f, 1e-4f}) {
    for (const float location : {-3.0f, 0.1f, 0.77f, 5.0f}) {
      const Predictive p{Likelihood::student_t, {0.5f, 0.5f}, {0, location}, {1, scale}, {}, {5, 5}};
      EXPECT_NEAR(p.crps(location), crps_by_quadrature(p, location, scale), 2e-6) << scale << " at " << location;
    }
  }
}

TEST(Student, ManyDegreesOfFreedomAreANormal) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    Predictive p = random_mixture(seed, 9);
    p.freedom.assign(9, 1e6f);
    Predictive normal = p;
    normal.likelihood = Likelihood::normal;
    normal.freedom.clear();
    const double scale = mean_scale(p);
    EXPECT_NEAR(p.sd(), normal.sd(), 2e-6 * normal.sd());
    for (const double z : {-6.0, -1.0, 0.0, 2.0, 6.0}) {
      const double y = normal.quantile_at(z);
      EXPECT_NEAR(p.normal_score(y, 0), z, 2e-4);
      EXPECT_NEAR(p.quantile_at(z), y, 2e-4 * (scale + normal.sd()));
      EXPECT_NEAR(p.log_density(y), normal.log_density(y), 2e-3);
      EXPECT_NEAR(p.crps(y), normal.crps(y), 1e-5 * (scale + normal.sd()));
    }
  }
}

// Protects: a network gone wrong yields numbers that are none, not exceptions and no endless loops; freedom at its bound has a variance.
TEST(Student, BrokenPredictionsAreNoNumbers) {
  for (int broken = 0; broken < 4; ++broken) {
    Predictive p = kMixture;
    (broken == 0 ? p.weights : broken == 1 ? p.location : broken == 2 ? p.scale : p.freedom)[1] = NAN;
    for (const double v : {p.cdf(1), p.normal_score(1, 0), p.quantile(0.3), p.quantile_at(2), p.crps(1)})
      EXPECT_TRUE(std::isnan(v)) << broken;
  }
  for (const float freedom : {0.0f, 2.0f, INFINITY}) {
    const Predictive p = one(freedom);
    for (const double v : {p.mean(), p.sd(), p.cdf(1), p.quantile(0.99), p.crps(1), p.log_density(1)})
      EXPECT_TRUE(std::isfinite(v)) << freedom;
  }
  EXPECT_TRUE(std::isfinite(kMixture.log_density(1e300)));
  EXPECT_NEAR(kMixture.crps(1e12), 1e12, 10);
}

}  // namespace
}  // namespace lacuna::model::student_t
