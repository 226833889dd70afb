#include "daemon/plots/missingness_plot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/daemon/plots/well_formed.h"

namespace lacuna::daemon {
namespace {

using ::testing::HasSubstr;

std::vector<drift::MissingnessMatrix::Row> some_rows() {
  const Time week = *parse_rfc3339("2026-01-05T00:00:00Z");
  std::vector<drift::MissingnessMatrix::Row> rows;
  for (int w = 0; w < 12; ++w) {
    const Time at = week + w * std::chrono::days(7);
    rows.push_back({"icu-1", "vitals", at, 100, 0.9});
    rows.push_back({"icu-1", "blood_gas", at, 100, w < 6 ? 0.2 : 0.004});
    if (w == 3) continue;  // nobody was there
    rows.push_back({"<b>&", "vitals", at, 300, 0.5});
    rows.push_back({"<b>&", "blood_gas", at, 300, 0.2});
  }
  return rows;
}

TEST(MissingnessPlot, IsWellFormedWhateverSitesAreCalled) {
  const std::string svg = missingness_plot(some_rows());
  testing::expect_well_formed(svg);
  EXPECT_THAT(svg, HasSubstr("&lt;b&gt;&amp;"));
  EXPECT_THAT(svg, HasSubstr("no patient-hours"));
  EXPECT_EQ(testing::all_of(svg, "<rect[^>]*>(<title>)").size(), 2 * 3 * 12u) << "two modalities, two sites and all, twelve weeks";
  testing::expect_well_formed(missingness_plot({}));
}

}  // namespace
}  // namespace lacuna::daemon
