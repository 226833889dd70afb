// Protects: slots and owners agree both ways, whatever is set and cleared. Random changes against a plain map.

#include "state/replay_owners.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/state/workload.h"

namespace lacuna::state {
namespace {

TEST(ReplayOwners, AgreeBothWays) {
  testing::Random random(5);
  ReplayOwners owners;
  std::map<Slot, std::uint64_t> plain;
  for (int i = 0; i < 5000; ++i) {
    const Slot slot{static_cast<std::uint32_t>(random.below(3)), static_cast<std::uint32_t>(random.below(20))};
    if (random.chance(0.3)) {
      owners.set(slot, std::nullopt);
      plain.erase(slot);
    } else {
      plain[slot] = random.below(6);
      owners.set(slot, plain[slot]);
    }
    ASSERT_EQ(owners.size(), plain.size());
    const std::uint64_t owner = random.below(6);
    std::vector<Slot> expected;
    for (const auto& [s, o] : plain) {
      if (o == owner) expected.push_back(s);
      ASSERT_EQ(owners.of(s), o);
    }
    std::vector<Slot> slots = owners.slots(owner);
    std::sort(slots.begin(), slots.end());
    ASSERT_EQ(slots, expected);
  }
}

}  // namespace
}  // namespace lacuna::state
