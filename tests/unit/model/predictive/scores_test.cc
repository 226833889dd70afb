#include "model/predictive/scores.h"

#include <gtest/gtest.h>

#include <cmath>

#include "state/records/bytes.h"
#include "state/records/counter_random.h"

namespace lacuna::model {
namespace {

Score score(FeatureId feature, double model, double last, bool seen = true, bool covered = true) {
  Score s;
  s.feature = feature;
  s.seen_before = seen;
  s.error_model = model;
  s.error_last = last;
  s.error_mean = 3;
  s.squared_model = model * model;
  s.crps = model / 2;
  s.width = 4;
  s.covered = covered;
  s.central = !covered;
  s.value = last;
  return s;
}

// A feature measured a thousand times as often must not decide the summary alone: features weigh the same.
TEST(ScoreBoard, FeaturesWeighTheSame) {
  ScoreBoard board(3, 100);
  for (int i = 0; i < 999; ++i) board.add(score(0, 1, 2));
  board.add(score(2, 3, 4, false, false));
  const ScoreBoard::Summary all = board.summary();
  EXPECT_EQ(all.features, 2u);
  EXPECT_EQ(all.count, 1000u);
  EXPECT_DOUBLE_EQ(all.error_model, 2);
  EXPECT_DOUBLE_EQ(all.error_last, 3);
  EXPECT_DOUBLE_EQ(all.error_mean, 3);
  EXPECT_DOUBLE_EQ(all.rmse, 2);
  EXPECT_DOUBLE_EQ(all.crps, 1);
  EXPECT_DOUBLE_EQ(all.coverage, 0.5);
  EXPECT_DOUBLE_EQ(all.width, 4);
  EXPECT_DOUBLE_EQ(all.unseen_error_model, 3);  // over the one feature that has any
  EXPECT_EQ(board.summary(2).features, 1u);
  EXPECT_DOUBLE_EQ(board.summary(2).error_model, 1);
  EXPECT_EQ(ScoreBoard(3, 100).summary().features, 0u);
  EXPECT_EQ(ScoreBoard(3, 100).recent().features, 0u);
}

TEST(ScoreBoard, RecentColumnsForgetAtTheStatedPace) {
  constexpr double kWindow = 200;
  ScoreBoard board(1, kWindow);
  for (int i = 0; i < 5000; ++i) board.add(score(0, 1, 1, true, true));
  for (int i = 0; i < kWindow; ++i) board.add(score(0, 2, 5, true, false));
  const ScoreBoard::Summary recent = board.recent();
  EXPECT_NEAR(recent.error_model, 2 - std::exp(-1.0), 1e-6);
  EXPECT_NEAR(recent.error_last, 5 - 4 * std::exp(-1.0), 1e-6);
  EXPECT_NEAR(recent.coverage, std::exp(-1.0), 1e-6);
  EXPECT_NEAR(board.row(0).recent_weight, kWindow, 1);
}

TEST(ScoreBoard, GoesOnExactlyAfterALoad) {
  ScoreBoard one(4, 50), two(4, 50);
  for (int i = 0; i < 100; ++i) one.add(score(static_cast<FeatureId>(i % 3), i * 0.01, i * 0.02, i % 5 != 0, i % 7 != 0));
  one.add_hidden({.feature = 2, .error_model = 0.7, .width = 3.1, .covered = true});
  const std::string saved = one.save();
  ASSERT_TRUE(two.load(saved).ok());
  EXPECT_EQ(two.row(1).intervals.count, 33u);
  EXPECT_EQ(two.row(2).hidden_covered, 1u);
  one.add(score(1, 0.3, 0.1));
  two.add(score(1, 0.3, 0.1));
  EXPECT_EQ(one.save(), two.save());

  const std::string held = two.save();
  for (std::size_t cut = 0; cut < saved.size(); cut += 11) EXPECT_FALSE(two.load(saved.substr(0, cut)).ok()) << cut;
  EXPECT_FALSE(two.load(saved + "x").ok());
  EXPECT_EQ(ScoreBoard(5, 50).load(saved).code(), Code::unsupported);
  EXPECT_EQ(two.save(), held);
}

// Sums of another version are not added to, and bytes that no version wrote are not taken for one.
TEST(ScoreBoard, TellsAnotherVersionFromDamage) {
  ScoreBoard board(1, 50);
  board.add(score(0, 1, 2));
  const std::string held = board.save();
  for (const std::uint32_t version : {1u, 2u, 3u, 6u}) {
    ByteWriter other;
    other.put(version);
    EXPECT_EQ(board.load(other.take() + held.substr(sizeof version)).code(), Code::unsupported) << version;
  }
  EXPECT_EQ(board.load(std::string(sizeof(std::uint32_t), '\0') + held.substr(sizeof(std::uint32_t))).code(), Code::corrupt);
  for (std::size_t cut = 0; cut < held.size(); ++cut) EXPECT_EQ(board.load(held.substr(0, cut)).code(), Code::corrupt) << cut;
  EXPECT_EQ(board.save(), held);
}

// What the version before wrote, without what is told of limits, is read.
TEST(ScoreBoard, ReadsTheSumsOfBeforeLimitsWereCounted) {
  ScoreBoard board(1, 50), read(1, 50);
  board.add(score(0, 1, 2));
  const std::string held = board.save();
  ByteWriter before;
  before.put<std::uint32_t>(4);
  constexpr std::size_t kOfLimits = 6 * 8;  // at the end of the one row
  ASSERT_TRUE(read.load(before.take() + held.substr(sizeof(std::uint32_t), held.size() - sizeof(std::uint32_t) - kOfLimits)).ok());
  EXPECT_EQ(read.save(), held);
}

// Of a limit it is told whether the interval held; no error is, since none is known.
TEST(ScoreBoard, LimitsCountForCoverageAlone) {
  ScoreBoard board(1, 50);
  for (int i = 0; i < 4; ++i) board.add(score(0, 1, 2));
  Score limit = score(0, 9, 9, true, false);
  limit.censored = true;
  board.add(limit);
  board.add_hidden(limit);
  const ScoreBoard::Row& row = board.row(0);
  EXPECT_EQ(row.count, 4u);
  EXPECT_EQ(row.censored, 1u);
  EXPECT_DOUBLE_EQ(row.coverage(), 0.8);
  EXPECT_LT(row.recent_coverage(), 0.8) << "the newest counts most";
  EXPECT_DOUBLE_EQ(row.hidden_coverage(), 0);
  EXPECT_EQ(row.hidden_count, 0u);
  EXPECT_DOUBLE_EQ(board.summary().error_model, 1);
  EXPECT_DOUBLE_EQ(board.recent().error_model, 1);
  EXPECT_DOUBLE_EQ(board.summary().coverage, 0.8);
  EXPECT_EQ(row.intervals.count, 5u);
  EXPECT_FALSE(row.constant());
}

// A cell that was hidden on purpose is not one that arrived: it must not move what is said of those.
TEST(ScoreBoard, HiddenCellsAreCountedApart) {
  ScoreBoard board(1, 50);
  board.add(score(0, 1, 2));
  board.add_hidden({.feature = 0, .error_model = 9, .width = 9, .covered = false});
  EXPECT_EQ(board.row(0).count, 1u);
  EXPECT_DOUBLE_EQ(board.summary().error_model, 1);
  EXPECT_EQ(board.row(0).hidden_count, 1u);
  EXPECT_DOUBLE_EQ(board.row(0).hidden_error_model, 9);
}

// Limits are feedback for the intervals by what is known of them. A model that is right stays as it is; of one that is too sure the upper
// end, which the values tell, comes to hold, though a fifth of them lies below the limit.
TEST(ScoreArrival, LimitsDoNotMoveTheIntervals) {
  std::vector<Schema::ModalitySpec> specs(1);
  specs[0].modality.name = "laboratory";
  specs[0].features.resize(1);
  specs[0].features[0].name = "assay";
  const Schema schema = Schema::make(specs, {}).value();
  const double limit = normal_quantile(0.2);
  for (const float sd : {1.0F, 0.6F}) {
    Calibrator calibrator(schema, 0.9);
    Predictive p;
    p.weights = {1}, p.location = {0}, p.scale = {sd};
    CounterRandom random(7);
    constexpr int kValues = 20'000;
    int central = 0, above = 0, counted = 0;
    for (int i = 0; i < kValues; ++i) {
      const double value = normal_quantile(std::max(random.unit(), 1e-12)), u = random.unit();
      const Interval interval = calibrator.interval(0, Recency::fresh, p);
      const Arrival arrival = value < limit ? Arrival{0, limit, {}, u, Comparator::less} : Arrival{0, value, {}, u};
      const Score s = score_arrival(calibrator, {Likelihood::normal, 0, 1}, Recency::fresh, p, arrival);
      EXPECT_EQ(s.censored, value < limit);
      central += s.central ? 1 : 0;
      if (i < kValues / 4) continue;
      counted += 1;
      above += value > interval.high ? 1 : 0;
    }
    EXPECT_NEAR(static_cast<double>(above) / counted, 0.05, 0.008) << sd;
    if (sd == 1) {
      EXPECT_NEAR(static_cast<double>(central) / kValues, 0.9, 0.007);
      EXPECT_NEAR(calibrator.radius(0, Recency::fresh), 1.645, 0.25);
    }
  }
}

// The one rule by which predictions are judged, by hand.
TEST(ScoreArrival, IsInStandardDeviationsOfTheScale) {
  std::vector<Schema::ModalitySpec> specs(1);
  specs[0].modality.name = "laboratory";
  specs[0].features.push_back({"crp", "mg/L", Likelihood::log_normal, 0, 1e6, {}, {}, 0});
  const Schema schema = *Schema::make(std::move(specs), {});
  Calibrator calibrator(schema, 0.9);
  const StandardScale scale{Likelihood::log_normal, 2, 0.5};
  const Predictive predictive{Likelihood::log_normal, {1.0F}, {3.0F}, {1.0F}, {}};
  const double width = 2 * normal_quantile(0.95);
  const Score first = score_arrival(calibrator, scale, Recency::never_measured, predictive, {0, std::expm1(4.0), {}, 0.5});
  EXPECT_EQ(first.feature, 0U);
  EXPECT_FALSE(first.seen_before);
  EXPECT_NEAR(first.error_model, 2, 1e-3);
  EXPECT_NEAR(first.error_mean, 4, 1e-9);
  EXPECT_NEAR(first.error_last, first.error_mean, 1e-12);  // nothing was known: the mean is what there is
  EXPECT_NEAR(first.squared_model, 4, 1e-6);               // about the mean on the scale: exp(3 + 1/2) - 1 would give 1
  EXPECT_NEAR(first.z, 1, 1e-3);
  EXPECT_TRUE(first.central);
  EXPECT_TRUE(first.covered);
  EXPECT_NEAR(first.width, width / 0.5, 1e-2);
  EXPECT_NEAR(first.crps, predictive.crps(std::expm1(4.0)) / 0.5, 1e-9);
  EXPECT_NEAR(first.value, 4, 1e-12);
  EXPECT_EQ(calibrator.updates(0, Recency::never_measured), 1U);

  const Score second = score_arrival(calibrator, scale, Recency::fresh, predictive, {0, std::expm1(6.0), std::expm1(5.0), 0.5});
  EXPECT_TRUE(second.seen_before);
  EXPECT_NEAR(second.error_last, 2, 1e-9);
  EXPECT_FALSE(second.central);
  EXPECT_FALSE(second.covered);
}

Schema one_number() {
  std::vector<Schema::ModalitySpec> specs(1);
  specs[0].modality.name = "support";
  specs[0].features.push_back({"mech_vent", "", Likelihood::normal, -1e300, 1e300, {}, {}, 0});
  return *Schema::make(std::move(specs), {});
}

// One typing error among thousands of values must not be what a mean error says.
TEST(ScoreArrival, ErrorsAreBoundedAndTheCrpsIsNot) {
  Calibrator calibrator(one_number(), 0.9);
  const Predictive predictive{Likelihood::normal, {1.0F}, {0.0F}, {1.0F}, {}};
  const Score s = score_arrival(calibrator, {Likelihood::normal, 0, 1}, Recency::fresh, predictive, {0, 9'999'999, -1e300, 0.5});
  for (const double error : {s.error_model, s.error_mean, s.error_last}) EXPECT_EQ(error, kErrorMax);
  EXPECT_EQ(s.squared_model, kErrorMax * kErrorMax);
  EXPECT_GT(s.crps, 9e6);
  EXPECT_FALSE(s.constant);
}

// A feature that never varied has no standard deviation: an error in units of it would be any number at all.
TEST(ScoreArrival, AConstantFeatureIsLeftOutOfMeans) {
  Calibrator calibrator(one_number(), 0.9);
  ScoreBoard board(2, 100);
  const Predictive predictive{Likelihood::normal, {1.0F}, {0.86F}, {0.1F}, {}};
  for (int i = 0; i < 50; ++i)
    board.add(score_arrival(calibrator, {Likelihood::normal, 1, 1e-6}, Recency::fresh, predictive, {0, 1, 1, 0.5}));
  board.add_hidden(score_arrival(calibrator, {Likelihood::normal, 1000, 1e-3}, Recency::never_measured, predictive, {0, 1, 1, 0.5}));
  board.add(score(1, 0.5, 2));
  EXPECT_TRUE(board.row(0).constant());
  EXPECT_FALSE(board.row(1).constant());
  EXPECT_EQ(board.row(0).intervals.count, 50U);
  EXPECT_EQ(board.row(0).hidden_count, 0U);
  EXPECT_EQ(board.summary().features, 1U);
  EXPECT_EQ(board.recent().features, 1U);
  EXPECT_DOUBLE_EQ(board.summary().error_model, 0.5);
  // Once it varies it is a feature like others.
  for (int i = 0; i < 60; ++i) board.add(score(0, 1, 2));
  EXPECT_EQ(board.summary().features, 2U);
}

}  // namespace
}  // namespace lacuna::model
