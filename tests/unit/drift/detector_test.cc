#include "model/drift/detector.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

// Protects the guarantee the whole alarm rests on: no rate within the bounds, whatever its dependence on the past, gives a bet a
// positive expectation; hence the average run length to a false alarm is at least the threshold.

namespace lacuna::drift {
namespace {

Time at(int hours) { return Time(std::chrono::hours(hours)); }

// Exact, over all outcomes of eight steps whose rates an adversary picks within the bounds from what happened before:
// E[evidence] <= steps.
TEST(Detector, EvidenceMinusStepsHasNoUpwardDriftForAnyRatesWithinTheBounds) {
  constexpr int kSteps = 8;
  for (const bool falling : {true, false}) {
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
      SCOPED_TRACE(testing::Message() << "seed " << seed);
      double mean = 0, mass = 0;
      for (unsigned path = 0; path < 1u << kSteps; ++path) {
        Detector detector(falling);
        double probability = 1;
        for (int t = 0; t < kSteps; ++t) {
          // A hash of the past: any function of it is allowed, the same for paths that share it.
          std::mt19937_64 random(seed * 1'000'003 + t * 5003 + (path & ((1u << t) - 1)));
          std::uniform_real_distribution<double> uniform;
          const double a = uniform(random), b = uniform(random);
          Bounds bounds{std::min(a, b) * 0.98 + 0.01, 0, std::max(a, b) * 0.98 + 0.01};
          bounds.expected = (bounds.low + bounds.high) / 2;
          const double choice = uniform(random);  // often at an end, where a bet gains most
          const double rate = choice < 0.4 ? bounds.low : choice < 0.8 ? bounds.high : bounds.expected;
          const bool x = (path >> t & 1u) != 0;
          probability *= x ? rate : 1 - rate;
          detector.update(x ? 1 : 0, bounds, at(t), 0);
        }
        mean += probability * detector.evidence();
        mass += probability;
      }
      EXPECT_NEAR(mass, 1, 1e-9);
      EXPECT_LE(mean, kSteps * (1 + 1e-9));
      EXPECT_GT(mean, 0.1);  // it does bet
    }
  }
}

// The same in the long run: the mean number of steps to evidence >= A is at least A, at the very edge of the bounds.
TEST(Detector, AverageRunLengthIsAtLeastTheThreshold) {
  constexpr double kThreshold = 200;
  constexpr int kRuns = 400;
  const Bounds bounds{0.2, 0.25, 0.3};
  for (const double rate : {0.2, 0.3}) {
    std::mt19937_64 random(4);
    std::uniform_real_distribution<double> uniform;
    double total = 0;
    for (int run = 0; run < kRuns; ++run) {
      Detector detector(true);
      int t = 0;
      while (t < 100'000 && detector.evidence() < kThreshold) detector.update(uniform(random) < rate ? 1 : 0, bounds, at(t++), 0);
      total += t;
    }
    EXPECT_GE(total / kRuns, kThreshold) << rate;
  }
}

TEST(Detector, FindsBothDirectionsTheirOnsetAndTheirSites) {
  for (const bool down : {true, false}) {
    Detector detector(true);
    std::mt19937_64 random(7);
    std::uniform_real_distribution<double> uniform;
    const Bounds bounds{0.25, 0.35, 0.45};
    for (int t = 0; t < 3000; ++t) detector.update(uniform(random) < 0.35 ? 1 : 0, bounds, at(t), static_cast<std::uint16_t>(t % 2));
    EXPECT_LT(detector.evidence(), 1e4);
    int t = 3000;
    for (; detector.evidence() < 1e9; ++t) {
      const bool moved = t % 2 == 1;  // one site of two
      const double rate = !moved ? 0.35 : down ? 0.0 : 1.0;
      detector.update(uniform(random) < rate ? 1 : 0, bounds, at(t), static_cast<std::uint16_t>(t % 2));
      ASSERT_LT(t, 6000);
    }
    EXPECT_EQ(detector.leans_down(), down);
    EXPECT_NEAR(hours_between(at(3000), detector.since().onset), 0, 200);
    const auto& gaps = detector.since().gap_by_site;
    EXPECT_GT(std::abs(gaps.at(1)), 2 * std::abs(gaps.at(0)));
  }
}

TEST(Detector, ARisingOnlyDetectorIgnoresAFall) {
  Detector detector(false);
  for (int t = 0; t < 5000; ++t) detector.update(0, {0.3, 0.4, 0.5}, at(t), 0);
  EXPECT_LT(detector.evidence(), 10);
}

TEST(Detector, EvidenceStaysFiniteThroughAnEndlessOutage) {
  Detector detector(true);
  for (int t = 0; t < 100'000; ++t) detector.update(0, {0.8, 0.9, 0.95}, at(t), 0);
  EXPECT_TRUE(std::isfinite(detector.evidence()));
  detector.reset();
  EXPECT_EQ(detector.evidence(), 0);
}

}  // namespace
}  // namespace lacuna::drift
