// Goal: errors lie where they belong, best first; what was not compared is not drawn. Method: errors whose places are known.

#include "daemon/plots/error_plot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/daemon/plots/well_formed.h"

namespace lacuna::daemon {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(ErrorPlot, ErrorsLieWhereTheyBelongBestFirst) {
  const ErrorPlot plot{"t", {}, 0.9, {{"numbers", {{"a.<worse>", 10, 0.5, 1.0, {}, {}, 0.9}, {"a.better", 20, 0.25, 0.5, {}, {}, {}}}}}};
  const std::string svg = error_plot(plot);
  testing::expect_well_formed(svg);
  // From 0 at x = 230 to 1.04 at x = 690.
  EXPECT_THAT(testing::all_of(svg, "<circle cx=\"([0-9.]+)\"[^>]*><title>[^<]*Lacuna"), ElementsAre("340.58", "451.15"));
  EXPECT_THAT(testing::all_of(svg, "<circle cx=\"([0-9.]+)\"[^>]*><title>[^<]*mean"), ElementsAre("451.15", "672.31"));
  EXPECT_THAT(svg, HasSubstr("a.&lt;worse&gt;"));
  EXPECT_THAT(svg, HasSubstr("90.0 %"));
  EXPECT_THAT(svg, Not(HasSubstr("chained"))) << "not compared with";
}

TEST(ErrorPlot, HasABound) {
  ErrorPlot plot{"t", {"n"}, 0.9, {{"numbers", {}}}};
  for (std::size_t i = 0; i < 2 * kErrorRows; ++i)
    plot.sections[0].rows.push_back({"f" + std::to_string(i), i, 1.0 / static_cast<double>(i + 1)});
  const std::string svg = error_plot(plot);
  testing::expect_well_formed(svg);
  EXPECT_EQ(testing::all_of(svg, "<title>(f[0-9]+), Lacuna").size(), kErrorRows);
  EXPECT_THAT(svg, HasSubstr("120 of 240 features"));
  testing::expect_well_formed(error_plot({"t", {}, 0.9, {}}));
}

}  // namespace
}  // namespace lacuna::daemon
