#include "state/records/nearest.h"

#include <gtest/gtest.h>

#include <random>

namespace lacuna {
namespace {

// Protects: the suggestions' distance against the plain recursive definition, and that far words are left alone.
TEST(Nearest, FindsOneTypingError) {
  const std::vector<std::string> known{"batch_size", "beta", "learning_rate", "hide_cells_min"};
  const unsigned seed = 5;
  std::mt19937 random(seed);
  for (int i = 0; i < 500; ++i) {
    const std::string& right = known[random() % known.size()];
    std::string wrong = right;
    const std::size_t at = random() % wrong.size();
    switch (random() % 3) {
      case 0: wrong.erase(at, 1); break;
      case 1: wrong.insert(at, 1, static_cast<char>('a' + random() % 26)); break;
      default: wrong[at] = static_cast<char>('a' + random() % 26);
    }
    EXPECT_EQ(nearest(wrong, known), right) << wrong << " seed " << seed;
  }
  EXPECT_EQ(nearest("temperature", known), "");
  EXPECT_EQ(nearest("", known), "");
  EXPECT_EQ(nearest(std::string(100'000, 'a'), known), "") << "must not take quadratic time";
}

TEST(Nearest, AsksOnlyWhereSomethingIsNear) {
  EXPECT_EQ(did_you_mean("imputation", {"alerts", "imputations"}), "; did you mean imputations?");
  EXPECT_EQ(did_you_mean("x", {"alerts", "imputations"}), "");
}

}  // namespace
}  // namespace lacuna
