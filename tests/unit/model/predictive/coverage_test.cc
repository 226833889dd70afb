// Protects what is said of the intervals: coverage over everything and in the worst and best 500 values in a row.
#include "model/predictive/coverage.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace lacuna::model {
namespace {

TEST(Coverage, AgreesWithCountingEveryWindow) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    std::mt19937_64 random(seed);
    Coverage coverage;
    std::vector<int> held;
    std::uint64_t least = kCoverageWindow, most = 0, all = 0;
    for (int t = 0; t < 3000; ++t) {
      // Worse in the middle, so that the worst window is somewhere inside.
      held.push_back(random() % 100 < (t / 700 == 2 ? 70u : 90u) ? 1 : 0);
      coverage.add(held.back() != 0, t % 4 == 0, t);
      all += static_cast<std::uint64_t>(held.back());
      EXPECT_EQ(coverage.has_window(), held.size() >= kCoverageWindow);
      if (held.size() < kCoverageWindow) continue;
      const auto now = static_cast<std::uint64_t>(std::count(held.end() - kCoverageWindow, held.end(), 1));
      least = std::min(least, now);
      most = std::max(most, now);
      ASSERT_EQ(coverage.least, least) << t;
      ASSERT_EQ(coverage.most, most) << t;
    }
    EXPECT_DOUBLE_EQ(coverage.ratio(), static_cast<double>(all) / 3000);
    EXPECT_DOUBLE_EQ(coverage.central_ratio(), 0.25);
    EXPECT_DOUBLE_EQ(coverage.worst_window(), static_cast<double>(least) / 500);
  }
}

TEST(Coverage, TellsAFeatureOfOneValue) {
  Coverage coverage;
  EXPECT_FALSE(coverage.single_valued());
  for (int i = 0; i < 3; ++i) coverage.add(true, true, 1);
  EXPECT_TRUE(coverage.single_valued());
  coverage.add(true, true, 0);
  EXPECT_FALSE(coverage.single_valued());
}

}  // namespace
}  // namespace lacuna::model
