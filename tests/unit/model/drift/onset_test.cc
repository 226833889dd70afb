#include "model/drift/onset.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

// Protects "since when": the onset lies in the interval that is told, in whatever order hours come, and the state stays small.

namespace lacuna::drift {
namespace {

Time at(double hours) { return Time(Millis(static_cast<std::int64_t>(hours * 3'600'000))); }

/// Log likelihood ratios of a normal mean that goes from 0 to `shift` at hour 1000, ten outcomes an hour, `hours` of them after it.
Onset watched(std::uint64_t seed, double shift, int hours, double disorder = 0) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  Onset onset;
  for (int i = 0; i < 10 * (1000 + hours); ++i) {
    const double hour = i / 10.0, x = (hour >= 1000 ? shift : 0) + normal(random);
    onset.update(shift * x - shift * shift / 2, x, 0, at(hour + disorder * normal(random)));
  }
  return onset;
}

TEST(Onset, LiesInItsIntervalInNineOfTenCases) {
  for (const double shift : {0.3, 0.7, 1.5}) {
    int inside = 0, runs = 0;
    double width = 0;
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
      const int hours = static_cast<int>(std::ceil(3 / (shift * shift)));  // until some 15 nats speak for it
      const Onset::Since s = watched(seed, shift, hours).estimate();
      ASSERT_LE(s.earliest, s.onset);
      ASSERT_GE(s.latest, s.onset);
      runs += 1;
      inside += s.earliest <= at(1000) && at(1000) <= s.latest + Millis(std::chrono::hours(1));
      width += hours_between(s.earliest, s.latest) / 60;
    }
    EXPECT_GE(inside, runs * 85 / 100) << shift;
    EXPECT_LE(width, 3 + 3 / (shift * shift)) << shift;
  }
}

TEST(Onset, TellsWhatWasObservedSince) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    const Onset::Since s = watched(seed, 1, 20).estimate();
    EXPECT_NEAR(s.updates, 200, 40) << seed;
    EXPECT_NEAR(s.sum / s.updates, 1, 0.35) << seed;
    EXPECT_EQ(s.expected, 0);
  }
}

TEST(Onset, IsNotUpsetByHoursThatComeLate) {
  int near = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) near += std::abs(hours_between(at(1000), watched(seed, 1, 20, 1).estimate().onset)) <= 4;
  EXPECT_GE(near, 16);
}

TEST(Onset, StaysSmallAndForgetsAtANewMinimum) {
  std::mt19937_64 random(1);
  std::normal_distribution<double> normal;
  Onset onset;
  std::size_t most = 0;
  int empty = 0;
  for (int i = 0; i < 200'000; ++i) {
    onset.update(-0.02 + 0.2 * normal(random), 0, 0, at(i));
    ByteWriter out;
    onset.save(out);
    most = std::max(most, out.take().size());
    empty += onset.empty();
    ASSERT_GE(onset.lead(), 0);
  }
  EXPECT_LE(most, 4 + Onset::kPoints * 24);
  EXPECT_GT(empty, 10'000);
  onset.update(-1000, 0, 0, at(0));
  EXPECT_TRUE(onset.empty());
  EXPECT_EQ(onset.lead(), 0);
}

TEST(Onset, GoesOnExactlyAfterALoad) {
  Onset one = watched(3, 0.5, 10);
  ByteWriter out;
  one.save(out);
  const std::string bytes = out.take();
  ByteReader in(bytes);
  Onset two;
  two.load(in);
  EXPECT_TRUE(in.ok() && in.at_end());
  EXPECT_EQ(one.lead(), two.lead());
  for (int i = 0; i < 100; ++i) {
    for (Onset* o : {&one, &two}) o->update(i % 3 - 0.7, i, 1, at(2000 + i));
    ByteWriter a, b;
    one.save(a);
    two.save(b);
    ASSERT_EQ(a.take(), b.take());
  }
}

}  // namespace
}  // namespace lacuna::drift
