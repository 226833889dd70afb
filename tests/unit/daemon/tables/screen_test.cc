#include "daemon/tables/screen.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace lacuna::daemon {
namespace {

TEST(Screen, BreaksLinesAtSpacesAndKeepsWhatFits) {
  EXPECT_EQ(wrapped("one two three\n", 7), "one two\nthree\n");
  EXPECT_EQ(wrapped("one two", 7), "one two");
  EXPECT_EQ(wrapped("", 7), "");
  EXPECT_EQ(wrapped("\n\na\n", 7), "\n\na\n");
  EXPECT_EQ(wrapped("abcdefghij", 4), "abcd\nefgh\nij") << "a word that is longer than a line";
}

TEST(Screen, GoesOnUnderALinesOwnIndentation) {
  EXPECT_EQ(wrapped("  one two three\n", 9), "  one two\n  three\n");
  EXPECT_EQ(wrapped("  kept  one two three four\n", 20, 6), "  kept  one two\n        three four\n");
}

TEST(Screen, CountsCharactersAndNotBytes) {
  EXPECT_EQ(width_of("\u00b5mol"), 4u);
  EXPECT_EQ(wrapped("\u00b5\u00b5\u00b5\u00b5 \u00b5\u00b5", 4), "\u00b5\u00b5\u00b5\u00b5\n\u00b5\u00b5");
  EXPECT_EQ(wrapped("\u00b5\u00b5\u00b5\u00b5\u00b5", 2), "\u00b5\u00b5\n\u00b5\u00b5\n\u00b5") << "no character is cut";
}

TEST(Screen, IsAsWideAsTheEnvironmentSays) {
  setenv("COLUMNS", "132", 1);
  EXPECT_EQ(screen_columns(), 132u);
  setenv("COLUMNS", "3", 1);
  EXPECT_EQ(screen_columns(), 40u);
  unsetenv("COLUMNS");
}

TEST(Screen, OneIsSingular) {
  EXPECT_EQ(counted(1, "row", "rows"), "1 row");
  EXPECT_EQ(counted(0, "row", "rows"), "0 rows");
}

}  // namespace
}  // namespace lacuna::daemon
