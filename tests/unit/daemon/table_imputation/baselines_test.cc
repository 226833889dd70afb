// Protects that the methods beside ours are what they say, and not straw men: chained equations find a linear relation, across visits too,
// and each error is of what it is called.
#include "daemon/table_imputation/baselines.h"

#include <gmock/gmock.h>

#include "tests/unit/daemon/table_imputation/made_up_ward.h"

namespace lacuna::daemon {
namespace {

class Baselines : public ::testing::Test {
 protected:
  Baselines() : table_(testing::table_of(config_, {files_.write("t.csv", testing::to_csv(testing::made_up_visits(500, 0.1)))})) {}
  /// Mean absolute error of the chained equations for one feature that is hidden at `moment` of each patient in whom it was measured.
  double error(FeatureId feature, std::size_t moment) {
    HeldOutCells cells(table_.patients.size());
    std::vector<double> truth;
    for (std::size_t p = 0; p < cells.size(); ++p) {
      if (p % 3 != 0) continue;
      follow_course(*config_.schema, table_.patients[p], {}, false, [&](const CourseMoment& m) {
        if (m.number != moment) return;
        const auto at = std::ranges::find(m.measured, feature, &FeatureValue::feature);
        if (at == m.measured.end()) return;
        cells[p].push_back({moment, feature});
        truth.push_back(at->value);
      });
    }
    const auto scales = scales_of(*config_.schema, table_, cells);
    const auto said = chained_equations(*config_.schema, table_, cells, scales);
    EXPECT_EQ(said.size(), truth.size());
    double sum = 0;
    for (std::size_t i = 0; i < said.size(); ++i) sum += std::abs(said[i] - truth[i]);
    return sum / static_cast<double>(said.size());
  }
  testing::TableFiles files_;
  const Config config_ = testing::make_config(testing::kVisits);
  const PatientTable table_;
};

TEST_F(Baselines, ChainedEquationsFindWhatIsLinear) {
  EXPECT_LT(error(testing::feature(config_, "second", "y"), 0), 1.3) << "2 x, with a noise of 0.8; the mean's is 4.8";
  EXPECT_LT(error(testing::feature(config_, "second", "z"), 2), 1.2) << "the visit before, 0.6 at best; the mean's is 3.2";
}

HeldOutAnswer answer(FeatureId feature, std::size_t number, double said, double value, std::optional<double> last) {
  HeldOutAnswer a;
  a.number = number;
  a.feature = feature;
  a.predictive = {Likelihood::normal, {1}, {static_cast<float>(said)}, {1}, {}};
  a.value = value;
  a.last = last;
  return a;
}

TEST_F(Baselines, EachErrorIsOfWhatItIsCalled) {
  const FeatureId x = testing::feature(config_, "first", "x"), group = testing::feature(config_, "first", "group");
  std::vector<StandardScale> scales(config_.schema->feature_count());
  scales[x] = {Likelihood::normal, 10, 2};
  scales[group] = {Likelihood::categorical, 0.5, 0.5};
  std::vector<HeldOutAnswer> answers{answer(x, 1, 12, 14, 13), answer(x, 0, 14, 14, std::nullopt), answer(group, 2, 0, 1, 0)};
  answers[2].predictive = {Likelihood::categorical, {}, {}, {}, {0.4F, 0.6F}};
  const auto compared = compare(*config_.schema, table_, scales, answers, {15, 13, 0.2}, model::Calibrator(*config_.schema, 0.9));
  ASSERT_EQ(compared.size(), 2u);
  const ComparedFeature &numbers = compared[0], &classes = compared[1];
  EXPECT_DOUBLE_EQ(numbers.ours.mae, 0.5);
  EXPECT_NEAR(numbers.ours.rmse, std::sqrt(0.5), 1e-6);
  EXPECT_DOUBLE_EQ(numbers.mean.mae, 2);
  EXPECT_DOUBLE_EQ(numbers.last.mae, (0.5 + 2) / 2) << "the mean where nothing was before";
  EXPECT_DOUBLE_EQ(numbers.chained.mae, 0.5) << "by the cell's number";
  EXPECT_DOUBLE_EQ(numbers.covered, 0.5);
  EXPECT_DOUBLE_EQ(classes.ours.mae, 0);
  EXPECT_DOUBLE_EQ(classes.last.mae, 1);
  EXPECT_DOUBLE_EQ(classes.chained.mae, 1);
  setenv("COLUMNS", "200", 1);  // what fits: text_table_test
  const std::string text = format_comparison(*config_.schema, compared, 0.9);
  EXPECT_THAT(text, ::testing::HasSubstr("all numbers, equally"));
  EXPECT_THAT(text, ::testing::HasSubstr("0.500/0.707"));
}

}  // namespace
}  // namespace lacuna::daemon
