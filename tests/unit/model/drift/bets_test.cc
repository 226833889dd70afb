#include "model/drift/bets.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <random>

// Protects what makes a bet fair: while nothing has changed its mean gain is at most 1, for every family and all that its bounds
// allow. And that it is a bet: where its own change has happened, it gains.

namespace lacuna::drift {
namespace {

double uniform(std::mt19937_64& random) { return std::uniform_real_distribution<double>()(random); }

TEST(RateBets, AreFairForEveryRateWithinTheBoundsAndEveryOutcomeOfThatMean) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 2000; ++i) {
    const double a = 0.001 + 0.998 * uniform(random), b = 0.001 + 0.998 * uniform(random);
    const Bounds bounds{std::min(a, b), (a + b) / 2, std::max(a, b)};
    for (const double p : {bounds.low, bounds.expected, bounds.high}) {
      std::array<double, kRateBets> zero, one, low, high;
      rate_gains(0, bounds, zero);
      rate_gains(1, bounds, one);
      // Outcomes between 0 and 1 of the same mean: at p - w and p + w, evenly.
      const double w = std::min(p, 1 - p) * uniform(random);
      rate_gains(p - w, bounds, low);
      rate_gains(p + w, bounds, high);
      for (std::size_t k = 0; k < kRateBets; ++k) {
        ASSERT_LE((1 - p) * zero[k] + p * one[k], 1 + 1e-12);
        ASSERT_LE((low[k] + high[k]) / 2, 1 + 1e-12);
        ASSERT_GE(std::min({zero[k], one[k], low[k], high[k]}), 0);
      }
    }
  }
}

TEST(RateBets, GainWhenTheirOwnChangeHasHappened) {
  for (const double p : {0.02, 0.1, 0.5, 0.9}) {
    std::array<double, kRateBets> zero, one;
    rate_gains(0, {p, p, p}, zero);
    rate_gains(1, {p, p, p}, one);
    for (std::size_t k = 0; k < kRateBets; ++k) {
      const double q = kTilts[k] * p / (1 + (kTilts[k] - 1) * p);  // the odds times the tilt
      EXPECT_GT((1 - q) * std::log(zero[k]) + q * std::log(one[k]), 0) << p << " " << k;
    }
  }
}

TEST(Weights, SumToOneAndLeaveOutTheOtherDirection) {
  for (const auto weights : {rate_weights(Direction::fall), rate_weights(Direction::rise), rate_weights(Direction::both), score_weights(),
                             Forecasts::weights()}) {
    EXPECT_NEAR(std::accumulate(weights.begin(), weights.end(), 0.0), 1, 1e-12);
  }
  for (std::size_t k = 0; k < kRateBets; ++k) {
    EXPECT_EQ(rate_weights(Direction::fall)[k] > 0, k < kFallingBets);
    EXPECT_EQ(rate_weights(Direction::rise)[k] > 0, k >= kFallingBets);
  }
}

// By quadrature over the standard normal, what lies beyond the clamp included.
TEST(ScoreBets, AreFairForAStandardNormalAndGainUnderTheirOwn) {
  constexpr double kStep = 1e-3;
  std::array<double, kScoreBets> mean{}, growth{};
  for (double z = -12; z <= 12; z += kStep) {
    std::array<double, kScoreBets> gains;
    score_gains(z, gains);
    for (std::size_t k = 0; k < kScoreBets; ++k) {
      const auto [delta, sd] = score_bets()[k];
      const auto density = [](double x, double m, double s) {
        return std::exp(-(x - m) * (x - m) / (2 * s * s)) / (s * std::sqrt(2 * std::acos(-1.0)));
      };
      mean[k] += kStep * density(z, 0, 1) * gains[k];
      growth[k] += kStep * density(z, delta, sd) * std::log(gains[k]);
    }
  }
  for (std::size_t k = 0; k < kScoreBets; ++k) {
    EXPECT_LE(mean[k], 1 + 1e-6) << k;
    EXPECT_GT(mean[k], 0.85) << k;
    EXPECT_GT(growth[k], 0.02) << k;
  }
}

TEST(Forecasts, AreFairForEveryDistributionBelowTheBoundsAndLearnTheNewOne) {
  std::mt19937_64 random(3);
  for (int trial = 0; trial < 50; ++trial) {
    const std::size_t classes = 2 + random() % 6;
    std::vector<double> p(classes), high(classes);
    double total = 0;
    for (double& v : p) total += v = 0.02 + uniform(random);
    for (double& v : p) v /= total;
    for (std::size_t j = 0; j < classes; ++j) high[j] = p[j] + (1 - p[j]) * 0.2 * uniform(random);
    Forecasts forecasts(classes);
    for (int i = 0; i < 300; ++i) {
      // The mean over the next outcome, each from the same past.
      std::array<double, Forecasts::kMemories.size()> mean{};
      for (std::size_t j = 0; j < classes; ++j) {
        Forecasts copy = forecasts;
        std::array<double, Forecasts::kMemories.size()> gains;
        copy.gains(j, p, high, gains);
        for (std::size_t r = 0; r < mean.size(); ++r) mean[r] += p[j] * gains[r];
      }
      for (const double m : mean) ASSERT_LE(m, 1 + 1e-6);
      std::array<double, Forecasts::kMemories.size()> gains;
      forecasts.gains(random() % classes, p, high, gains);  // anything may have come before
    }
  }
  Forecasts forecasts(3);
  const std::vector<double> p = {0.8, 0.1, 0.1};
  std::array<double, Forecasts::kMemories.size()> gains;
  for (int i = 0; i < 400; ++i) forecasts.gains(2, p, p, gains);
  for (const double g : gains) EXPECT_GT(g, 5);  // it has learned that 2 always comes, of which a tenth was expected
}

}  // namespace
}  // namespace lacuna::drift
