// Protects: what the model is reminded of. A stratum is at all times a uniform sample of what it was offered, the sum
// stays within the capacity, slots have no gaps, and the same input gives the same buffer.

#include "state/replay_buffer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>

#include "state/records/hash.h"
#include "tests/unit/state/workload.h"

namespace lacuna::state {
namespace {

using testing::Random;

// Follows the placements with real contents, and checks on every step that they can be followed.
class Contents {
 public:
  void follow(const ReplayBuffer::Placement& placement, int item) {
    for (const auto& [hole, last] : placement.evicted) {
      auto& slots = strata_[last.stratum];
      ASSERT_EQ(hole.stratum, last.stratum);
      ASSERT_EQ(last.index + 1, slots.size());
      slots.at(hole.index) = slots.back();
      slots.pop_back();
    }
    if (!placement.taken) return;
    auto& slots = strata_[placement.put.stratum];
    ASSERT_LE(placement.put.index, slots.size());
    if (placement.put.index == slots.size()) slots.push_back(item);
    else slots[placement.put.index] = item;
  }
  void check(const ReplayBuffer& buffer) {
    std::size_t sum = 0;
    for (std::uint32_t s = 0; s < buffer.strata().size(); ++s) {
      ASSERT_EQ(buffer.strata()[s].stored, strata_[s].size());
      sum += strata_[s].size();
    }
    ASSERT_EQ(buffer.size(), sum);
  }
  const std::vector<int>& operator[](std::uint32_t stratum) { return strata_[stratum]; }

 private:
  std::map<std::uint32_t, std::vector<int>> strata_;
};

// Sum over items of the squared deviation in units of its variance: about chi-square with as many degrees of freedom.
// Also the same for blocks of neighbouring items, where a preference for early or late ones adds up.
void expect_uniform(const std::vector<int>& kept, int rounds, double share, std::size_t block) {
  double chi = 0, chi_blocks = 0;
  for (std::size_t i = 0; i < kept.size(); i += block) {
    double sum = 0;
    for (std::size_t k = i; k < i + block; ++k) {
      const double off = kept[k] - rounds * share;
      chi += off * off / (rounds * share * (1 - share));
      sum += off;
    }
    chi_blocks += sum * sum / (static_cast<double>(block) * rounds * share * (1 - share));
  }
  const auto limit = [](double freedom) { return freedom + 5 * std::sqrt(2 * freedom); };
  EXPECT_LT(chi, limit(static_cast<double>(kept.size())));
  EXPECT_LT(chi_blocks, limit(static_cast<double>(kept.size() / block)));
}

TEST(ReplayBuffer, OneStratumIsAUniformSampleOfItsStream) {
  constexpr int kRounds = 600, kItems = 1000, kCapacity = 100;
  std::vector<int> kept(kItems);
  for (int seed = 0; seed < kRounds; ++seed) {
    ReplayBuffer buffer(kCapacity, 8, static_cast<std::uint64_t>(seed));
    Contents contents;
    for (int i = 0; i < kItems; ++i) contents.follow(buffer.offer(7), i);
    contents.check(buffer);
    ASSERT_EQ(buffer.size(), std::size_t{kCapacity});
    for (int item : contents[0]) kept[static_cast<std::size_t>(item)] += 1;
  }
  expect_uniform(kept, kRounds, 0.1, 50);
}

// The first stratum fills everything, then makes room for three later ones while its own stream goes on.
TEST(ReplayBuffer, GivingUpRoomKeepsTheSampleUniform) {
  constexpr int kRounds = 600, kItems = 1000, kCapacity = 200;
  std::vector<int> kept(kItems);
  double share = 0;
  for (int seed = 0; seed < kRounds; ++seed) {
    ReplayBuffer buffer(kCapacity, 8, static_cast<std::uint64_t>(seed));
    Contents contents;
    for (int i = 0; i < kItems; ++i) {
      contents.follow(buffer.offer(1), i);
      if (i < 300) continue;
      for (std::uint64_t other = 2; other <= 4; ++other) contents.follow(buffer.offer(other), -1);
      ASSERT_LE(buffer.size(), std::size_t{kCapacity});
    }
    contents.check(buffer);
    if (HasFatalFailure()) return;
    for (const ReplayStratum& s : buffer.strata()) ASSERT_EQ(s.stored, kCapacity / 4u);
    for (int item : contents[0]) kept[static_cast<std::size_t>(item)] += 1;
    share = static_cast<double>(contents[0].size()) / kItems;
  }
  expect_uniform(kept, kRounds, share, 50);
}

TEST(ReplayBuffer, RandomStreamsStayWithinTheirBounds) {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    const std::size_t capacity = random.below(120), strata_max = random.below(20);
    const std::uint64_t kinds = 1 + random.below(30);
    ReplayBuffer buffer(capacity, strata_max, seed);
    Contents contents;
    for (int i = 0; i < 2000; ++i) {
      contents.follow(buffer.offer(random.below(1 + random.below(kinds))), i);
      ASSERT_EQ(buffer.size(), std::min<std::size_t>(capacity, static_cast<std::size_t>(i) + 1));
      ASSERT_LE(buffer.strata().size(), std::max<std::size_t>(1, strata_max));
      if (i % 50 == 0) contents.check(buffer);
      if (HasFatalFailure()) return;
    }
    std::uint64_t offered = 0;
    for (const ReplayStratum& s : buffer.strata()) offered += s.offered;
    EXPECT_EQ(offered, capacity == 0 ? 0u : 2000u);
  }
}

TEST(ReplayBuffer, GoesOnAfterARestartAsIfThereWasNone) {
  Random random(5);
  ReplayBuffer whole(50, 6, 9);
  ReplayBuffer restarted(50, 6, 9);
  for (int i = 0; i < 3000; ++i) {
    const std::uint64_t stratum = random.below(8);
    const auto a = whole.offer(stratum);
    if (i % 37 == 0) restarted = ReplayBuffer(50, 6, 9, restarted.strata());
    const auto b = restarted.offer(stratum);
    ASSERT_EQ(a.taken, b.taken);
    ASSERT_EQ(a.put, b.put);
    ASSERT_EQ(a.evicted.size(), b.evicted.size());
  }
  EXPECT_EQ(whole.strata(), restarted.strata());
  EXPECT_EQ(whole.draw(100, 3), restarted.draw(100, 3));
}

TEST(ReplayBuffer, AnotherSeedGivesAnotherBuffer) {
  const auto taken = [](std::uint64_t seed) {
    ReplayBuffer buffer(10, 2, seed);
    std::string out;
    for (int i = 0; i < 200; ++i) out += buffer.offer(1).taken ? '1' : '0';
    return out;
  };
  EXPECT_EQ(taken(1), taken(1));
  EXPECT_NE(taken(1), taken(2));
}

TEST(ReplayBuffer, ALoweredCapacityIsReachedStepByStep) {
  ReplayBuffer large(1000, 4, 1);
  Contents contents;
  for (int i = 0; i < 4000; ++i) contents.follow(large.offer(static_cast<std::uint64_t>(i % 3)), i);
  ReplayBuffer small(100, 4, 1, large.strata());
  for (int i = 0; small.size() > 100; ++i) {
    const std::size_t before = small.size();
    ASSERT_LT(i, 400) << "it does not get there";
    contents.follow(small.offer(static_cast<std::uint64_t>(i % 3)), i);
    contents.check(small);
    ASSERT_LT(small.size(), before);
    ASSERT_LE(before - small.size(), std::size_t{ReplayBuffer::kEvictionsMax});
  }
}

/// Draws a hundred or more examples of two strata very often, and holds the counts against each stratum's offers to the `power`.
void expect_drawn_by(const ReplayBuffer& buffer, double power) {
  constexpr int kDraws = 110'000;
  std::map<Slot, int> count;
  for (const Slot& slot : buffer.draw(kDraws, 17)) count[slot] += 1;
  const auto weight = [&](std::uint32_t stratum) { return std::pow(static_cast<double>(buffer.strata()[stratum].offered), power); };
  double chi = 0;
  for (const auto& [slot, n] : count) {
    const double share = weight(slot.stratum) / (weight(0) + weight(1)), expected = kDraws * share / buffer.strata()[slot.stratum].stored;
    chi += (n - expected) * (n - expected) / expected;
  }
  const auto held = static_cast<double>(buffer.size());
  EXPECT_EQ(count.size(), buffer.size());
  EXPECT_LT(chi, held - 1 + 5 * std::sqrt(2 * (held - 1)));
}

// Were each stratum as likely as any other, one example of a pattern that nobody else has would be drawn at every step, and be known by
// heart.
TEST(ReplayBuffer, WhatIsRareIsDrawnByTheRootOfHowOftenItWasOfferedWhileAllIsHeld) {
  ReplayBuffer buffer(200, 4, 1);
  for (int i = 0; i < 10; ++i) (void)buffer.offer(1);
  for (int i = 0; i < 190; ++i) (void)buffer.offer(2);
  ASSERT_EQ(buffer.size(), 200u);
  expect_drawn_by(buffer, 0.5);
  EXPECT_EQ(buffer.draw(20, 4), buffer.draw(20, 4));
  EXPECT_NE(buffer.draw(20, 4), buffer.draw(20, 5));
  EXPECT_TRUE(ReplayBuffer(10, 2, 1).draw(5, 1).empty());
}

TEST(ReplayBuffer, WhatIsDrawnIsASampleOfTheStreamWhereMostOfItIsNotHeld) {
  ReplayBuffer buffer(100, 4, 1);
  for (int i = 0; i < 10; ++i) (void)buffer.offer(1);  // a rare stratum of 10 beside one of 90
  for (int i = 0; i < 490; ++i) (void)buffer.offer(2);
  ASSERT_EQ(buffer.strata()[0].stored, 10u);
  ASSERT_EQ(buffer.strata()[1].stored, 90u);
  expect_drawn_by(buffer, 0.9);  // a fifth of it is held
}

// A patient alone fills a stratum and is forgotten but for one example: that one does not stand for all of them.
TEST(ReplayBuffer, WhatIsTakenOutIsNotStoodForByOthers) {
  ReplayBuffer buffer(1000, 4, 1);
  for (int i = 0; i < 1000; ++i) (void)buffer.offer(i < 500 ? 1 : 2);
  while (buffer.strata()[0].stored > 1) (void)buffer.remove({0, 0});
  std::size_t drawn = 0;
  for (const Slot& slot : buffer.draw(10'000, 3)) drawn += slot.stratum == 0 ? 1 : 0;
  EXPECT_LT(drawn, 600U) << "428 expected of 10,000, 5,000 before";
}

TEST(ReplayBuffer, StrataFollowSiteAndModalitiesSeen) {
  const Schema schema = testing::test_schema();
  Example a;
  a.before = new_snapshot(schema, "p");
  a.before.site = "icu-1";
  a.before.modalities[0] = {testing::at_minutes(0), 3};
  Example b = a;
  b.before.modalities[0].count = 9;  // how often does not matter,
  b.before.patient_id = "q";         // nor who
  EXPECT_EQ(stratum_hash(schema, a), stratum_hash(schema, b));
  b.arrived = {{schema.modalities()[0].first_feature, 5.0}};
  EXPECT_EQ(stratum_hash(schema, a), stratum_hash(schema, b));
  b.arrived = {{schema.modalities()[2].first_feature, 5.0}};
  EXPECT_NE(stratum_hash(schema, a), stratum_hash(schema, b));
  a.before.site = "icu-2";
  EXPECT_NE(stratum_hash(schema, a), stratum_hash(schema, b));
}

// A pass goes over every slot in use once, whatever strata there are.
TEST(ReplayBuffer, PlacesAreTheSlotsInUse) {
  ReplayBuffer buffer(50, 8, 1);
  for (std::uint64_t i = 0; i < 300; ++i) buffer.offer(hash64("stratum", i % 5));
  buffer.remove({2, 0});
  std::vector<std::size_t> places;
  for (std::size_t i = buffer.size() + 3; i > 0; --i) places.push_back(i - 1);
  const std::vector<Slot> slots = buffer.slots_at(places);
  ASSERT_EQ(slots.size(), buffer.size()) << "places beyond it are left out";
  EXPECT_TRUE(std::is_sorted(slots.rbegin(), slots.rend())) << "in the order asked for";
  std::map<std::uint32_t, std::uint32_t> of;
  for (const Slot& slot : slots) {
    EXPECT_LT(slot.index, buffer.strata()[slot.stratum].stored);
    ++of[slot.stratum];
  }
  for (std::uint32_t s = 0; s < buffer.strata().size(); ++s) EXPECT_EQ(of[s], buffer.strata()[s].stored);
  EXPECT_EQ(std::set<Slot>(slots.begin(), slots.end()).size(), slots.size()) << "each once";
}

}  // namespace
}  // namespace lacuna::state
