#include "model/drift/baseline.h"

#include <gtest/gtest.h>

#include <random>

// Protects what "normal" means: the truth must lie within the bounds, however little was seen, and the bounds must close once
// much was seen, or nothing would ever be found.

namespace lacuna::drift {
namespace {

Time at(int hour) { return Time(std::chrono::hours(hour)); }

TEST(Baseline, KnowsNothingAtFirstAndAllowsNearlyEverything) {
  const Baseline baseline({{0, 0, 1}, {0.5, 0.5}});
  for (std::size_t cell = 0; cell < 3; ++cell) {
    const Bounds b = baseline.bounds(cell, at(12));
    EXPECT_LT(b.low, 0.05);
    EXPECT_GT(b.high, 0.95);
  }
}

TEST(Baseline, LearnsRatesByCellAndHourOfDay) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    std::uniform_real_distribution<double> uniform;
    Baseline baseline({{0, 0, 1}, {0.5, 0.5}});
    const auto truth = [](std::size_t cell, int hour) {
      const double rate = cell == 0 ? 0.1 : cell == 1 ? 0.4 : 0.8;
      return cell == 2 ? rate : rate * (hour % 24 >= 6 && hour % 24 < 12 ? 1.5 : 1);  // mornings are busier in one group of cells
    };
    std::size_t outside = 0, asked = 0;
    for (int i = 0; i < 60'000; ++i) {
      const auto cell = static_cast<std::size_t>(random() % 3);
      const int hour = static_cast<int>(random() % 24) + 24 * (i / 2000);  // thirty days
      const Bounds b = baseline.bounds(cell, at(hour));
      ASSERT_TRUE(0 <= b.low && b.low <= b.high && b.high <= 1);
      asked += 1;
      outside += truth(cell, hour) < b.low || truth(cell, hour) > b.high;
      baseline.learn(cell, at(hour), uniform(random) < truth(cell, hour) ? 1 : 0);
    }
    EXPECT_LT(outside, asked / 200);
    for (std::size_t cell = 0; cell < 3; ++cell) {
      for (const int hour : {3, 9, 20}) {
        const Bounds b = baseline.bounds(cell, at(hour));
        EXPECT_NEAR(b.expected, truth(cell, hour), 0.2 * truth(cell, hour)) << cell << " " << hour;
        EXPECT_GT(b.low, 0.45 * truth(cell, hour));
      }
    }
  }
}

TEST(Baseline, FollowsASlowChangeAndRespectsItsFloor) {
  Baseline baseline({{0}, {0.3, 0.3}, 0.1});
  for (int i = 0; i < 50'000; ++i) baseline.learn(0, at(i), i % 2);
  for (int i = 0; i < 200'000; ++i) baseline.learn(0, at(i), 0);
  EXPECT_LT(baseline.overall(), 0.01);  // the half that was is forgotten
  EXPECT_DOUBLE_EQ(baseline.bounds(0, at(5)).expected, 0.1);
  EXPECT_GT(baseline.bounds(0, at(5)).high, 0.12);
}

}  // namespace
}  // namespace lacuna::drift
