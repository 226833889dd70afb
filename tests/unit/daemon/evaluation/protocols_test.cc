#include "daemon/evaluation/protocols.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "state/records/time.h"

namespace lacuna::daemon {
namespace {

Schema two_panels() {
  std::vector<Schema::ModalitySpec> specs(2);
  specs[0].modality.name = "vitals";
  specs[0].features.push_back({"hr", "/min", Likelihood::normal, 0, 400, {}, {}, 0});
  specs[1].modality.name = "laboratory";
  specs[1].features.push_back({"crp", "mg/L", Likelihood::log_normal, 0, 1000, {}, {}, 0});
  return *Schema::make(std::move(specs), {});
}

constexpr FeatureId kHr = 0, kCrp = 1;

/// Predicts hr as normal(80, 10) and log(1 + crp) as normal(2, 0.5), whatever it is asked, and remembers the questions.
class ConstantVersion final : public model::ModelVersion {
 public:
  const std::string& id() const override { return id_; }
  std::int64_t steps() const override { return 1; }
  std::int64_t parameter_count() const override { return 0; }
  double loss() const override { return 0; }
  Result<std::vector<model::Prediction>> predict(std::span<const model::Query> queries) const override {
    std::vector<model::Prediction> out;
    for (const model::Query& q : queries) {
      asked.push_back({q.time, q.wanted, q.hidden, q.snapshot->features[kHr].count, q.snapshot->features[kHr].last});
      model::Prediction& p = out.emplace_back();
      p.features = q.wanted;
      for (const FeatureId f : q.wanted) {
        const bool hr = f == kHr;
        p.predictive.push_back({hr ? Likelihood::normal : Likelihood::log_normal, {1.0F}, {hr ? 80.0F : 2.0F}, {hr ? 10.0F : 0.5F}, {}});
      }
    }
    return out;
  }
  Result<std::vector<model::Samples>> sample(std::span<const model::SampleQuery>) const override { return Status(Code::unsupported, "no"); }
  Result<std::vector<std::vector<float>>> codes(std::span<const model::Query>) const override { return Status(Code::unsupported, "no"); }
  model::LearnedFrom learned_from(FeatureId) const override { return {1000, 100}; }
  model::LearnedFrom learned_from_payload(ModalityId) const override { return {1000, 100}; }
  std::pair<double, double> moments(FeatureId feature) const override {
    return feature == kHr ? std::pair(80.0, 10.0) : std::pair(2.0, 0.5);
  }

  struct Asked {
    Time time;
    std::vector<FeatureId> wanted;
    std::vector<ModalityId> hidden;
    std::uint64_t hr_known;
    double hr_last;
  };
  mutable std::vector<Asked> asked;

 private:
  std::string id_ = "000001-aaaaaaaa";
};

Event event(int minute, ModalityId modality, FeatureId feature, double value) {
  Event e;
  e.patient_id = "p";
  e.event_id = std::to_string(minute) + "-" + std::to_string(modality);
  e.modality = modality;
  e.time = Time{} + std::chrono::minutes(minute);
  e.values = {{feature, value}};
  return e;
}

const FeatureResult& of(const ProtocolResult& result, FeatureId feature) {
  for (const FeatureResult& r : result.features) {
    if (r.feature == feature) return r;
  }
  throw std::runtime_error("no such feature");
}

class Protocols : public ::testing::Test {
 protected:
  const Schema schema_ = two_panels();
  ConstantVersion version_;
  model::Calibrator calibrator_{schema_, 0.9};
};

// Each value after the first moment is predicted from what arrived strictly earlier, and scored by hand here.
TEST_F(Protocols, NextScoresEachValueFromWhatWasKnownBefore) {
  const std::vector<Stay> stays{{event(0, 0, kHr, 70), event(30, 0, kHr, 95), event(60, 1, kCrp, std::expm1(3.0)), event(90, 0, kHr, 80)}};
  const auto results = evaluate_next(schema_, version_, calibrator_, {}, stays, 1, nullptr);
  ASSERT_TRUE(results.ok()) << results.status().to_string();
  ASSERT_EQ(results->size(), 2U);
  const ProtocolResult& next = results->front();
  EXPECT_EQ(next.stays, 1U);
  EXPECT_EQ(of(next, kHr).count, 2U);  // not the first: nothing was known
  EXPECT_NEAR(of(next, kHr).mae, (1.5 + 0) / 2, 1e-6);
  EXPECT_NEAR(of(next, kHr).rmse, std::sqrt((1.5 * 1.5 + 0) / 2), 1e-6);
  EXPECT_NEAR(of(next, kHr).mae_last, (2.5 + 1.5) / 2, 1e-9);
  EXPECT_NEAR(of(next, kHr).mae_mean, (1.5 + 0) / 2, 1e-9);
  // On its scale: the mean of the logarithm, and not the logarithm of the mean.
  EXPECT_NEAR(of(next, kCrp).mae, 2, 1e-4);
  EXPECT_NEAR(of(next, kCrp).rmse, 2, 1e-4);
  ASSERT_EQ(version_.asked.size(), 3U);
  EXPECT_EQ(version_.asked[0].hr_known, 1U);
  EXPECT_EQ(version_.asked[0].hr_last, 70);
  EXPECT_EQ(version_.asked[2].hr_last, 95);
  // Of values never measured before in the stay there is the one of crp.
  EXPECT_EQ(results->back().features.size(), 1U);
  EXPECT_EQ(of(results->back(), kCrp).count, 1U);
}

TEST_F(Protocols, ErrorsAreInStandardDeviationsOfTheTrainingData) {
  const std::vector<Stay> train{{event(0, 0, kHr, 60), event(1, 0, kHr, 100)}};
  const Moments moments = training_moments(schema_, train);
  EXPECT_DOUBLE_EQ(moments.mean[kHr], 80);
  EXPECT_DOUBLE_EQ(moments.sd[kHr], 20);
  const std::vector<Stay> stays{{event(0, 0, kHr, 80), event(30, 0, kHr, 100)}};
  const auto results = evaluate_next(schema_, version_, calibrator_, moments, stays, 1, nullptr);
  ASSERT_TRUE(results.ok());
  EXPECT_NEAR(of(results->front(), kHr).mae, 1, 1e-6);
}

TEST_F(Protocols, CrossHidesEachModalityInTurnAndAsksForItsLastValues) {
  const std::vector<Stay> stays{{event(0, 0, kHr, 70), event(30, 0, kHr, 90), event(60, 1, kCrp, std::expm1(2.0))}, {}};
  const auto result = evaluate_cross(schema_, version_, calibrator_, {}, stays, nullptr);
  ASSERT_TRUE(result.ok()) << result.status().to_string();
  ASSERT_EQ(version_.asked.size(), 2U);
  EXPECT_EQ(version_.asked[0].hidden, std::vector<ModalityId>{0});
  EXPECT_EQ(version_.asked[0].wanted, std::vector<FeatureId>{kHr});
  EXPECT_EQ(version_.asked[1].hidden, std::vector<ModalityId>{1});
  EXPECT_EQ(of(*result, kHr).count, 1U);
  EXPECT_NEAR(of(*result, kHr).mae, 1, 1e-6);
  // Hidden: the last value is no predictor either.
  EXPECT_NEAR(of(*result, kHr).mae_last, of(*result, kHr).mae_mean, 1e-12);
}

TEST_F(Protocols, OneMomentInSoManyIsScored) {
  Stay stay;
  for (int m = 0; m <= 100; ++m) stay.push_back(event(m, 0, kHr, 80));
  const auto all = evaluate_next(schema_, version_, calibrator_, {}, {stay}, 1, nullptr);
  const auto some = evaluate_next(schema_, version_, calibrator_, {}, {stay}, 10, nullptr);
  ASSERT_TRUE(all.ok() && some.ok());
  EXPECT_EQ(of(all->front(), kHr).count, 100U);
  EXPECT_EQ(of(some->front(), kHr).count, 10U);
}

// A version that is right about its spread holds its level, and the figures of table and JSON are the result's.
TEST_F(Protocols, TablesAndJsonSayWhatWasMeasured) {
  Stay stay;
  for (int m = 0; m <= 600; ++m) stay.push_back(event(m, 0, kHr, 80 + 10 * model::normal_quantile((m * 37 % 601 + 0.5) / 601)));
  const auto results = evaluate_next(schema_, version_, calibrator_, {}, {stay}, 1, nullptr);
  ASSERT_TRUE(results.ok());
  const FeatureResult& hr = of(results->front(), kHr);
  EXPECT_NEAR(hr.coverage, 0.9, 0.02);
  EXPECT_NEAR(hr.mae, std::sqrt(2 / 3.14159265), 0.02);
  const auto json = results_json(schema_, *results);
  EXPECT_EQ(json[0]["protocol"], "next");
  EXPECT_EQ(json[0]["features"]["vitals.hr"]["values"], 600);
  EXPECT_DOUBLE_EQ(json[0]["features"]["vitals.hr"]["mae"], hr.mae);
  EXPECT_NE(format_table(schema_, results->front()).find("vitals"), std::string::npos);
  EXPECT_EQ(coverage_rows(results->front()).size(), 1U);
}

// A curve has every number of its protocol, and a version that is right about its spread lies on the diagonal.
TEST_F(Protocols, ACurveIsDrawnFromEachNumber) {
  Stay stay;
  for (int m = 0; m <= 600; ++m) stay.push_back(event(m, 0, kHr, 80 + 10 * model::normal_quantile((m * 37 % 601 + 0.5) / 601)));
  stay.back().values.front().comparator = Comparator::less;
  const auto results = evaluate_next(schema_, version_, calibrator_, {}, {stay}, 1, nullptr, true);
  ASSERT_TRUE(results.ok());
  const model::CalibrationCurve& curve = results->front().curve;
  EXPECT_EQ(curve.count, 599u) << "not the first, and no limit";
  for (const auto& p : curve.points) {
    EXPECT_NEAR(static_cast<double>(p.inside_own) / 599, p.level, 0.01);
    EXPECT_NEAR(static_cast<double>(p.inside) / 599, p.level, 0.05);
  }
  EXPECT_EQ(results->back().curve.count, 0u) << "never seen before: none";
  EXPECT_EQ(of(results->front(), kHr).censored, 1u);
  EXPECT_NE(format_table(schema_, results->front()).find("Not among these: 1 value told as a limit"), std::string::npos);
  EXPECT_EQ(results_json(schema_, *results)[0]["features"]["vitals.hr"]["censored"], 1);
}

// A figure of no value is no figure: one of 0.000 would look like a perfect model.
TEST_F(Protocols, WhatWasNotScoredHasNoFigures) {
  const auto results = evaluate_next(schema_, version_, calibrator_, {}, {{event(0, 0, kHr, 80)}}, 1, nullptr);
  ASSERT_TRUE(results.ok());
  const std::string table = format_table(schema_, results->front());
  EXPECT_EQ(table.find("0.000"), std::string::npos) << table;
  EXPECT_NE(table.find(" -  "), std::string::npos) << table;
  const auto json = results_json(schema_, *results);
  EXPECT_EQ(json[0]["all"], nlohmann::json({{"values", 0}}));
}

// A stay counts in the groups of what it is at its end, whenever that was told; the same values make the groups and the features.
TEST(ProtocolGroups, AStayIsWhatItTurnsOutToBe) {
  Attribute died;
  died.name = "died";
  died.categories = {"no", "yes"};
  died.subgroup = died.outcome = true;
  std::vector<Schema::ModalitySpec> specs(1);
  specs[0].modality.name = "vitals";
  specs[0].features.push_back({"hr", "/min", Likelihood::normal, 0, 400, {}, {}, 0});
  const Schema schema = *Schema::make(std::move(specs), {died});
  const auto stay = [&](double off, std::optional<double> outcome) {
    Stay out{event(0, 0, kHr, 80), event(30, 0, kHr, 80 + 10 * off), event(60, 0, kHr, 80 + 30 * off)};
    if (outcome) out.push_back({"o", "p", "", kNoModality, out.back().time, {}, {{0, *outcome}}});
    return out;
  };
  const std::vector<Stay> stays{stay(1, 1), stay(0.5, 0), stay(-1, 1), stay(0.1, std::nullopt)};
  const Subgroups groups = Subgroups::make(schema, {}).value();
  ConstantVersion version;
  model::Calibrator next_calibrator(schema, 0.9), cross_calibrator(schema, 0.9);
  const auto next = evaluate_next(schema, version, next_calibrator, {}, stays, 1, nullptr, false, groups);
  ASSERT_TRUE(next.ok());
  const auto& of_next = next->front().subgroups;
  ASSERT_EQ(of_next.size(), 3U);
  EXPECT_EQ(of_next[0].patients, 4U);
  EXPECT_EQ(of_next[0].values, 8U);
  EXPECT_NEAR(of_next[0].mae, of(next->front(), kHr).mae, 1e-9);
  EXPECT_NEAR(of_next[0].coverage, of(next->front(), kHr).coverage, 1e-9);
  EXPECT_EQ(of_next[1].name, "died=no");
  EXPECT_EQ(of_next[1].values, 2U);
  EXPECT_NEAR(of_next[1].mae, (0.5 + 1.5) / 2, 1e-6);
  EXPECT_EQ(of_next[2].patients, 2U);
  EXPECT_NEAR(of_next[2].mae, 2, 1e-6);
  EXPECT_NEAR(of_next[2].skill, 0, 1e-6);  // it predicts the mean
  const auto cross = evaluate_cross(schema, version, cross_calibrator, {}, stays, nullptr, false, groups);
  ASSERT_TRUE(cross.ok());
  EXPECT_EQ(cross->subgroups[2].values, 2U);
  EXPECT_NEAR(cross->subgroups[2].mae, 3, 1e-6);
}

}  // namespace
}  // namespace lacuna::daemon
