#include "daemon/plots/missingness_plot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/missingness_rows.h"
#include "tests/unit/daemon/plots/well_formed.h"

namespace lacuna::daemon {
namespace {

using ::testing::HasSubstr;

TEST(MissingnessPlot, IsWellFormedWhateverSitesAreCalled) {
  const std::string svg = missingness_plot(lacuna::testing::missingness_rows());
  testing::expect_well_formed(svg);
  EXPECT_THAT(svg, HasSubstr("&lt;b&gt;&amp;"));
  EXPECT_THAT(svg, HasSubstr("no patient-hours"));
  EXPECT_EQ(testing::all_of(svg, "<rect[^>]*>(<title>)").size(), 2 * 3 * 12u) << "two modalities, two sites and all, twelve weeks";
  testing::expect_well_formed(missingness_plot({}));
}

}  // namespace
}  // namespace lacuna::daemon
