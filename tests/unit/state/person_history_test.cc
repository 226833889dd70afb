// Protects: after corrections, withdrawals and late values a feature's state is what it would be had only the values that hold ever come.
// Random changes against a plain list of values that is put through state::apply() anew each time, bit for bit.

#include "state/person_history.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "state/patient.h"
#include "tests/unit/state/workload.h"

namespace lacuna::state {
namespace {

using testing::at_minutes;
using testing::Random;

const Schema& schema() {
  static const Schema made = testing::test_schema(3, 1);
  return made;
}

// Every value that holds, in the order of arrival.
class Plain {
 public:
  void apply(const HistoryChange& change) {
    const auto same = [&](const HistoryEntry& e) { return e.fact == change.fact; };
    const auto at = std::find_if(values_.begin(), values_.end(), same);
    switch (change.kind) {
      case HistoryChange::Kind::insert: values_.push_back({change.time, change.value, change.fact, change.comparator}); return;
      case HistoryChange::Kind::withdraw: values_.erase(at); return;
      case HistoryChange::Kind::replace: break;
    }
    const bool moved = at->time != change.time;
    *at = {change.time, change.value, change.fact, change.comparator};
    if (moved) std::rotate(at, at + 1, values_.end());
  }
  FeatureState state(FeatureId feature, std::optional<Time> before = {}) const {
    std::vector<HistoryEntry> sorted = values_;
    std::stable_sort(sorted.begin(), sorted.end(), [](const HistoryEntry& a, const HistoryEntry& b) { return a.time < b.time; });
    Snapshot snapshot = new_snapshot(schema(), "p");
    for (const HistoryEntry& e : sorted) {
      if (before && e.time >= *before) break;
      apply_fresh(schema(), snapshot, {std::to_string(e.fact), "p", "", 0, e.time, {{feature, e.value, e.comparator}}, {}}, {},
                  Millis::max());
    }
    return snapshot.features[feature];
  }
  const std::vector<HistoryEntry>& values() const { return values_; }

 private:
  std::vector<HistoryEntry> values_;
};

HistoryChange random_change(Random& random, const Plain& plain, std::size_t reach, std::uint64_t fact, std::int64_t minute) {
  const auto& values = plain.values();
  const double value = random.real(0, 200);
  const Comparator comparator = testing::random_comparator(random);
  const Time now = at_minutes(minute);
  if (values.empty() || random.chance(0.5)) return {HistoryChange::Kind::insert, fact, now, value, comparator};
  const HistoryEntry& chosen = values[values.size() - 1 - random.below(std::min(reach, values.size()))];
  if (random.chance(0.4)) return {HistoryChange::Kind::withdraw, chosen.fact, chosen.time, 0};
  return {HistoryChange::Kind::replace, chosen.fact, random.chance(0.7) ? chosen.time : now, value, comparator};
}

TEST(PersonHistory, AnyOrderGivesWhatTheValuesThatHoldGive) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const FeatureId feature = static_cast<FeatureId>(random.below(3));
    const Likelihood likelihood = schema().features()[feature].likelihood;
    FeatureHistory history;
    Plain plain;
    for (std::uint64_t i = 0; i < 120; ++i) {
      // Few different minutes, so that equal times are common.
      const HistoryChange change = random_change(random, plain, 1000, i, static_cast<std::int64_t>(random.below(40)));
      ASSERT_TRUE(apply_change(history, change));
      plain.apply(change);
      ASSERT_EQ(fold(likelihood, history), plain.state(feature));
      const Time asked = at_minutes(static_cast<std::int64_t>(random.below(42)));
      ASSERT_EQ(fold_before(likelihood, history, asked), plain.state(feature, asked));
    }
  }
}

TEST(PersonHistory, WhatIsFoldedTogetherStaysExact) {
  constexpr std::size_t kKept = 6;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const Likelihood likelihood = schema().features()[0].likelihood;
    FeatureHistory history;
    Plain plain;
    std::int64_t minute = 0;
    int corrected = 0;
    for (std::uint64_t i = 0; i < 300; ++i) {
      minute += static_cast<std::int64_t>(random.below(20));
      HistoryChange change = random_change(random, plain, 3, i, minute);
      const bool known = change.kind == HistoryChange::Kind::insert ||
                         std::any_of(history.window.begin(), history.window.end(), [&](const auto& e) { return e.fact == change.fact; });
      if (!known) continue;
      corrected += change.kind != HistoryChange::Kind::insert ? 1 : 0;
      ASSERT_TRUE(apply_change(history, change));
      plain.apply(change);
      trim(likelihood, history, kKept);
      ASSERT_LE(history.window.size(), kKept);
      ASSERT_EQ(fold(likelihood, history), plain.state(0));
    }
    ASSERT_GT(corrected, 50);
  }
}

TEST(PersonHistory, WhatIsOlderThanTheWindowIsSaidToBe) {
  const Likelihood likelihood = schema().features()[0].likelihood;
  FeatureHistory history;
  for (std::uint64_t i = 0; i < 5; ++i) {
    ASSERT_TRUE(apply_change(history, {HistoryChange::Kind::insert, i, at_minutes(static_cast<std::int64_t>(i) * 10), 70.0 + double(i)}));
  }
  trim(likelihood, history, 2);
  const FeatureState before = fold(likelihood, history);
  EXPECT_FALSE(apply_change(history, {HistoryChange::Kind::withdraw, 1, at_minutes(10), 0}));
  EXPECT_FALSE(apply_change(history, {HistoryChange::Kind::replace, 2, at_minutes(20), 99}));
  EXPECT_EQ(fold(likelihood, history), before);
  EXPECT_FALSE(apply_change(history, {HistoryChange::Kind::insert, 9, at_minutes(5), 99})) << "it counts, as any late value";
  FeatureState counted = before;
  counted.count += 1;
  EXPECT_EQ(fold(likelihood, history), counted);
  EXPECT_FALSE(fold_before(likelihood, history, at_minutes(20)));
  EXPECT_TRUE(fold_before(likelihood, history, at_minutes(21)));
  EXPECT_TRUE(apply_change(history, {HistoryChange::Kind::withdraw, 4, at_minutes(40), 0}));
  EXPECT_EQ(fold(likelihood, history).last, 73);
}

// The schema was without the feature for a while: the snapshot knows nothing of what the records still hold.
TEST(PersonHistory, OfAFeatureThatWasGoneOnlyWhatCameSinceCounts) {
  const Likelihood likelihood = schema().features()[0].likelihood;
  FeatureHistory stored;
  ASSERT_TRUE(apply_change(stored, {HistoryChange::Kind::insert, 1, at_minutes(90), 70}));
  const std::vector<HistoryChange> changes{{HistoryChange::Kind::insert, 2, at_minutes(80), 71},
                                           {HistoryChange::Kind::insert, 3, at_minutes(10), 72},
                                           {HistoryChange::Kind::insert, 4, at_minutes(60), 73}};
  const auto behind = [&](std::size_t from, bool with_stored) {
    FeatureHistory history = with_stored ? stored : FeatureHistory{};
    for (std::size_t i = from; i < changes.size(); ++i) apply_change(history, changes[i]);
    return history;
  };
  for (const bool with_stored : {true, false}) {
    for (std::size_t from = 0; from <= changes.size(); ++from) {
      if (with_stored && from > 0) continue;
      const FeatureHistory expected = behind(from, with_stored);
      EXPECT_EQ(history_behind(fold(likelihood, expected), likelihood, stored, changes), expected) << with_stored << " " << from;
    }
  }
  EXPECT_EQ(history_behind({}, likelihood, stored, changes), FeatureHistory{});
  FeatureHistory other;
  ASSERT_TRUE(apply_change(other, {HistoryChange::Kind::insert, 5, at_minutes(5), 99}));
  EXPECT_FALSE(history_behind(fold(likelihood, other), likelihood, stored, changes));
}

TEST(PersonHistory, AllWithdrawnIsAsNeverMeasured) {
  FeatureHistory history;
  ASSERT_TRUE(apply_change(history, {HistoryChange::Kind::insert, 1, at_minutes(0), 70}));
  ASSERT_TRUE(apply_change(history, {HistoryChange::Kind::withdraw, 1, at_minutes(0), 0}));
  EXPECT_EQ(fold(Likelihood::normal, history), FeatureState{});
}

}  // namespace
}  // namespace lacuna::state
