#include "model/drift/missingness_matrix.h"

#include <gtest/gtest.h>

#include <random>

// Protects: what is shown of a site and a week is what was counted, weeks begin on Mondays, memory is bounded whatever comes,
// and a restart forgets nothing.

namespace lacuna::drift {
namespace {

Time at(const char* text) { return parse_rfc3339(text).value(); }

MissingnessMatrix make() { return MissingnessMatrix({"vitals", "labs"}); }

TEST(MissingnessMatrix, CountsSharesBySiteAndIsoWeek) {
  MissingnessMatrix matrix = make();
  // 2026-01-05 is a Monday.
  matrix.add("icu-1", at("2026-01-04T23:00:00Z"), 0b01);
  matrix.add("icu-1", at("2026-01-05T00:00:00Z"), 0b11);
  for (int i = 0; i < 3; ++i) matrix.add("icu-1", at("2026-01-11T23:59:59Z"), 0b01);
  matrix.add("", at("2026-01-06T00:00:00Z"), 0b00);
  using Row = MissingnessMatrix::Row;
  const Time first = at("2025-12-29T00:00:00Z"), second = at("2026-01-05T00:00:00Z");
  EXPECT_EQ(matrix.rows(), (std::vector<Row>{{"icu-1", "vitals", first, 1, 1},
                                             {"icu-1", "labs", first, 1, 0},
                                             {"icu-1", "vitals", second, 4, 1},
                                             {"icu-1", "labs", second, 4, 0.25},
                                             {"no site", "vitals", second, 1, 0},
                                             {"no site", "labs", second, 1, 0}}));
}

TEST(MissingnessMatrix, WeeksBeginOnMondaysBefore1970Too) {
  for (const char* time : {"1969-12-29T00:00:00Z", "1970-01-04T23:59:59Z", "1970-01-01T00:00:00Z"}) {
    MissingnessMatrix matrix = make();
    matrix.add("x", at(time), 1);
    EXPECT_EQ(matrix.rows()[0].week, at("1969-12-29T00:00:00Z")) << time;
  }
  MissingnessMatrix matrix = make();
  matrix.add("x", at("1969-12-28T23:59:59Z"), 1);
  EXPECT_EQ(matrix.rows()[0].week, at("1969-12-22T00:00:00Z"));
}

TEST(MissingnessMatrix, KeepsTheNewestWeeks) {
  MissingnessMatrix matrix = make();
  const Time start = at("2026-01-05T00:00:00Z");
  for (int week = 0; week < 40; ++week) matrix.add("x", start + week * std::chrono::days(7), 1);
  matrix.add("x", start, 1);  // long gone
  const auto rows = matrix.rows();
  ASSERT_EQ(rows.size(), 2 * MissingnessMatrix::kWeeks);
  EXPECT_EQ(rows.front().week, start + 14 * std::chrono::days(7));
  EXPECT_EQ(rows.back().week, start + 39 * std::chrono::days(7));
  for (const auto& row : rows) EXPECT_EQ(row.patient_hours, 1u);
}

TEST(MissingnessMatrix, SitesBeyondTheBoundAreCountedTogether) {
  MissingnessMatrix matrix = make();
  const Time hour = at("2026-01-05T00:00:00Z");
  for (std::size_t i = 0; i < MissingnessMatrix::kSites + 50; ++i) matrix.add("site " + std::to_string(i), hour, 1);
  const Time next = hour + std::chrono::days(7);
  matrix.add("site 3", next, 1);     // known, so still by its name
  matrix.add("site 9999", next, 1);  // not
  std::uint64_t others = 0, total = 0;
  for (const auto& row : matrix.rows()) {
    if (row.modality != "vitals") continue;
    total += row.patient_hours;
    if (row.site == "other sites") others += row.patient_hours;
  }
  EXPECT_EQ(others, 51u);
  EXPECT_EQ(total, MissingnessMatrix::kSites + 52);
}

TEST(MissingnessMatrix, ARestartForgetsNothing) {
  MissingnessMatrix matrix = make();
  std::mt19937_64 random(5);
  for (int i = 0; i < 5000; ++i) {
    matrix.add("s" + std::to_string(random() % 9), at("2026-01-05T00:00:00Z") + Millis(random() % 5'000'000'000), random() % 4);
  }
  PieceWriter out;
  matrix.save(out);
  const std::string bytes = joined(out.take());
  MissingnessMatrix again = make();
  ByteReader in(bytes);
  ASSERT_TRUE(again.load(in));
  EXPECT_TRUE(in.at_end());
  EXPECT_EQ(again.rows(), matrix.rows());
  PieceWriter once_more;
  again.save(once_more);
  EXPECT_EQ(joined(once_more.take()), bytes);
}

TEST(MissingnessMatrix, WhatItDidNotWriteIsRefusedAndLeavesItAsItWas) {
  MissingnessMatrix matrix = make();
  matrix.add("icu", at("2026-01-05T00:00:00Z"), 1);
  const auto rows = matrix.rows();
  PieceWriter out;
  matrix.save(out);
  const std::string bytes = joined(out.take());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    ByteReader cut(std::string_view(bytes).substr(0, size));
    EXPECT_FALSE(matrix.load(cut)) << size;
  }
  std::mt19937_64 random(6);
  for (int i = 0; i < 2000; ++i) {
    std::string damaged = bytes;
    damaged[random() % damaged.size()] ^= static_cast<char>(1 << random() % 8);
    ByteReader in(damaged);
    MissingnessMatrix other = make();
    (void)other.load(in);  // refused or read: no crash, no memory without bound
    for (const auto& row : other.rows()) EXPECT_LE(row.share, 1);
  }
  EXPECT_EQ(matrix.rows(), rows);
  MissingnessMatrix wider({"vitals", "labs", "neuro"});
  ByteReader in(bytes);
  EXPECT_FALSE(wider.load(in));
}

}  // namespace
}  // namespace lacuna::drift
