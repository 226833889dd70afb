// Goal: cells come out as they were meant, whatever quoting, line ends and block borders do. Method: random tables are
// written with random quoting and read back; examples for what is refused.
#include "streaming/files/csv_reader.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <random>

namespace lacuna::streaming {
namespace {

class CsvReaderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
    path_ = (std::filesystem::temp_directory_path() / (std::string("lacuna_csv_") + info->name() + std::to_string(::getpid()))).string();
  }
  void TearDown() override { std::filesystem::remove(path_); }

  CsvReader open(const std::string& text) {
    std::ofstream(path_, std::ios::binary) << text;
    auto lines = LineReader::open(path_);
    EXPECT_TRUE(lines.ok());
    return {std::move(*lines), ','};
  }

  std::string path_;
};

TEST_F(CsvReaderTest, WhatWasWrittenIsRead) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const auto below = [&](unsigned n) { return std::uniform_int_distribution<unsigned>(0, n - 1)(random); };
  for (int round = 0; round < 20; ++round) {
    std::vector<std::vector<std::string>> table(1 + below(200));
    std::string text = below(2) == 0 ? "\xEF\xBB\xBF" : "";
    const std::string line_end = below(2) == 0 ? "\r\n" : "\n";
    for (auto& row : table) {
      row.resize(1 + below(5));
      for (std::size_t i = 0; i < row.size(); ++i) {
        const bool quoted = below(3) == 0;
        // Now and then a cell longer than a block of the reader.
        const unsigned size = below(200) == 0 ? 70'000 : below(12);
        for (unsigned k = 0; k < size; ++k) row[i] += quoted ? "ab,\"\n x"[below(7)] : "abc xyz"[below(7)];
        if (row.size() == 1 && row[0].empty()) row[0] = "x";  // an empty line is no row
        std::string cell;
        for (const char c : row[i]) cell += c == '"' ? std::string("\"\"") : std::string(1, c);
        text += (i == 0 ? "" : ",") + (quoted ? "\"" + cell + "\"" : cell);
      }
      text += line_end;
      if (below(5) == 0) text += line_end;
    }
    if (below(2) == 0) text.erase(text.find_last_not_of("\r\n") + 1);
    CsvReader reader = open(text);
    std::vector<std::string_view> cells;
    for (const auto& row : table) {
      ASSERT_EQ(reader.next(cells), CsvReader::Outcome::row);
      ASSERT_EQ(std::vector<std::string>(cells.begin(), cells.end()), row);
    }
    EXPECT_EQ(reader.next(cells), CsvReader::Outcome::end);
    EXPECT_EQ(reader.bytes_read(), text.size());
  }
}

TEST_F(CsvReaderTest, ReadsOnAfterARowThatIsNone) {
  CsvReader reader = open("a,b\n1,x\"y\"\n2,\"p\"q\n3,4\n");
  std::vector<std::string_view> cells;
  EXPECT_EQ(reader.next(cells), CsvReader::Outcome::row);
  EXPECT_EQ(reader.next(cells), CsvReader::Outcome::malformed);
  EXPECT_EQ(reader.line_number(), 2U);
  EXPECT_EQ(reader.next(cells), CsvReader::Outcome::malformed);
  EXPECT_EQ(reader.next(cells), CsvReader::Outcome::row);
  EXPECT_EQ(reader.line_number(), 4U);
  EXPECT_EQ(cells[1], "4");
  EXPECT_EQ(reader.next(cells), CsvReader::Outcome::end);
}

TEST_F(CsvReaderTest, ALineWithoutEndIsBounded) {
  CsvReader reader = open("a\n" + std::string(3 * kLineBytesMax, 'x') + "\nb\n\"" + std::string(kLineBytesMax / 2, '\n'));
  std::vector<std::string_view> cells;
  EXPECT_EQ(reader.next(cells), CsvReader::Outcome::row);
  EXPECT_EQ(reader.next(cells), CsvReader::Outcome::malformed);
  EXPECT_EQ(reader.next(cells), CsvReader::Outcome::row);
  EXPECT_EQ(cells[0], "b");
  EXPECT_EQ(reader.next(cells), CsvReader::Outcome::malformed) << "a quote that never closes";
  EXPECT_EQ(reader.next(cells), CsvReader::Outcome::end);
}

TEST_F(CsvReaderTest, AFileThatIsNotThere) { EXPECT_EQ(LineReader::open(path_).code(), Code::not_found); }

}  // namespace
}  // namespace lacuna::streaming
