// Protects: stored data and reproducible randomness. These hashes are in stores and decide what enters a replay buffer,
// so their values are fixed for ever; and their output must be spread well enough to serve as random numbers.

#include "state/records/hash.h"

#include <gtest/gtest.h>

#include <array>
#include <set>
#include <string>

namespace lacuna {
namespace {

TEST(Hash, ValuesAreFixed) {
  // The first output of SplitMix64 from state 0, published with the generator.
  EXPECT_EQ(mix64(0), 0xe220a8397b1dcdafULL);
  EXPECT_EQ(hash64("", 0), 0x5b21f68ffa77f14cULL);
  EXPECT_EQ(hash64("132539", 0), 0x72de1eca4a99d314ULL);
  EXPECT_EQ(hash64("132539", 7), 0x6d43b43e8f6ac6aeULL);
}

TEST(Hash, SpreadsSimilarTextsEvenly) {
  constexpr int kCells = 64;
  constexpr int kTexts = 64'000;
  std::array<int, kCells> low{}, high{};
  for (int i = 0; i < kTexts; ++i) {
    const std::uint64_t h = hash64("patient-" + std::to_string(i));
    low[h % kCells] += 1;
    high[static_cast<std::size_t>(to_unit(h) * kCells)] += 1;
  }
  for (const auto& cells : {low, high}) {
    double chi = 0;
    for (int c : cells) chi += (c - 1000.0) * (c - 1000.0) / 1000.0;
    EXPECT_LT(chi, 63 + 5 * 11.2);  // mean and five standard deviations of chi-square with 63 degrees of freedom
  }
}

TEST(Hash, ToUnitNeverReachesOne) {
  EXPECT_LT(to_unit(~std::uint64_t{0}), 1.0);
  EXPECT_EQ(to_unit(0), 0.0);
}

}  // namespace
}  // namespace lacuna
