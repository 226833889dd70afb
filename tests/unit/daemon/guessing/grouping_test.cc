// Goal: what is measured together is one modality. Method: cells of patients whose panels are known.
#include "daemon/guessing/grouping.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/guessing/courses.h"

namespace lacuna::daemon {
namespace {

using ::testing::ElementsAre;

/// 20 patients, 24 hours: variables 0 and 1 hourly, 2 and 3 each six hours, 4 in the first hour alone, with one value.
std::vector<MeasuredCell> panels() {
  std::vector<MeasuredCell> out;
  for (std::uint32_t p = 0; p < 20; ++p) {
    for (std::uint32_t h = 0; h < 24; ++h) {
      const std::int64_t time = h * 3'600'000;
      out.push_back({p, 1, time, h});
      out.push_back({p, 0, time, h + 7});
      if (h % 6 == 0) {
        out.push_back({p, 2, time, h});
        out.push_back({p, 3, time, 5});
      }
      if (h == 0) out.push_back({p, 4, time, 77});
    }
  }
  return out;
}

TEST(Courses, GapsConstancyAndCompany) {
  auto cells = panels();
  const Courses c = measure_courses(cells, 5, std::vector<std::set<std::uint32_t>>(5));
  EXPECT_EQ(c.patients, 20u);
  EXPECT_EQ(c.moments, 480u);
  EXPECT_EQ(c.of[0].gap_ms, 3'600'000);
  EXPECT_EQ(c.of[2].gap_ms, 6 * 3'600'000);
  EXPECT_EQ(c.of[4].gap_ms, 0);
  EXPECT_EQ(c.of[3].repeated, 20u);
  EXPECT_EQ(c.of[3].constant, 20u);
  EXPECT_EQ(c.of[2].constant, 0u);
  EXPECT_EQ(c.of[4].repeated, 0u);
  EXPECT_EQ(c.span_ms, 23 * 3'600'000);
  EXPECT_EQ(c.together(0, 1), 1);
  EXPECT_NEAR(c.together(0, 2), 4.0 / 24, 1e-12);
}

TEST(Courses, MarksAreNoValues) {
  auto cells = panels();
  std::vector<std::set<std::uint32_t>> marks(5);
  marks[4].insert(77);
  const Courses c = measure_courses(cells, 5, marks);
  EXPECT_EQ(c.of[4].values, 0u);
  EXPECT_EQ(c.of[4].patients, 0u);
}

TEST(Grouping, PanelsBecomeModalities) {
  auto cells = panels();
  const Courses c = measure_courses(cells, 5, std::vector<std::set<std::uint32_t>>(5));
  const auto groups = group_features({{0, "hr", "vitals"}, {1, "sbp", "vitals"}, {2, "x", ""}, {3, "y", ""}, {4, "z", ""}}, c);
  ASSERT_EQ(groups.size(), 3u);
  EXPECT_EQ(groups[0].name, "vitals");
  EXPECT_THAT(groups[0].features, ElementsAre(0, 1));
  EXPECT_EQ(groups[1].name, "x_group");
  EXPECT_THAT(groups[1].features, ElementsAre(2, 3));
  EXPECT_EQ(groups[2].name, "z");
}

TEST(Grouping, AFullTableIsPartedByNamesAndPlaces) {
  std::vector<MeasuredCell> cells;
  std::vector<Groupable> features;
  for (std::uint32_t v = 0; v < 14; ++v) {
    for (std::uint32_t p = 0; p < 30; ++p) cells.push_back({p, v, 0, p});
    features.push_back({v, "f" + std::to_string(v), v % 7 == 0 ? "vitals" : ""});
  }
  const auto groups = group_features(features, measure_courses(cells, 14, std::vector<std::set<std::uint32_t>>(14)));
  ASSERT_EQ(groups.size(), 3u);
  EXPECT_THAT(groups[0].features, ElementsAre(0, 7)) << "by name";
  EXPECT_THAT(groups[1].features, ElementsAre(1, 2, 3, 4, 5, 6)) << "by place";
  EXPECT_EQ(groups[1].name, "f1_group");
}

TEST(Grouping, TwoFeaturesCanTellEachOther) {
  std::vector<MeasuredCell> cells;
  for (std::uint32_t p = 0; p < 30; ++p) cells.insert(cells.end(), {{p, 0, 0, p}, {p, 1, 0, p}});
  const auto groups = group_features({{0, "a", ""}, {1, "b", ""}}, measure_courses(cells, 2, std::vector<std::set<std::uint32_t>>(2)));
  EXPECT_EQ(groups.size(), 2u);
}

}  // namespace
}  // namespace lacuna::daemon
