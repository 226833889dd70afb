#include "model/predictive/component_sums.h"

#include <cmath>
#include <limits>
#include <numbers>
#include <random>

#include <gtest/gtest.h>

namespace lacuna::model {
namespace {

// Weights that sum to 1, scales over two decades; counts that fill vector registers, and counts that do not.
Predictive mixture(std::size_t count, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  Predictive p;
  double total = 0;
  for (std::size_t k = 0; k < count; ++k) {
    p.weights.push_back(static_cast<float>(std::exp(normal(random))));
    p.location.push_back(static_cast<float>(140 + 3 * normal(random)));
    p.scale.push_back(static_cast<float>(std::exp(normal(random))));
    total += p.weights.back();
  }
  for (float& w : p.weights) w = static_cast<float>(w / total);
  return p;
}

// E|S Z + d|.
long double distance(long double d, long double s) {
  const long double t = d / s;
  return s * (t * std::erf(t / std::numbers::sqrt2_v<long double>) + std::sqrt(2 / std::numbers::pi_v<long double>) * std::exp(-t * t / 2));
}

// Goal: both masses and the density keep their relative accuracy, also where they are next to nothing, whatever instructions are used.
// Method: against the same sums in long double, as far out as a double reaches.
TEST(ComponentSums, TailsKeepTheirRelativeAccuracy) {
  for (const std::size_t count : {1, 2, 7, 8, 31, 32, 33}) {
    const Predictive p = mixture(count, count);
    double widest = 0;
    for (const float s : p.scale) widest = std::max(widest, static_cast<double>(s));
    for (double z = -37; z <= 37; z += 0.37) {
      const double y = 140 + z * widest;
      long double lower = 0, upper = 0, density = 0;
      for (std::size_t k = 0; k < count; ++k) {
        const long double w = p.weights[k], s = p.scale[k], t = (y - static_cast<long double>(p.location[k])) / s;
        lower += w * std::erfc(-t / std::numbers::sqrt2_v<long double>) / 2;
        upper += w * std::erfc(t / std::numbers::sqrt2_v<long double>) / 2;
        density += w / s * std::exp(-t * t / 2) / std::sqrt(2 * std::numbers::pi_v<long double>);
      }
      const component_sums::Tails tails = component_sums::tails(p, y);
      const auto near = [&](double got, long double exact, const char* what) {
        if (exact < 1e-300L) return;
        EXPECT_NEAR(static_cast<double>(got / exact), 1, 1e-11) << what << " of " << count << " at " << z;
      };
      near(tails.lower, lower, "lower");
      near(tails.upper, upper, "upper");
      near(tails.density, density, "density");
    }
  }
}

// Goal: what the header says of the score's error. Method: the closed form in long double, values near and far, components alike and in
// two groups far from each other.
TEST(ComponentSums, CrpsIsTheClosedForm) {
  for (const std::size_t count : {1, 2, 3, 8, 16, 31, 32, 33}) {
    for (const double apart : {0.0, 50.0, 1e4}) {
      Predictive p = mixture(count, 100 + count);
      for (std::size_t k = 0; k < count; k += 2) p.location[k] += static_cast<float>(apart);
      for (const double y : {138.0, 141.5, 1e5, -1e7}) {
        long double to_value = 0, to_each_other = 0, scale = 0;
        for (std::size_t i = 0; i < count; ++i) {
          const long double w = p.weights[i], s = p.scale[i];
          scale += w * s;
          to_value += w * distance(y - static_cast<long double>(p.location[i]), s);
          for (std::size_t j = 0; j < count; ++j) {
            const long double t = p.scale[j];
            to_each_other += w * p.weights[j] * distance(static_cast<long double>(p.location[i]) - p.location[j], std::sqrt(s * s + t * t));
          }
        }
        const double exact = static_cast<double>(to_value - to_each_other / 2);
        const double bound = static_cast<double>(1e-6L * (to_each_other + scale) + 1e-14L * to_value);
        EXPECT_NEAR(component_sums::crps(p, y), exact, bound) << count << " components, " << apart << " apart, at " << y;
      }
    }
  }
}

// Goal: a broken prediction gives no number, which whoever learns from it can see. Method: one location, and one scale, that is none.
TEST(ComponentSums, WhatIsNoNumberGivesNone) {
  for (const bool in_scale : {false, true}) {
    Predictive p = mixture(32, 5);
    (in_scale ? p.scale : p.location)[17] = std::numeric_limits<float>::quiet_NaN();
    EXPECT_FALSE(std::isfinite(component_sums::tails(p, 140).lower));
    EXPECT_FALSE(std::isfinite(component_sums::tails(p, 140).upper));
    EXPECT_FALSE(std::isfinite(component_sums::crps(p, 140)));
  }
}

}  // namespace
}  // namespace lacuna::model
