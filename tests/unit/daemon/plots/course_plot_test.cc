// Goal: a value lies where it belongs, an interval is as long as it is, each sort of cell has its mark, and nothing an id or a name holds
// breaks the picture. Method: courses whose places are known.

#include "daemon/plots/course_plot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/daemon/plots/well_formed.h"

namespace lacuna::daemon {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using Kind = CourseCell::Kind;

const Time kStart = *parse_rfc3339("2026-01-01T00:00:00Z");
Time hour(int h) { return kStart + std::chrono::hours(h); }

CourseCell measured(int h, double value) { return {hour(h), Kind::measured, value, 0, 0, {}, "told"}; }

TEST(CoursePlot, ValuesLieWhereTheyBelong) {
  const std::string svg = course_plot({"t", {"n"}, {}, {{"hr", "/min", {}, {}, {measured(0, 10), measured(10, 20)}}}});
  testing::expect_well_formed(svg);
  // The plot is 96 pixels high, from y = 122 on, and holds 9.4 to 20.6; its moments lie from x = 113 to 351.
  EXPECT_THAT(svg, HasSubstr("<circle cx=\"113\" cy=\"212.86\""));
  EXPECT_THAT(svg, HasSubstr("<circle cx=\"351\" cy=\"127.14\""));
  EXPECT_THAT(svg, AllOf(HasSubstr(">/min<"), HasSubstr(">2026-01-01<"), HasSubstr(">08:00<"), HasSubstr("<title>told</title>")));
}

TEST(CoursePlot, IntervalsAreAsLongAsTheyAre) {
  const CourseCell imputed{hour(5), Kind::never_measured, 15, 12, 18, {}, {}};
  const std::string svg = course_plot({"t", {"n"}, {}, {{"hr", "", {}, {}, {measured(0, 10), imputed, measured(10, 20)}}}});
  EXPECT_THAT(svg, HasSubstr("<line x1=\"232\" y1=\"195.71\" x2=\"232\" y2=\"144.29\"")) << "from 12 to 18";
  EXPECT_THAT(svg, AllOf(HasSubstr("never measured until then"), Not(HasSubstr("long ago")))) << "the legend has what is there";
  const CourseCell wide{hour(5), Kind::stale, 15, -1e9, 1e9, {}, {}};
  const std::string cut = course_plot({"t", {"n"}, {}, {{"hr", "", {}, {}, {measured(0, 10), wide, measured(10, 20)}}}});
  for (const std::string& y : testing::all_of(cut, "<line x1=\"232\" y1=\"([0-9.-]+)\""))
    EXPECT_TRUE(std::stod(y) >= 122 && std::stod(y) <= 218);
  EXPECT_THAT(cut, HasSubstr(">20<")) << "an interval without end leaves the values to be seen";
}

TEST(CoursePlot, WhatIsImputedCloselyIsABand) {
  std::vector<CourseCell> cells{measured(0, 10)};
  for (int h = 1; h < 200; ++h) cells.push_back({hour(h), Kind::measured_before, 10, 8, 12, {}, {}});
  const std::string svg = course_plot({"t", {}, {}, {{"hr", "", {}, {}, cells}}});
  testing::expect_well_formed(svg);
  EXPECT_THAT(svg, HasSubstr("fill-opacity"));
  EXPECT_LT(svg.size(), 20'000u);
}

TEST(CoursePlot, ClassesAreAsLargeAsTheyAreLikely) {
  const CourseCell imputed{hour(5), Kind::never_measured, 1, 0, 2, {0.02, 0.58, 0.4}, {}};
  const std::string svg = course_plot({"t", {}, {}, {{"grade", "", {"none", "<mild>", "severe"}, {}, {measured(0, 2), imputed}}}});
  testing::expect_well_formed(svg);
  EXPECT_EQ(testing::all_of(svg, "(<path d=\"M3[^>]*opacity)").size(), 2u) << "what is hardly likely has no mark";
  EXPECT_THAT(svg, HasSubstr("&lt;mild&gt;"));
  std::vector<std::string> many;
  for (int i = 0; i < 40; ++i) many.push_back("class" + std::to_string(i));
  const std::string some = course_plot({"t", {}, {}, {{"code", "", many, {}, {measured(0, 39), measured(1, 3)}}}});
  EXPECT_EQ(testing::all_of(some, ">(class[0-9]+)<").size(), kPanelClasses);
  EXPECT_THAT(some, AllOf(HasSubstr(">class39<"), HasSubstr(">class3<")));
}

TEST(CoursePlot, HostileNamesAndEmptyCourses) {
  const std::string id = "../../etc/<passwd>\" onload=\"x()\xff";
  const std::string svg = course_plot({id, {id}, {}, {{id, id, {id, id}, {}, {measured(0, 1)}}}});
  testing::expect_well_formed(svg);
  EXPECT_THAT(svg, AllOf(HasSubstr("&lt;passwd&gt;"), Not(HasSubstr("\" onload"))));
  testing::expect_well_formed(course_plot({"t", {}, {}, {}}));
  testing::expect_well_formed(course_plot({"t", {}, {}, {{"a", "", {}, {}, {}}}}));
}

TEST(CoursePlot, TimesCountFromAStartWhereTheyHaveNoDate) {
  const std::string svg = course_plot({"t", {}, hour(-48), {{"a", "", {}, {}, {measured(0, 1), measured(24 * 300, 2)}}}});
  EXPECT_THAT(svg, AllOf(HasSubstr(">100 d<"), HasSubstr(">300 d<"), Not(HasSubstr("2026"))));
}

}  // namespace
}  // namespace lacuna::daemon
