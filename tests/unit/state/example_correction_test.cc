// Protects: what was learned from a patient holds no value that was withdrawn, and what a correction says in place of what it corrects.
// Random histories; an example that was put right equals one made anew from the values that hold.

#include "state/example_correction.h"

#include <gtest/gtest.h>

#include "state/patient.h"
#include "tests/unit/state/workload.h"

namespace lacuna::state {
namespace {

using testing::at_minutes;
using testing::Random;

const Schema& schema() {
  static const Schema made = testing::test_schema(2, 1);
  return made;
}

// The example of one minute, from values by minute of feature 0, and feature 1 at each of them.
Example make(const std::map<std::int64_t, double>& values, std::int64_t minute, std::int64_t end) {
  Example out;
  out.before = new_snapshot(schema(), "p");
  out.time = at_minutes(minute);
  for (std::int64_t m = 0; m < end; ++m) {
    const auto at = values.find(m);
    std::vector<FeatureValue> arrived;
    if (at != values.end()) arrived.push_back({0, at->second});
    arrived.push_back({1, static_cast<double>(m)});
    if (m == minute) out.arrived = arrived;
    if (m < minute) apply_fresh(schema(), out.before, {"e", "p", "", 0, at_minutes(m), arrived, {}}, {}, Millis::max());
  }
  return out;
}

TEST(ExampleCorrection, EqualsAnExampleOfWhatHolds) {
  constexpr std::int64_t kEnd = 20;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    std::map<std::int64_t, double> values;
    FeatureHistory history;
    for (std::int64_t m = 0; m < kEnd; ++m) {
      if (!random.chance(0.6)) continue;
      values[m] = random.real(0, 200);
      apply_change(history, {HistoryChange::Kind::insert, static_cast<std::uint64_t>(m), at_minutes(m), values[m]});
    }
    if (values.empty()) continue;
    const std::int64_t minute = static_cast<std::int64_t>(random.below(kEnd));
    Example example = make(values, minute, kEnd);
    const std::int64_t changed = std::next(values.begin(), static_cast<std::ptrdiff_t>(random.below(values.size())))->first;
    const bool withdraw = random.chance(0.5);
    const auto kind = withdraw ? HistoryChange::Kind::withdraw : HistoryChange::Kind::replace;
    ASSERT_TRUE(apply_change(history, {kind, static_cast<std::uint64_t>(changed), at_minutes(changed), 7}));
    if (withdraw) values.erase(changed);
    else values[changed] = 7;
    ASSERT_TRUE(correct_example(schema(), {"p", 0, at_minutes(changed), false, history}, example));
    const Example expected = make(values, minute, kEnd);
    ASSERT_EQ(example.arrived, expected.arrived);
    ASSERT_EQ(example.before.features, expected.before.features);
  }
}

TEST(ExampleCorrection, WhatCannotBeToldApartGoes) {
  Example example = make({{3, 70.0}, {5, 80.0}}, 5, 8);
  const Example whole = example;
  FeatureHistory folded;
  folded.base.count = 2;
  folded.base.time = at_minutes(5);
  EXPECT_TRUE(correct_example(schema(), {"other", 0, at_minutes(0), true, {}}, example));
  EXPECT_TRUE(correct_example(schema(), {"p", 0, at_minutes(6), true, {}}, example)) << "from before what changed";
  EXPECT_EQ(example, whole);
  EXPECT_FALSE(correct_example(schema(), {"p", 0, at_minutes(5), true, {}}, example));
  EXPECT_FALSE(correct_example(schema(), {"p", 0, at_minutes(5), false, folded}, example));
  Example only = whole;
  only.arrived = {{0, 80.0}};
  EXPECT_FALSE(correct_example(schema(), {"p", 0, at_minutes(5), false, {}}, only)) << "nothing is left of it";
  Example restored = whole;
  restored.arrived.clear();
  EXPECT_FALSE(correct_example(schema(), {"p", 0, at_minutes(5), false, {}}, restored));
}

}  // namespace
}  // namespace lacuna::state
