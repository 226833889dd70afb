#include "model/predictive/small_sample.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "model/predictive/predictive.h"

// What is said of a feature of which few values are known: an interval of the population alone holds what it says whatever the number of
// values, is no wider than the declared range, and costs next to nothing beside Student's t; with many values nothing is changed.

namespace lacuna::model {
namespace {

constexpr double kLevel = 0.9, kZ = 1.6448536269514722;
constexpr double kNone = std::numeric_limits<double>::infinity();

/// The 95 % quantile of Student's t.
double t_of(int freedom) {
  switch (freedom) {
    case 1: return 6.3138;
    case 4: return 2.1318;
    case 19: return 1.7291;
    default: return 1.6604;  // 99
  }
}

struct Outcome {
  double held = 0, width_of_t = 0;
};

/// Of the population's part alone (keep 0), over 20,000 samples of `n` values of normal(37.5, 0.8).
Outcome measure(int n, double low, double high) {
  std::mt19937_64 random(static_cast<std::uint64_t>(n));
  std::normal_distribution<double> value(37.5, 0.8);
  double held = 0, width = 0, of_t = 0;
  constexpr int kSamples = 20'000;
  for (int s = 0; s < kSamples; ++s) {
    double mean = 0, squares = 0;
    std::vector<double> values;
    for (int i = 0; i < n; ++i) values.push_back(value(random));
    for (const double v : values) mean += v / n;
    for (const double v : values) squares += (v - mean) * (v - mean);
    const double sd = n > 1 ? std::sqrt(squares / n) : 1;
    const SmallSample few = small_sample(n, mean, sd, low, high, kLevel);
    const double centre = mean + sd * few.location, half = kZ * sd * few.spread;
    held += std::abs(value(random) - centre) <= half ? 1 : 0;
    width += 2 * half;
    if (n > 1) of_t += 2 * t_of(n - 1) * std::sqrt(squares / (n - 1) * (1 + 1.0 / n));
  }
  return {held / kSamples, n > 1 ? width / of_t : 0};
}

TEST(SmallSample, ThePopulationsIntervalHoldsAndIsNearStudentsT) {
  for (const int n : {2, 5, 20, 100}) {
    SCOPED_TRACE(n);
    const Outcome without = measure(n, -kNone, kNone), with = measure(n, 28, 44);
    EXPECT_GE(without.held, 0.89);
    EXPECT_NEAR(without.width_of_t, n > 2 ? 1 + 3.0 / (n * n) : 1, 0.001) << "Student's t, and what robust moments of few values lack";
    EXPECT_GE(with.held, 0.89);
    EXPECT_LE(with.width_of_t, 1.5);
  }
  EXPECT_GE(measure(1, 28, 44).held, 0.99) << "one value says little more than the range";
}

TEST(SmallSample, NoIntervalIsWiderThanTheDeclaredRange) {
  for (const double n : {0.0, 0.3, 1.0, 1.5, 2.0, 5.0}) {
    const SmallSample few = small_sample(n, 37, 3, 28, 44, kLevel);
    EXPECT_LE(2 * kZ * 3 * few.spread, 16 + 1e-9) << n;
    EXPECT_GT(few.spread, 0) << n;
  }
  EXPECT_NEAR(2 * kZ * 3 * small_sample(1, 37, 3, 28, 44, kLevel).spread, 16, 1e-9);
  // Ten values that are all the same: the range still says that others may come.
  EXPECT_GT(1e-6 * small_sample(10, 37, 1e-6, 28, 44, kLevel).spread, 0.1);
}

TEST(SmallSample, MoreValuesSayMore) {
  double keep = -1, spread = kNone;
  for (const double n : {1.0, 2.0, 5.0, 10.0, 20.0, 100.0, 200.0, 399.0}) {
    const SmallSample few = small_sample(n, 37, 1, 28, 44, kLevel);
    EXPECT_GT(few.keep, keep) << n;
    EXPECT_LE(few.spread, spread) << n;
    EXPECT_TRUE(few.corrects());
    keep = few.keep, spread = few.spread;
  }
  EXPECT_GT(keep, 0.99);
  const SmallSample many = small_sample(kMatureWeight, 37, 1, 28, 44, kLevel);
  EXPECT_FALSE(many.corrects());
  EXPECT_EQ(many.corrected_location(1.7), 1.7);
  EXPECT_EQ(many.corrected_scale(0.3), 0.3);
}

// A network that knows ten values by heart is sure of all others: what it is sure of is not believed.
TEST(SmallSample, ANetworkThatIsSureIsNotBelieved) {
  const SmallSample few = small_sample(10, 37, 1, -kNone, kNone, kLevel);
  EXPECT_LT(std::abs(few.corrected_location(3)), 0.25 * 3);
  EXPECT_NEAR(few.corrected_scale(0.05), few.spread, 0.03 * few.spread);
  EXPECT_GE(few.corrected_scale(5), 5) << "one that says how little it knows is believed";
}

TEST(SmallSample, ProbabilitiesStaySuchAndNoneIsNothing) {
  const SmallSample few = small_sample(10, 0.5, 0.5, -kNone, kNone, kLevel);
  double sum = 0;
  for (const double p : {1.0, 0.0, 0.0, 0.0}) {
    sum += few.corrected_probability(p, 4);
    EXPECT_GE(few.corrected_probability(p, 4), 0.5 / 12);
  }
  EXPECT_NEAR(sum, 1, 1e-12);
}

}  // namespace
}  // namespace lacuna::model
