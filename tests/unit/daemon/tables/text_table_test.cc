#include "daemon/tables/text_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <sstream>

namespace lacuna::daemon {
namespace {

using ::testing::HasSubstr;

TEST(TextTable, IsAsWideAsItNeedsToBe) {
  EXPECT_EQ(text_table({{"a", "n"}, {"long", "10"}}, "lr", 80), "a      n\nlong  10\n");
  EXPECT_EQ(text_table({}, "l", 80), "");
  EXPECT_EQ(text_table({{"a\tb"}}, "l", 80), "a.b\n");
}

TEST(TextTable, BreaksTextsBeforeItBreaksUp) {
  const std::string table = text_table({{"feature", "value"}, {"chemistry.alkaline_phosphatase", "12345678"}}, "lr", 30);
  EXPECT_EQ(table,
            "feature                  value\n"
            "chemistry.alkaline_   12345678\n"
            "phosphatase\n");
}

TEST(TextTable, WhatIsTooWideComesInBlocksWithTheFirstColumn) {
  std::vector<std::string> head{"week"}, row{"share"};
  for (int i = 0; i < 20; ++i) {
    head.push_back("2026-01-" + std::to_string(10 + i));
    row.push_back(std::to_string(i));
  }
  const std::string table = text_table({head, row}, "lr", 40);
  EXPECT_THAT(table, HasSubstr("\n\nweek "));
  for (int i = 0; i < 20; ++i) EXPECT_THAT(table, HasSubstr("2026-01-" + std::to_string(10 + i)));
}

// Protects: no line is wider than the screen, whatever is in the table, and no character of it is lost.
TEST(TextTable, FitsWhateverIsInIt) {
  const unsigned seed = 7;
  std::mt19937 random(seed);
  for (int round = 0; round < 300; ++round) {
    const std::size_t columns = 40 + random() % 60, width = 1 + random() % 12;
    std::vector<std::vector<std::string>> rows(1 + random() % 4);
    std::size_t letters = 0;
    for (auto& row : rows) {
      for (std::size_t c = 0; c < width; ++c) {
        std::string text;
        for (std::size_t n = random() % 30; n > 0; --n) text += "ab._/ "[random() % 6];
        if (c > 0) letters += static_cast<std::size_t>(std::count(text.begin(), text.end(), 'a'));
        row.push_back(std::move(text));
      }
    }
    const std::vector<std::vector<std::string>> asked = rows;
    const std::string table = text_table(rows, "llr", columns);
    std::istringstream lines(table);
    for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), columns) << "seed " << seed << "\n" << table;
    // The first column comes once a block.
    std::string first;
    for (const auto& row : asked) first += row[0];
    const auto a = [](const std::string& text) { return static_cast<std::size_t>(std::count(text.begin(), text.end(), 'a')); };
    if (a(first) == 0) {
      EXPECT_EQ(a(table), letters) << table;
    } else if (a(table) >= letters) {
      EXPECT_EQ((a(table) - letters) % a(first), 0u) << table;
    } else {
      ADD_FAILURE() << "lost letters, seed " << seed << "\n" << table;
    }
  }
}

}  // namespace
}  // namespace lacuna::daemon
