// Goal: whatever a text holds, the picture stays XML and the text is text. Method: hostile texts, and a parser that is not ours.

#include "daemon/plots/svg.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/daemon/plots/well_formed.h"

namespace lacuna::daemon {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Svg, HostileTextsStayTexts) {
  const std::string hostile = "</text><script>alert(1)</script>\"'& ]]> \x01\x1b\n\xff\xc3\x28 \xED\xA0\x80 \xEF\xBF\xBE ü";
  Svg svg(100, 100, hostile, hostile);
  svg.text(10, 10, hostile);
  svg.mark(Mark::dot, 5, 5, 3, colours::kBlue, hostile);
  svg.rect(0, 0, 10, 10, colours::kGrid, hostile);
  const std::string out = std::move(svg).finish();
  testing::expect_well_formed(out);
  EXPECT_THAT(out, Not(HasSubstr("<script")));
  EXPECT_THAT(out, Not(HasSubstr("\x1b")));
  EXPECT_THAT(out, HasSubstr("ü"));
}

TEST(Svg, EveryMarkIsWellFormedAndWhereItBelongs) {
  Svg svg(100.5, 100, "t", "d");
  for (const Mark mark : {Mark::dot, Mark::ring, Mark::diamond, Mark::square, Mark::cross, Mark::triangle_up, Mark::triangle_down})
    svg.mark(mark, 30, 40.126, 3, colours::kInk, "tip", 0.5);
  svg.polygon({{1, 2}, {3, 4}}, colours::kInk, 0.2);
  svg.polyline({{1, 2}, {3, 4}}, colours::kInk, 1.5, "2 3");
  svg.line(0, 0, 1e300 * 1e300, 1, colours::kInk);
  svg.text(1, 2, "x", {.anchor = "end", .bold = true, .turned = -90});
  const std::string out = std::move(svg).finish();
  testing::expect_well_formed(out);
  EXPECT_THAT(out, HasSubstr("<circle cx=\"30\" cy=\"40.13\" r=\"3\""));
  EXPECT_THAT(out, Not(HasSubstr("inf"))) << "no coordinate is none";
}

TEST(Svg, WhatIsTooLongEndsWithAnEllipsis) {
  EXPECT_EQ(fitted("short", 100, 11), "short");
  const std::string out = fitted(std::string(40, 'a') + "ü", 100, 11);
  EXPECT_TRUE(out.ends_with("…"));
  EXPECT_LE(text_width(out, 11), 100);
  EXPECT_EQ(fitted("üüü", 5, 11), "…") << "never half a letter";
}

TEST(Svg, ALegendGoesOnInAnotherRow) {
  Svg svg(200, 100, "t", "d");
  EXPECT_EQ(legend(svg, 0, 20, 200, {{Mark::dot, colours::kInk, "one"}}), 20);
  EXPECT_GT(legend(svg, 0, 20, 200, {{Mark::dot, colours::kInk, std::string(20, 'a')}, {Mark::ring, colours::kInk, std::string(20, 'b')}}),
            20);
}

}  // namespace
}  // namespace lacuna::daemon
