// Goal: marks for "not measured" are found by how they stand apart, and measurements are left alone. Method: columns of each sort.
#include "daemon/guessing/marks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/daemon/guessing/made_up_tables.h"

namespace lacuna::daemon {
namespace {

using namespace lacuna::daemon::testing;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> values(double middle, double spread, const std::vector<std::string>& more) {
  std::vector<std::string> out = more;
  for (std::uint64_t i = 0; i < 300; ++i) out.push_back(fixed(middle + spread * bell(1, i), 1));
  return out;
}

TEST(Marks, UsualMarksStandApart) {
  EXPECT_THAT(guess_marks(profile_of(values(70, 10, {"-9", "-9", "999"})), {}).texts(), ElementsAre("-9", "999"));
  EXPECT_THAT(guess_marks(profile_of(values(170, 9, {"-1", "-1"})), {}).texts(), ElementsAre("-1"));
  EXPECT_THAT(guess_marks(profile_of(values(0, 5, {"-9", "9"})), {}).texts(), IsEmpty()) << "a base excess of -9 is one";
  EXPECT_THAT(guess_marks(profile_of(values(100, 20, {"99", "88"})), {}).texts(), IsEmpty());
}

TEST(Marks, CodesAreNoMarks) {
  std::vector<std::string> codes;
  for (int i = 0; i < 300; ++i) codes.push_back(std::to_string(i % 4 - 1));
  EXPECT_TRUE(guess_marks(profile_of(codes), {}).empty());
}

TEST(Marks, WhatAQuantityCannotBe) {
  const Limits chol{true, 20, 2000};
  std::vector<std::string> cells = values(240, 40, {});
  for (int i = 0; i < 60; ++i) cells.emplace_back("0");
  const Marks marks = guess_marks(profile_of(cells), chol);
  EXPECT_THAT(marks.texts(), ElementsAre("0"));
  EXPECT_EQ(marks.cells, 60u);
  EXPECT_EQ(marks.beyond, 60u);
  EXPECT_FALSE(marks.too_many_beyond);
}

TEST(Marks, TooManyBeyondAreNoMistakes) {
  const Marks marks = guess_marks(profile_of(values(98, 1, {})), {true, 25, 45});
  EXPECT_TRUE(marks.too_many_beyond) << "Fahrenheit";
  EXPECT_TRUE(marks.empty());
}

TEST(Marks, WordsAmongNumbers) {
  const Marks marks = guess_marks(profile_of(values(5, 1, {"hemolyzed", "NA", "<0.1"})), {});
  EXPECT_THAT(marks.texts(), ElementsAre("hemolyzed")) << "NA is one everywhere, and a limit is a number";
  EXPECT_TRUE(guess_marks(profile_of({"a", "b", "1"}), {}).empty()) << "words of their own right";
}

TEST(Marks, AFewCostsBelowNothing) {
  std::vector<std::string> cells{"-28.48"};
  for (std::uint64_t i = 0; i < 500; ++i) cells.push_back(fixed(std::exp(8 + bell(3, i)), 2));
  EXPECT_THAT(guess_marks(profile_of(cells), {}).texts(), ElementsAre("-28.48"));
  EXPECT_TRUE(guess_marks(profile_of(values(2, 1, {"-3"})), {}).empty()) << "even on both sides";
}

}  // namespace
}  // namespace lacuna::daemon
