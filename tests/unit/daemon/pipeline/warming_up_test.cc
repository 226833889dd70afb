#include "daemon/pipeline/warming_up.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "daemon/pipeline/batch.h"
#include "daemon/pipeline/imputation.h"
#include "state/patient.h"
#include "streaming/messages/encoders.h"
#include "tests/support/scratch_folder.h"

// Protects: a number that is published rests on enough. What the serving version has learned too little of is not predicted, not published
// and not scored; what an operator is told of it begins with the first such version and ends with the first that has enough.

namespace lacuna::daemon {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

enum : FeatureId { kHr, kTemp, kRhythm, kCrp };
enum : ModalityId { kVitals, kLab, kFilm };

Time at(int minute) { return *parse_rfc3339("2026-01-01T00:00:00Z") + std::chrono::minutes(minute); }

std::shared_ptr<const Schema> schema() {
  std::vector<Schema::ModalitySpec> specs(3);
  specs[kVitals].modality.name = "vitals";
  specs[kVitals].modality.stale_after = std::chrono::hours(1);
  specs[kVitals].features = {{"hr", "/min", Likelihood::normal, 20, 250, {}, {}, 0},
                             {"temp", "Cel", Likelihood::normal, 28, 44, {}, {}, 0},
                             {"rhythm", "", Likelihood::categorical, 0, 1, {"sinus", "paced"}, {}, 0}};
  specs[kLab].modality.name = "lab";
  specs[kLab].features = {{"crp", "mg/L", Likelihood::log_normal, -INFINITY, INFINITY, {}, {}, 0}};
  specs[kFilm].modality.name = "film";
  specs[kFilm].modality.kind = ModalityKind::embedding;
  specs[kFilm].modality.payload = {1, 0, 0, 2, TextModel::bag, 2000, {}};
  return std::make_shared<const Schema>(Schema::make(std::move(specs), {}).value());
}

/// Says of everything that it is 70, whatever it has learned from.
class FakeVersion final : public model::ModelVersion {
 public:
  explicit FakeVersion(std::string id) : id_(std::move(id)) {}
  const std::string& id() const override { return id_; }
  std::int64_t steps() const override { return 1; }
  std::int64_t parameter_count() const override { return 0; }
  double loss() const override { return 0; }
  Result<std::vector<model::Prediction>> predict(std::span<const model::Query> queries) const override {
    std::vector<model::Prediction> out;
    for (const model::Query& q : queries) {
      asked.insert(asked.end(), q.wanted.begin(), q.wanted.end());
      model::Prediction& p = out.emplace_back();
      p.features = q.wanted;
      p.predictive.assign(q.wanted.size(), model::Predictive{Likelihood::normal, {1}, {70}, {1}, {}});
      for (const ModalityId m : q.wanted_payloads) p.payloads.push_back({m, {1, 2}, {1, 1}, {0, 0}, {3, 3}, {}});
    }
    return out;
  }
  Result<std::vector<std::vector<float>>> codes(std::span<const model::Query> queries) const override {
    return std::vector<std::vector<float>>(queries.size(), {0, 0});
  }
  Result<std::vector<model::Samples>> sample(std::span<const model::SampleQuery>) const override {
    return Status(Code::internal, "not asked");
  }
  model::LearnedFrom learned_from(FeatureId f) const override { return {observations[f], 1}; }
  model::LearnedFrom learned_from_payload(ModalityId) const override { return {of_film, 1}; }
  std::pair<double, double> moments(FeatureId) const override { return {0, 1}; }

  mutable std::map<FeatureId, std::uint64_t> observations;
  std::uint64_t of_film = 0;
  mutable std::vector<FeatureId> asked;

 private:
  std::string id_;
};

class WarmingUpTest : public ::testing::Test {
 protected:
  WarmingUpTest() {
    config_.schema = schema();
    config_.observations_min = 10;
    config_.hidden_share = 1;
    config_.model.latent_dim = config_.alerts.latent_dimensions = 2;
    state::StoreOptions options;
    options.path = folder_.path() + "/state";
    auto opened = state::Store::open(*config_.schema, options);
    if (opened.ok()) store_ = std::move(*opened);
  }

  /// One patient, each of whose events measures hr and temp; scored and imputed by `version`.
  void run(const FakeVersion& version, int events) {
    std::vector<streaming::Record> records;
    for (int i = 0; i < events; ++i, ++sent_) {
      Event e;
      e.event_id = std::to_string(sent_);
      e.patient_id = "p";
      e.modality = kVitals;
      e.time = at(sent_);
      e.values = {{kHr, 70.0 + sent_ % 3}, {kTemp, 37}};
      streaming::Record& r = records.emplace_back();
      r.position = {"lacuna.events", 0, sent_};
      r.key = e.patient_id;
      r.value = streaming::encode_event(*config_.schema, e);
    }
    Batch batch(config_, std::move(records));
    RecordDecoder decoder(config_);
    batch.decode(decoder, at(100'000), {});
    ASSERT_TRUE(batch.load(*store_, nullptr).ok());
    batch.advance(state_.monitor);
    ASSERT_TRUE(batch.settle(*store_).ok());
    version.asked.clear();
    batch.score(version, state_);
    scored_ = version.asked;
    batch.impute(version, state_.calibrator);
    ASSERT_EQ(batch.imputations().size(), 1U);
    imputation_ = batch.imputations().front();
    Tallies tallies;
    (void)batch.encode({}, tallies, store_->schemas(), {});
    ASSERT_TRUE(store_->apply(batch.change(state_, tallies, at(0))).ok());
  }
  std::vector<FeatureId> published() const {
    std::vector<FeatureId> out;
    for (const ImputedValue& v : imputation_.values) out.push_back(v.feature);
    return out;
  }

  Config config_;
  lacuna::testing::ScratchFolder folder_;
  std::unique_ptr<state::Store> store_;
  StreamState state_{[] {
    Config config;
    config.schema = schema();
    config.model.latent_dim = config.alerts.latent_dimensions = 2;
    return config;
  }()};
  int sent_ = 0;
  Imputation imputation_;
  std::vector<FeatureId> scored_;
};

TEST_F(WarmingUpTest, NothingIsPublishedOfWhatIsNotKnown) {
  FakeVersion version("v");
  run(version, 1);
  EXPECT_THAT(published(), IsEmpty());
  EXPECT_THAT(imputation_.payloads, IsEmpty());
  version.observations = {{kRhythm, 10}, {kCrp, 9}};
  version.of_film = 10;
  run(version, 1);
  EXPECT_THAT(published(), ElementsAre(kRhythm));
  EXPECT_EQ(imputation_.payloads.size(), 1U);
  config_.observations_min = 5;
  run(version, 1);
  EXPECT_THAT(published(), ElementsAre(kRhythm, kCrp));
}

TEST_F(WarmingUpTest, OrItsRangeWhereThereIsOne) {
  config_.uninformed = Uninformed::range;
  FakeVersion version("v");
  version.observations = {{kHr, 0}, {kCrp, 50}};
  const Snapshot nothing = state::new_snapshot(*config_.schema, "p");
  const model::Query query{&nothing, at(0), features_to_impute(config_, nothing, at(0), version), {}, 1};
  EXPECT_THAT(query.wanted, ElementsAre(kCrp));
  imputation_ =
      make_imputation(config_, nothing, at(0), version.predict({&query, 1}).value().front(), StreamState(config_).calibrator, version);
  EXPECT_THAT(published(), ElementsAre(kHr, kTemp, kCrp)) << "classes have no range that would say anything";
  EXPECT_TRUE(std::isinf(imputation_.values[1].sd));
  EXPECT_EQ(imputation_.values[1].low, 28);
  EXPECT_EQ(imputation_.values[1].high, 44);
  EXPECT_TRUE(std::isfinite(imputation_.values[2].sd));
  EXPECT_THAT(streaming::encode_imputation(*config_.schema, imputation_),
              ::testing::HasSubstr(R"("temp":{"uninformed":true,"interval":[28,44],"unit":"Cel","reason":"never_measured"})"));
}

// Of what is not said nothing is scored: a score, an interval's calibration and what detectors take for usual would rest on nothing.
TEST_F(WarmingUpTest, NothingIsScoredOfWhatIsNotKnown) {
  FakeVersion version("v");
  run(version, 4);
  EXPECT_THAT(scored_, IsEmpty());
  version.observations = {{kHr, 10}, {kTemp, 9}};
  run(version, 4);
  EXPECT_THAT(scored_, ::testing::Each(static_cast<FeatureId>(kHr)));
  EXPECT_EQ(state_.scores.row(kHr).intervals.count, 4U);
  EXPECT_EQ(state_.scores.row(kHr).hidden_count + state_.calibrator.updates(kHr, model::Recency::never_measured), 8U)
      << "all were hidden once as well";
  EXPECT_EQ(state_.scores.row(kTemp).intervals.count, 0U);
  for (const auto recency : {model::Recency::never_measured, model::Recency::stale, model::Recency::fresh}) {
    EXPECT_EQ(state_.calibrator.updates(kTemp, recency), 0U);
  }
}

TEST_F(WarmingUpTest, IsTrueFromTheFirstVersionThatKnowsLessToTheFirstThatKnowsAll) {
  WarmingUp warming_up(config_);
  EXPECT_THAT(warming_up.degraded(), IsEmpty());
  FakeVersion first("1"), second("2"), third("3"), fourth("4");
  second.observations = {{kHr, 10}, {kTemp, 10}, {kRhythm, 10}, {kCrp, 9}};
  third.observations = {{kHr, 20}, {kTemp, 20}, {kRhythm, 20}, {kCrp, 10}};
  third.of_film = 10;
  warming_up.follow(first, at(1));
  EXPECT_EQ(warming_up.learned().warming_up, 5U);
  EXPECT_THAT(warming_up.degraded(), ElementsAre(Degradation{"warming_up", at(1)}));
  warming_up.follow(second, at(2));
  EXPECT_EQ(warming_up.learned().warming_up, 2U) << "a feature and the embeddings";
  EXPECT_THAT(warming_up.degraded(), ElementsAre(Degradation{"warming_up", at(1)}));
  warming_up.follow(third, at(3));
  EXPECT_EQ(warming_up.learned().warming_up, 0U);
  EXPECT_EQ(warming_up.learned().features[kCrp].observations, 10U);
  EXPECT_THAT(warming_up.degraded(), IsEmpty());
  warming_up.follow(fourth, at(4));
  EXPECT_THAT(warming_up.degraded(), ElementsAre(Degradation{"warming_up", at(4)})) << "a spell of its own";
}

}  // namespace
}  // namespace lacuna::daemon
