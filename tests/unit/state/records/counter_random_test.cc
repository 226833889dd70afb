#include "state/records/counter_random.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace lacuna {
namespace {

// Weights begin from these numbers and the simulated ward is made of them: another stream would be another model and another ward.
TEST(CounterRandom, StreamsAreWhatTheyAlwaysWere) {
  CounterRandom random(42);
  EXPECT_EQ(random.bits(), 9129838320742759465ULL);
  EXPECT_EQ(random.bits(), 2139811525164838579ULL);
  CounterRandom same(42), other(43);
  EXPECT_EQ(same.bits(), 9129838320742759465ULL);
  EXPECT_NE(other.bits(), 9129838320742759465ULL);
}

TEST(CounterRandom, NumbersStayWithinTheirBounds) {
  CounterRandom random(7);
  for (int i = 0; i < 10'000; ++i) {
    const double unit = random.unit(), open = random.open_unit();
    EXPECT_TRUE(unit >= 0 && unit < 1);
    EXPECT_TRUE(open > 0 && open <= 1);
    EXPECT_LT(random.below(10), 10U);
  }
}

// Mean and variance within five standard errors.
TEST(CounterRandom, DistributionsHaveTheirMoments) {
  constexpr int kDraws = 40'000;
  const auto moments = [](auto draw) {
    double sum = 0, squares = 0;
    for (int i = 0; i < kDraws; ++i) {
      const double x = draw();
      sum += x;
      squares += x * x;
    }
    return std::pair(sum / kDraws, squares / kDraws - sum / kDraws * sum / kDraws);
  };
  CounterRandom random(11);
  const auto near = [&](auto draw, double mean, double variance, double fourth) {
    const auto [m, v] = moments(draw);
    EXPECT_NEAR(m, mean, 5 * std::sqrt(variance / kDraws));
    EXPECT_NEAR(v, variance, 5 * std::sqrt((fourth - variance * variance) / kDraws));
  };
  near([&] { return random.normal(); }, 0, 1, 3);
  near([&] { return random.exponential(2); }, 2, 4, 9 * 16);
  near([&] { return static_cast<double>(random.poisson(4)); }, 4, 4, 4 + 3 * 16);
  near([&] { return static_cast<double>(random.poisson(2000)); }, 2000, 2000, 2000 + 3 * 4e6);
  std::vector<float> many(kDraws);
  random.normals(many);
  std::size_t next = 0;
  near([&] { return static_cast<double>(many[next++]); }, 0, 1, 3);
}

}  // namespace
}  // namespace lacuna
