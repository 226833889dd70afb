#include "model/drift/level.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

// Protects the end of an alarm: that values are back at what they were before its onset is told soon when they are, and not before,
// whichever way they had changed and although values of one patient are alike.

namespace lacuna::drift {
namespace {

using Random = std::mt19937_64;

Time at(int hour) { return Time(std::chrono::hours(hour)); }

/// A ward of patients, each with a level of its own, who stay for two days.
class Values {
 public:
  explicit Values(std::uint64_t seed) : random_(seed), patients_(40) {
    for (double& p : patients_) p = normal();
  }
  double normal() { return std::normal_distribution<double>()(random_); }
  /// One hour: a value of each patient.
  template <typename Use>
  void hour(const Use& use) {
    for (double& p : patients_) {
      if (std::uniform_real_distribution<double>()(random_) < 1.0 / 48) p = normal();
      use(50 + 10 * (0.8 * p + 0.6 * normal()));
    }
  }
  bool chance(double p) { return std::uniform_real_distribution<double>()(random_) < p; }

 private:
  Random random_;
  std::vector<double> patients_;
};

Level learned(Values& values, int hours) {
  Level level;
  for (int h = 0; h < hours; ++h) {
    values.hour([&](double y) {
      level.observe(y, at(h), false, 0);
      level.learn(y);
    });
  }
  return level;
}

TEST(Level, KnowsNothingBeforeItHasSeenEnough) {
  Values values(1);
  Level level;
  level.observe(5, at(0), true, 0);
  EXPECT_FALSE(level.known());
  EXPECT_TRUE(level.back()) << "what is not known holds nothing up";
  EXPECT_TRUE(learned(values, 6).known());
}

TEST(Level, IsBackWhenTheValuesAreAndNotBefore) {
  struct Case {
    const char* what;
    double factor, offset, share;
    double back_hours;
  };
  for (const Case& c : {Case{"another unit", 9, 0, 1, 4}, Case{"a thermometer", 1, 12, 1, 16},
                        Case{"a fifth of them in another unit", 9, 0, 0.2, 16}, Case{"a wider spread", 2.5, -75, 1, 12}}) {
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
      SCOPED_TRACE(testing::Message() << c.what << ", seed " << seed);
      Values values(seed);
      Level level = learned(values, 100);
      const auto changed = [&](double y) { return values.chance(c.share) ? c.factor * y + c.offset : y; };
      // Nobody has noticed yet.
      values.hour([&](double y) { level.observe(changed(y), at(100), false, 0); });
      for (int h = 101; h < 149; ++h) {
        values.hour([&](double y) { level.observe(changed(y), at(h), true, 40); });
        ASSERT_FALSE(level.back()) << h - 100 << " h after the onset";
      }
      if (c.share == 1 && c.factor == 1) {
        EXPECT_NEAR(level.shift(), c.offset / 10, 0.6);
      }
      int hours = 0;
      for (; !level.back() && hours < 100; ++hours) {
        values.hour([&](double y) { level.observe(y, at(149 + hours), true, 40); });
      }
      EXPECT_LE(hours, c.back_hours);
      EXPECT_GE(level.recovering_since(), at(147));
    }
  }
}

// Partitions are hours apart: hours from before the onset that come after it speak of no return.
TEST(Level, HoursFromBeforeAreNoReturn) {
  Values values(3);
  Level level = learned(values, 100);
  values.hour([&](double y) { level.observe(y + 12, at(100), false, 0); });
  for (int h = 101; h < 140; ++h) {
    values.hour([&](double y) { level.observe(y + 12, at(h), true, 20); });
    values.hour([&](double y) { level.observe(y, at(99), true, 20); });
    ASSERT_FALSE(level.back());
  }
}

TEST(Level, GoesOnExactlyAfterALoadAndInAnotherUnit) {
  Values values(4);
  Level one = learned(values, 100);
  ByteWriter out;
  one.save(out);
  const std::string bytes = out.take();
  Level two, other;
  ByteReader in(bytes), again(bytes);
  two.load(in);
  other.load(again);
  EXPECT_TRUE(in.ok() && in.at_end());
  other.convert(1.8, 32);
  for (int h = 100; h < 200; ++h) {
    const double shift = h < 130 ? 12 : 0;
    values.hour([&](double y) {
      one.observe(y + shift, at(h), h > 100, 10);
      two.observe(y + shift, at(h), h > 100, 10);
      other.observe(1.8 * (y + shift) + 32, at(h), h > 100, 10);
    });
    ByteWriter a, b;
    one.save(a);
    two.save(b);
    ASSERT_EQ(a.take(), b.take());
    ASSERT_EQ(one.back(), other.back());
  }
  EXPECT_TRUE(one.back());
}

}  // namespace
}  // namespace lacuna::drift
