#include "model/drift/evidence.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <random>

#include "model/drift/bets.h"

// Protects the guarantee that all alarms rest on: no rate within the bounds, whatever its dependence on the past, gives a bet a
// positive expectation; hence the average run length to a false alarm is at least the threshold.

namespace lacuna::drift {
namespace {

double uniform(std::mt19937_64& random) { return std::uniform_real_distribution<double>()(random); }

// Exact, over all outcomes of eight steps whose rates an adversary picks within the bounds from what happened before:
// E[value] <= steps.
TEST(Evidence, MinusStepsHasNoUpwardDriftForAnyRatesWithinTheBounds) {
  constexpr int kSteps = 8;
  for (const Direction direction : {Direction::fall, Direction::rise, Direction::both}) {
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
      SCOPED_TRACE(testing::Message() << "seed " << seed);
      double mean = 0, mass = 0;
      for (unsigned path = 0; path < 1u << kSteps; ++path) {
        Evidence evidence(rate_weights(direction));
        double probability = 1;
        for (int t = 0; t < kSteps; ++t) {
          // A hash of the past: any function of it is allowed, the same for paths that share it.
          std::mt19937_64 random(seed * 1'000'003 + static_cast<unsigned>(t) * 5003 + (path & ((1u << t) - 1)));
          const double a = uniform(random), b = uniform(random);
          Bounds bounds{std::min(a, b) * 0.98 + 0.01, 0, std::max(a, b) * 0.98 + 0.01};
          bounds.expected = (bounds.low + bounds.high) / 2;
          const double choice = uniform(random);  // often at an end, where a bet gains most
          const double rate = choice < 0.4 ? bounds.low : choice < 0.8 ? bounds.high : bounds.expected;
          const bool x = (path >> t & 1u) != 0;
          probability *= x ? rate : 1 - rate;
          std::array<double, kRateBets> gains;
          rate_gains(x ? 1 : 0, bounds, gains);
          evidence.update(gains);
        }
        mean += probability * evidence.value();
        mass += probability;
      }
      EXPECT_NEAR(mass, 1, 1e-9);
      EXPECT_LE(mean, kSteps * (1 + 1e-9));
      EXPECT_GT(mean, 0.1);  // it does bet
    }
  }
}

// The same in the long run: the mean number of steps to a value >= A is at least A, at the very edge of the bounds.
TEST(Evidence, AverageRunLengthIsAtLeastTheThreshold) {
  constexpr double kThreshold = 300;
  constexpr int kRuns = 400;
  const Bounds bounds{0.2, 0.25, 0.3};
  for (const double rate : {0.2, 0.25, 0.3}) {
    std::mt19937_64 random(4);
    double total = 0;
    for (int run = 0; run < kRuns; ++run) {
      Evidence evidence(rate_weights(Direction::both));
      std::array<double, kRateBets> gains;
      do {
        rate_gains(uniform(random) < rate ? 1 : 0, bounds, gains);
        evidence.update(gains);
        total += 1;
      } while (evidence.value() < kThreshold);
    }
    EXPECT_GE(total / kRuns, kThreshold) << rate;
  }
}

// Held as it is, a stake is what its logarithm would be, in a precision that has no reason to be doubted; and ends at a cap.
TEST(Evidence, EqualsItsLogarithmsOverAMillionUpdates) {
  std::mt19937_64 random(9);
  const std::vector<double> weights = {0.5, 0.3, 0.2};
  Evidence evidence(weights);
  std::array<long double, 3> logs;
  logs.fill(-INFINITY);
  for (int i = 0; i < 1'000'000; ++i) {
    // Long stretches that lose and that gain: down to where a stake is a fresh one, up to 1e200.
    const double drift = (i / 20'000) % 3 == 2 ? 0.02 : -0.02;
    std::array<double, 3> gains;
    for (std::size_t k = 0; k < 3; ++k) {
      gains[k] = std::exp(drift + 0.3 * std::normal_distribution<double>()(random));
      logs[k] = std::log1p(std::exp(logs[k])) + std::log(static_cast<long double>(gains[k]));
      if (logs[k] > 11'000) logs[k] = 11'000;  // of exp in this precision
    }
    evidence.update(gains);
    for (std::size_t k = 0; k < 3; ++k) {
      const double expected = static_cast<double>(std::min(logs[k], 250 * std::log(10.0L)));
      ASSERT_NEAR(std::log(evidence.share(k) / weights[k]), expected, 1e-6 * std::max(1.0, std::abs(expected))) << i;
      logs[k] = std::min(logs[k], 250 * std::log(10.0L));
    }
  }
}

TEST(Evidence, StaysFiniteWhateverItIsGiven) {
  const std::vector<double> weights = {0.5, 0.5};
  Evidence evidence(weights);
  for (int i = 0; i < 10'000; ++i) {
    evidence.update(std::array{1e6, 1e300});
    ASSERT_TRUE(std::isfinite(evidence.value()) && std::isfinite(evidence.log_value()));
  }
  for (int i = 0; i < 10'000; ++i) {
    const double said = evidence.update(std::array{0.0, 1e-300});
    ASSERT_TRUE(std::isfinite(said));
    ASSERT_TRUE(std::isfinite(evidence.log_value()));
  }
  EXPECT_LT(evidence.value(), 1);
  evidence.update(std::array<double, 2>{NAN, 1.0});
  for (int i = 0; i < 100; ++i) evidence.update(std::array{2.0, 2.0});
  EXPECT_TRUE(std::isfinite(evidence.value()));
  EXPECT_GT(evidence.value(), 1e20);  // and it goes on
}

TEST(Evidence, GoesOnExactlyAfterALoadAndDistrustsWhatItReads) {
  std::mt19937_64 random(2);
  Evidence one(rate_weights(Direction::both)), two(rate_weights(Direction::both));
  std::array<double, kRateBets> gains;
  for (int i = 0; i < 100; ++i) {
    rate_gains(uniform(random) < 0.4 ? 1 : 0, {0.2, 0.25, 0.3}, gains);
    one.update(gains);
  }
  ByteWriter out;
  one.save(out);
  const std::string bytes = out.take();
  ByteReader in(bytes);
  two.load(in);
  EXPECT_TRUE(in.ok() && in.at_end());
  for (int i = 0; i < 100; ++i) {
    rate_gains(uniform(random) < 0.4 ? 1 : 0, {0.2, 0.25, 0.3}, gains);
    ASSERT_EQ(one.update(gains), two.update(gains));
    ASSERT_EQ(one.value(), two.value());
  }
  std::string bad(bytes.size(), '\xff');  // NaN
  ByteReader worse(bad);
  two.load(worse);
  EXPECT_EQ(two.value(), 0);
}

}  // namespace
}  // namespace lacuna::drift
