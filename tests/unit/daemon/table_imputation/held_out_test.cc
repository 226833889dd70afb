// Protects what a table's imputations are judged by: cells that are held out are few, are not asked of whom nothing is known, and the same
// at each run; scores and intervals follow from answers as they should.
#include "daemon/table_imputation/held_out.h"

#include <gmock/gmock.h>

#include "state/records/counter_random.h"
#include "tests/unit/daemon/table_imputation/made_up_ward.h"

namespace lacuna::daemon {
namespace {

class HeldOut : public ::testing::Test {
 protected:
  HeldOut() : table_(testing::table_of(config_, {files_.write("t.csv", testing::to_csv(testing::made_up_visits(400, 0.1)))})) {}
  testing::TableFiles files_;
  const Config config_ = testing::make_config(testing::kVisits);
  const PatientTable table_;
};

TEST_F(HeldOut, IsAboutTheShareAndTheSameAtEachRun) {
  const HeldOutCells cells = draw_held_out(*config_.schema, table_, 0.1, 1);
  const double all = static_cast<double>(table_.report.values);
  EXPECT_NEAR(static_cast<double>(count(cells)) / all, 0.1, 0.02);
  EXPECT_EQ(cells, draw_held_out(*config_.schema, table_, 0.1, 1));
  EXPECT_NE(cells, draw_held_out(*config_.schema, table_, 0.1, 2));
  for (const auto& of_patient : cells) EXPECT_TRUE(std::ranges::is_sorted(of_patient));
}

TEST_F(HeldOut, HalfOfItIsWholeModalities) {
  const FeatureId y = testing::feature(config_, "second", "y"), z = testing::feature(config_, "second", "z");
  std::size_t of_y = 0, with_z = 0;
  const HeldOutCells cells = draw_held_out(*config_.schema, table_, 0.1, 1);
  for (const auto& of_patient : cells) {
    for (const CellPlace& c : of_patient) {
      if (c.feature != y) continue;
      ++of_y;
      with_z += std::ranges::binary_search(of_patient, CellPlace{c.moment, z}) ? 1 : 0;
    }
  }
  ASSERT_GT(of_y, 50u);
  EXPECT_NEAR(static_cast<double>(with_z) / static_cast<double>(of_y), 0.48, 0.15);
}

TEST_F(HeldOut, ScalesAreOfWhatIsLearnedFrom) {
  const HeldOutCells none(table_.patients.size());
  const auto scales = scales_of(*config_.schema, table_, none);
  EXPECT_NEAR(scales[testing::feature(config_, "first", "x")].sd, 3, 0.2);
  EXPECT_NEAR(scales[testing::feature(config_, "second", "y")].sd, 6.1, 0.4) << "in the schema's unit";
  HeldOutCells all(table_.patients.size());
  for (std::size_t p = 0; p < all.size(); ++p) {
    for (std::size_t m = 0; m < 3; ++m) all[p].push_back({m, testing::feature(config_, "first", "x")});
  }
  EXPECT_EQ(scales_of(*config_.schema, table_, all)[testing::feature(config_, "first", "x")].sd, 0);
}

/// N(0, 1) was said of values of N(0, sd).
std::vector<HeldOutAnswer> answers(FeatureId feature, double sd, std::size_t count) {
  CounterRandom random(5);
  std::vector<HeldOutAnswer> out;
  for (std::size_t i = 0; i < count; ++i) {
    HeldOutAnswer a;
    a.feature = feature;
    a.predictive = {Likelihood::normal, {1}, {0}, {1}, {}};
    a.value = sd * random.normal();
    a.u = 0.5;
    out.push_back(std::move(a));
  }
  return out;
}

TEST_F(HeldOut, IntervalsHoldWhateverTheModelSays) {
  const FeatureId x = testing::feature(config_, "first", "x");
  std::vector<StandardScale> scales(config_.schema->feature_count());
  for (const double sd : {0.5, 1.0, 3.0}) {
    const std::vector<FeatureScore> scores = score_features(*config_.schema, scales, answers(x, sd, 2000), 0.9);
    ASSERT_EQ(scores.size(), 1u);
    EXPECT_NEAR(scores[0].covered, 0.9, 0.03) << sd;
    EXPECT_NEAR(scores[0].error, 0.8 * sd, 0.05 * sd);
    EXPECT_EQ(scores[0].error_last, scores[0].error_mean) << "nothing was known before";
    const model::Interval interval = calibrate(*config_.schema, answers(x, sd, 2000), 0.9)
                                         .interval(x, model::Recency::never_measured, {Likelihood::normal, {1}, {0}, {1}, {}});
    EXPECT_NEAR(interval.high - interval.low, 2 * 1.645 * sd, 0.3 * sd);
  }
}

TEST_F(HeldOut, ACurveTellsTheModelsOwnIntervalsFromThoseThatAreCalibrated) {
  const FeatureId x = testing::feature(config_, "first", "x");
  for (const model::CalibrationCurve& curve : {calibration_curve(*config_.schema, answers(x, 2, 2000)),
                                               calibration_curve(*config_.schema, answers(x, 2, 1000), answers(x, 2, 2000))}) {
    EXPECT_EQ(curve.count, 2000u);
    for (const auto& p : curve.points) {
      EXPECT_NEAR(static_cast<double>(p.inside) / 2000, p.level, 0.04);
      const double own = 2 * model::normal_cdf(model::normal_quantile((1 + p.level) / 2) / 2) - 1;  // half as wide as they should be
      EXPECT_NEAR(static_cast<double>(p.inside_own) / 2000, own, 0.03);
    }
  }
  EXPECT_EQ(calibration_curve(*config_.schema, {}).count, 0u);
  auto classes = answers(testing::feature(config_, "first", "group"), 1, 5);
  for (HeldOutAnswer& a : classes) a = {0, a.feature, a.recency, {Likelihood::categorical, {}, {}, {}, {0.5F, 0.5F}}, 0, {}, 0.5};
  EXPECT_EQ(calibration_curve(*config_.schema, classes).count, 0u) << "a class is in or out as a whole";
}

TEST_F(HeldOut, TheScoreIsBetterForWhoSaysItBetter) {
  const FeatureId x = testing::feature(config_, "first", "x");
  const std::vector<StandardScale> scales(config_.schema->feature_count());
  EXPECT_LT(mean_score(scales, answers(x, 1, 500)), mean_score(scales, answers(x, 2, 500)));
}

}  // namespace
}  // namespace lacuna::daemon
