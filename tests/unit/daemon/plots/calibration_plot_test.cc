// Goal: shares lie where they belong, and a curve of nothing says so. Method: counts whose places are known.

#include "daemon/plots/calibration_plot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/daemon/plots/well_formed.h"

namespace lacuna::daemon {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(CalibrationPlot, SharesLieWhereTheyBelong) {
  model::CalibrationCurve curve;
  curve.count = 1000;
  for (auto& p : curve.points) {
    p.inside = static_cast<std::uint64_t>(1000 * p.level + 0.5);
    p.inside_own = 500;
  }
  const std::string svg = calibration_plot(curve, "t", {"n"});
  testing::expect_well_formed(svg);
  // The square is 430 pixels wide, from (84, 96) on: with intervals that hold exactly x and y say the same.
  EXPECT_THAT(svg, HasSubstr("<circle cx=\"299\" cy=\"311\"")) << "50 %";
  EXPECT_THAT(svg, HasSubstr("<circle cx=\"471\" cy=\"139\"")) << "90 %";
  EXPECT_THAT(svg, HasSubstr("the model's own: 50.0 % of 1000 values inside intervals of 95 %"));
}

TEST(CalibrationPlot, OfNothingItSaysSo) {
  const std::string svg = calibration_plot({}, "t", {});
  testing::expect_well_formed(svg);
  EXPECT_THAT(svg, HasSubstr("no value to draw it from"));
  EXPECT_THAT(svg, Not(HasSubstr("polyline")));
}

}  // namespace
}  // namespace lacuna::daemon
