// What a hospital sends again, repairs, corrects and withdraws, through the whole loop: bytes in, states and messages out.
//
// Goal: after each of these the patient's state is that of the values that hold, wherever the disk is and was; nothing is scored or learned
// from twice; the imputation that goes with it is in the same transaction. Method: small streams, each run in one batch, one event a batch,
// and with the disk lost in between.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "daemon/pipeline/pipeline.h"
#include "state/store.h"
#include "tests/robustness/pipeline_fixture.h"

namespace lacuna::daemon {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Json = nlohmann::json;

Schema small_schema() {
  std::vector<Schema::ModalitySpec> specs(2);
  const auto feature = [](const char* name, const char* unit, Likelihood likelihood, double low, double high) {
    Feature f;
    f.name = name;
    f.unit = unit;
    f.likelihood = likelihood;
    f.low = low;
    f.high = high;
    return f;
  };
  specs[0].modality.name = "vitals";
  specs[0].features = {feature("hr", "/min", Likelihood::normal, 20, 250), feature("temp", "Cel", Likelihood::normal, 28, 44)};
  specs[1].modality.name = "chemistry";
  specs[1].features = {feature("glucose", "mg/dL", Likelihood::log_normal, 15, 1200), feature("k", "mmol/L", Likelihood::normal, 1, 10)};
  Attribute age;
  age.name = "age";
  age.unit = "a";
  age.low = 0;
  age.high = 120;
  Attribute weight = age;
  weight.name = "weight";
  weight.unit = "kg";
  weight.high = 400;
  return Schema::make(specs, {age, weight}).value();
}

/// An event of patient "p", `minute` after midnight. `more`: further members.
Json event(const std::string& id, int minute, const std::string& modality, Json values, Json more = Json::object()) {
  Json out{{"schema_version", 1},
           {"event_id", id},
           {"patient_id", "p"},
           {"modality", modality},
           {"time", format_rfc3339(*parse_rfc3339("2026-01-01T00:00:00Z") + std::chrono::minutes(minute))},
           {"values", std::move(values)}};
  out.update(more);
  return out;
}
Json revision(const std::string& result, double number) { return {{"result", {{"id", result}, {"revision", number}}}}; }
Json withdrawal(const std::string& id, int minute, const std::string& modality, Json values, Json more = Json::object()) {
  Json out = event(id, minute, modality, std::move(values), std::move(more));
  out["status"] = "entered_in_error";
  return out;
}

/// How a stream reaches the daemon.
enum class Way : std::uint8_t { one_batch, one_by_one, disk_lost_between };

class Facts : public ::testing::TestWithParam<Way> {
 protected:
  void SetUp() override {
    directory_ = scratch("facts");
    config_ = small_config(directory_);
    config_.observations_min = 0;  // what is missing is told, also by a model that has learned nothing
    config_.schema = std::make_shared<Schema>(small_schema());
    log_ = open_log(config_);
    ASSERT_TRUE(log_->ensure_topics({{config_.topics.events.front(), kPartitions, {}}}).ok());
    start();
  }
  void TearDown() override {
    pipeline_.reset();
    log_.reset();
    fs::remove_all(directory_);
  }
  void start() {
    auto made = Pipeline::make(config_, *log_, [] { return *parse_rfc3339("2026-02-01T00:00:00Z"); }, {});
    ASSERT_TRUE(made.ok()) << made.status().to_string();
    pipeline_ = std::move(*made);
  }
  void lose_disk() {
    const EventCounts& c = pipeline_->progress().counts;
    lost_ += c;
    pipeline_.reset();
    fs::remove_all(config_.store.path);
    start();
    work();
  }
  void work() {
    for (int idle = 0; idle < 5;) {
      const auto worked = pipeline_->turn();
      ASSERT_TRUE(worked.ok()) << worked.status().to_string();
      const Progress p = pipeline_->progress();
      idle = !*worked && p.ready && p.lag == 0 && p.learner.queued == 0 ? idle + 1 : 0;
    }
  }
  void append(const Json& message) {
    auto appender = log_->appender();
    ASSERT_TRUE(appender.ok());
    ASSERT_TRUE((*appender)->append({config_.topics.events.front(), std::nullopt, message.at("patient_id"), message.dump(), {}}).ok());
    ASSERT_TRUE((*appender)->flush().ok());
  }
  void send(const std::vector<Json>& messages) {
    for (const Json& message : messages) {
      append(message);
      if (GetParam() == Way::one_batch) continue;
      work();
      if (GetParam() == Way::disk_lost_between) lose_disk();
    }
    work();
  }
  FeatureState state_of(const std::string& modality, const std::string& feature) {
    const auto found = pipeline_->patient("p");
    EXPECT_TRUE(found.ok()) << found.status().to_string();
    const ModalityId m = config_.schema->find_modality(modality);
    return found.ok() ? found->features[*config_.schema->find_feature(m, feature)] : FeatureState{};
  }
  /// What the feature is when these values, by minute, are all that there ever was.
  FeatureState of_values(const std::string& modality, const std::string& feature, const std::vector<std::pair<int, double>>& values) {
    const FeatureState found = state_of(modality, feature);
    EXPECT_EQ(found.count, values.size());
    if (values.empty()) return found;
    EXPECT_EQ(found.last, values.back().second);
    EXPECT_EQ(found.time, *parse_rfc3339("2026-01-01T00:00:00Z") + std::chrono::minutes(values.back().first));
    return found;
  }
  std::vector<std::string> reasons() {
    std::vector<std::string> out;
    for (const auto& letter : read_all(*log_, config_.topics.dead_letters)) {
      for (const auto& [name, value] : letter.headers) {
        if (name == "__connect.errors.exception.class.name") out.push_back(value);
      }
    }
    return out;
  }
  EventCounts counts() {
    EventCounts out = lost_;
    out += pipeline_->progress().counts;
    return out;
  }
  Json newest_imputation() {
    const auto all = read_all(*log_, config_.topics.imputations);
    EXPECT_FALSE(all.empty());
    return all.empty() ? Json() : Json::parse(*all.back().value);
  }

  fs::path directory_;
  Config config_;
  EventCounts lost_;  ///< of the lives before
  std::unique_ptr<streaming::LogFactory> log_;
  std::unique_ptr<Pipeline> pipeline_;
};

INSTANTIATE_TEST_SUITE_P(Ways, Facts, ::testing::Values(Way::one_batch, Way::one_by_one, Way::disk_lost_between), [](const auto& tested) {
  return tested.param == Way::one_batch ? "OneBatch" : tested.param == Way::one_by_one ? "OneByOne" : "DiskLostBetween";
});

// A second reading of a stay, of more events than the 64 whose ids were once remembered.
TEST_P(Facts, ASecondReadingChangesNothing) {
  std::vector<Json> stay;
  const int events = GetParam() == Way::disk_lost_between ? 70 : 200;
  for (int i = 0; i < events; ++i) stay.push_back(event("a-" + std::to_string(i), i, "vitals", {{"hr", 70 + i % 10}}));
  for (const Json& e : stay) append(e);
  work();
  const Snapshot once = *pipeline_->patient("p");
  const std::uint64_t scored = pipeline_->progress().scores.count;
  if (GetParam() == Way::disk_lost_between) lose_disk();
  for (const Json& e : stay) append(e);
  work();
  Snapshot twice = *pipeline_->patient("p");
  EXPECT_EQ(twice, once);
  EXPECT_EQ(counts().duplicate, static_cast<std::uint64_t>(events));
  EXPECT_EQ(pipeline_->progress().scores.count, GetParam() == Way::disk_lost_between ? 0 : scored) << "nothing is scored twice";
  EXPECT_THAT(reasons(), IsEmpty());
}

TEST_P(Facts, ASecondReadingInAnotherOrderChangesNothing) {
  std::vector<Json> stay;
  for (int i = 0; i < 40; ++i) stay.push_back(event("a-" + std::to_string(i), i, "vitals", {{"hr", 70 + i % 10}}));
  send(stay);
  const Snapshot once = *pipeline_->patient("p");
  std::reverse(stay.begin(), stay.end());
  send(stay);
  EXPECT_EQ(*pipeline_->patient("p"), once);
  EXPECT_EQ(counts().duplicate, 40u);
}

TEST_P(Facts, AnIdMeansNothingOfAnotherPatient) {
  Json other = event("a", 0, "vitals", {{"hr", 90}});
  other["patient_id"] = "q";
  send({event("a", 0, "vitals", {{"hr", 80}}), other});
  EXPECT_EQ(state_of("vitals", "hr").last, 80);
  EXPECT_EQ(pipeline_->patient("q")->features[0].last, 90);
  EXPECT_EQ(counts().duplicate, 0u);
}

TEST_P(Facts, ASecondDeliveryOfTheSameValueInAnotherUnitIsOne) {
  send({event("a", 0, "vitals", {{"temp", {{"value", 37}, {"unit", "Cel"}}}}), event("a", 0, "vitals", {{"temp", 37}})});
  of_values("vitals", "temp", {{0, 37}});
  EXPECT_EQ(counts().duplicate, 1u);
}

// A partly refused event, repaired and sent again under its id.
TEST_P(Facts, ARepairedLetterIsTaken) {
  send({event("b", 0, "vitals", {{"hr", 80}, {"temp", {{"value", 37.1}, {"unit", "kg"}}}})});
  EXPECT_THAT(reasons(), ElementsAre("unit"));
  EXPECT_EQ(state_of("vitals", "temp").count, 0u);
  send({event("b", 0, "vitals", {{"hr", 80}, {"temp", {{"value", 37.1}, {"unit", "Cel"}}}})});
  of_values("vitals", "temp", {{0, 37.1}});
  of_values("vitals", "hr", {{0, 80}});
  EXPECT_THAT(reasons(), ElementsAre("unit"));
}

TEST_P(Facts, ARepairedValueOutOfRangeIsTaken) {
  send({event("b", 0, "vitals", {{"hr", 800}, {"temp", 37}})});
  send({event("b", 0, "vitals", {{"hr", 80}, {"temp", 37}})});
  of_values("vitals", "hr", {{0, 80}});
  of_values("vitals", "temp", {{0, 37}});
}

TEST_P(Facts, ARepairedLetterOfWhichNothingWasTakenIsTaken) {
  send({event("b", 0, "vitals", {{"temp", {{"value", 37.1}, {"unit", "degC"}}}}), event("b", 0, "vitals", {{"temp", 37.1}})});
  of_values("vitals", "temp", {{0, 37.1}});
}

TEST_P(Facts, ARepairedLetterTakesItsPlaceAmongLaterValues) {
  send({event("b", 0, "vitals", {{"hr", 80}, {"temp", {{"value", 37.1}, {"unit", "degC"}}}}), event("c", 60, "vitals", {{"temp", 38.5}}),
        event("b", 0, "vitals", {{"hr", 80}, {"temp", 37.1}})});
  const FeatureState temp = of_values("vitals", "temp", {{0, 37.1}, {60, 38.5}});
  EXPECT_NEAR(temp.previous, 37.1, 1e-4);
}

TEST_P(Facts, ARepairedAttributeIsTakenAndAnotherOneIsAConflict) {
  const auto admission = [](double age, double weight) {
    return event("adm", 0, "vitals", {{"hr", 80}}, {{"attributes", {{"age", age}, {"weight", weight}}}});
  };
  const auto known = [this](std::size_t attribute) { return pipeline_->patient("p")->attributes[attribute]; };
  send({admission(999, 70), event("b", 60, "vitals", {{"hr", 90}})});
  EXPECT_EQ(known(0), std::nullopt);
  EXPECT_EQ(known(1), 70.0F);
  send({admission(61, 70)});
  EXPECT_EQ(known(0), 61.0F);
  EXPECT_EQ(known(1), 70.0F);
  of_values("vitals", "hr", {{0, 80}, {60, 90}});
  EXPECT_EQ(pipeline_->patient("p")->modalities[0].count, 2u) << "nothing of the modality came with it";
  send({admission(61, 70)});
  EXPECT_EQ(counts().duplicate, 1u);
  send({admission(61, 75)});
  EXPECT_THAT(reasons(), ElementsAre("out_of_range", "id_conflict"));
  EXPECT_EQ(known(1), 70.0F);
  // With a higher revision it holds, whatever its time.
  Json corrected = admission(62, 75);
  corrected.update(revision("adm-1", 2));
  corrected["event_id"] = "adm-2";
  Json first = admission(61, 74);
  first.update(revision("adm-1", 1));
  first["event_id"] = "adm-3";
  send({first, event("c", 120, "vitals", {{"hr", 95}}), corrected});
  EXPECT_EQ(known(0), 62.0F);
  EXPECT_EQ(known(1), 75.0F);
}

// A corrected result: under its own id without a revision it cannot be told from a clash of ids; with one, or as a result, it holds.
TEST_P(Facts, AnotherValueUnderATakenIdIsAConflict) {
  send({event("ord1", 0, "chemistry", {{"glucose", 99}}), event("ord2", 360, "chemistry", {{"glucose", 950}}),
        event("ord2", 360, "chemistry", {{"glucose", 95}})});
  EXPECT_EQ(state_of("chemistry", "glucose").last, 950);
  EXPECT_THAT(reasons(), ElementsAre("id_conflict"));
}

TEST_P(Facts, ACorrectionUnderTheSameIdHolds) {
  send({event("ord1", 0, "chemistry", {{"glucose", 99}}, revision("r1", 1)),
        event("ord2", 360, "chemistry", {{"glucose", 105}}, revision("r2", 1)),
        event("ord3", 720, "chemistry", {{"glucose", 950}}, revision("r3", 1))});
  send({event("ord3", 720, "chemistry", {{"glucose", 95}}, revision("r3", 2))});
  const FeatureState corrected = of_values("chemistry", "glucose", {{0, 99}, {360, 105}, {720, 95}});
  EXPECT_LT(corrected.mean_short, std::log(106)) << "the wrong value has left the means";
  EXPECT_THAT(reasons(), IsEmpty());
  EXPECT_EQ(newest_imputation().at("source").at("offset"), 3) << "and the next imputation rests on it";
}

TEST_P(Facts, ACorrectionUnderItsOwnIdTakesTheResultsPlace) {
  send({event("ord3", 720, "chemistry", {{"glucose", 950}}, revision("r3", 1)),
        event("ord3-c1", 720, "chemistry", {{"glucose", 95}}, revision("r3", 2))});
  of_values("chemistry", "glucose", {{720, 95}});
}

TEST_P(Facts, TheHighestRevisionHoldsInWhateverOrder) {
  send({event("c2", 0, "chemistry", {{"glucose", 102}}, revision("r", 2)),
        event("c1", 0, "chemistry", {{"glucose", 101}}, revision("r", 1)),
        event("c3", 0, "chemistry", {{"glucose", 103}}, revision("r", 3))});
  of_values("chemistry", "glucose", {{0, 103}});
  send({event("c3b", 0, "chemistry", {{"glucose", 104}}, revision("r", 3))});
  of_values("chemistry", "glucose", {{0, 104}});
}

TEST_P(Facts, ACorrectedTimeMovesTheValue) {
  send({event("a", 0, "chemistry", {{"k", 4.0}}), event("b", 60, "chemistry", {{"k", 5.0}}, revision("r", 1)),
        event("b2", 30, "chemistry", {{"k", 5.0}}, revision("r", 2))});
  of_values("chemistry", "k", {{0, 4.0}, {30, 5.0}});
}

TEST_P(Facts, APreliminaryResultIsUsedAndReplaced) {
  Json preliminary = event("a", 0, "chemistry", {{"k", 4.0}}, {{"result", {{"id", "r"}}}});
  preliminary["status"] = "preliminary";
  send({preliminary});
  of_values("chemistry", "k", {{0, 4.0}});
  send({event("b", 0, "chemistry", {{"k", 4.4}}, {{"result", {{"id", "r"}}}})});
  of_values("chemistry", "k", {{0, 4.4}});
}

// A result withdrawn: as a whole, one of its values, by the id of the event that brought it.
TEST_P(Facts, AWithdrawnResultIsGone) {
  send({event("a", 0, "chemistry", {{"glucose", 99}}, revision("r1", 1)),
        event("b", 60, "chemistry", {{"glucose", 950}}, revision("r2", 1))});
  Json gone{
      {"schema_version", 1}, {"event_id", "w"}, {"patient_id", "p"}, {"time", "2026-01-01T02:00:00Z"}, {"status", "entered_in_error"}};
  gone.update(revision("r2", 2));
  send({gone});
  of_values("chemistry", "glucose", {{0, 99}});
  EXPECT_THAT(reasons(), IsEmpty());
}

TEST_P(Facts, OfAWithdrawnEventOneValueStays) {
  send({event("a", 0, "chemistry", {{"glucose", 99}, {"k", 4}}), withdrawal("a", 0, "chemistry", {{"glucose", nullptr}})});
  EXPECT_EQ(state_of("chemistry", "glucose").count, 0u);
  of_values("chemistry", "k", {{0, 4}});
}

TEST_P(Facts, TheOnlyValueThatWasWithdrawnIsNotThere) {
  send({event("a", 0, "chemistry", {{"glucose", 950}}), withdrawal("a", 0, "chemistry", {{"glucose", 950}})});
  EXPECT_EQ(state_of("chemistry", "glucose").count, 0u);
  const Json values = newest_imputation().at("values").at("chemistry");
  EXPECT_EQ(values.at("glucose").at("reason"), "never_measured") << "and it is imputed again";
}

TEST_P(Facts, AWithdrawalThatComesBeforeItsResultHolds) {
  send({withdrawal("w", 0, "chemistry", {{"glucose", nullptr}}, revision("r", 2)), event("x", 5, "vitals", {{"hr", 80}}),
        event("a", 0, "chemistry", {{"glucose", 950}}, revision("r", 1))});
  EXPECT_EQ(state_of("chemistry", "glucose").count, 0u);
  of_values("vitals", "hr", {{5, 80}});
}

TEST_P(Facts, AWithdrawalOfAModalityThatComesBeforeItsResultHolds) {
  Json early = withdrawal("w", 0, "chemistry", Json::object(), revision("r", 2));
  early.erase("values");
  send({event("x", 5, "vitals", {{"hr", 80}}), early, event("a", 0, "chemistry", {{"glucose", 950}, {"k", 4}}, revision("r", 1))});
  EXPECT_EQ(state_of("chemistry", "glucose").count, 0u);
  EXPECT_EQ(state_of("chemistry", "k").count, 0u);
  EXPECT_THAT(reasons(), IsEmpty());
}

TEST_P(Facts, WhatWasWithdrawnBeforeItCameBeginsWhenItComes) {
  send({withdrawal("w", 0, "chemistry", {{"glucose", nullptr}}, revision("r", 2)),
        event("a", 0, "chemistry", {{"glucose", 98}}, revision("r", 3))});
  of_values("chemistry", "glucose", {{0, 98}});
  EXPECT_EQ(pipeline_->patient("p")->first_time, *parse_rfc3339("2026-01-01T00:00:00Z"));
}

TEST_P(Facts, ARepairedWithdrawalIsCarriedOut) {
  send({event("a", 0, "chemistry", {{"glucose", 99}, {"k", 4}}, revision("r", 1))});
  send({withdrawal("w", 0, "chemistry", {{"glucose", nullptr}, {"potassium", nullptr}}, revision("r", 2))});
  EXPECT_THAT(reasons(), ElementsAre("unknown_feature"));
  of_values("chemistry", "k", {{0, 4}});
  send({withdrawal("w", 0, "chemistry", {{"glucose", nullptr}, {"k", nullptr}}, revision("r", 2))});
  EXPECT_EQ(state_of("chemistry", "glucose").count, 0u);
  EXPECT_EQ(state_of("chemistry", "k").count, 0u);
}

TEST_P(Facts, AWithdrawnResultMayHoldAgain) {
  send({event("a", 0, "chemistry", {{"glucose", 99}}, revision("r", 1)),
        withdrawal("w", 0, "chemistry", {{"glucose", nullptr}}, revision("r", 2)),
        event("b", 0, "chemistry", {{"glucose", 98}}, revision("r", 3))});
  of_values("chemistry", "glucose", {{0, 98}});
}

// Older than the history that is kept: what can be put right is, and it is said.
TEST_P(Facts, WhatIsOlderThanTheHistoryIsCountedLate) {
  std::vector<Json> stay{event("old", 0, "vitals", {{"hr", 200}}, revision("r", 1))};
  for (int i = 1; i < 60; ++i) stay.push_back(event("a-" + std::to_string(i), i, "vitals", {{"hr", 70}}));
  for (const Json& e : stay) {  // in batches of their own: one is told apart for as long as it is pending
    append(e);
    work();
  }
  const FeatureState before = state_of("vitals", "hr");
  send({event("old2", 0, "vitals", {{"hr", 90}}, revision("r", 2))});
  EXPECT_EQ(counts().late_corrections, 1u);
  EXPECT_EQ(state_of("vitals", "hr").last, before.last);
  EXPECT_EQ(state_of("vitals", "hr").count, before.count);
}

Json limit(const char* comparator, double value) { return {{"value", value}, {"unit", "mg/dL"}, {"comparator", comparator}}; }

// Case 09: what a laboratory tells as a limit is one on its whole way, in either form; a number as a text is none.
TEST_P(Facts, ALimitIsKeptAsOne) {
  send({event("a", 0, "chemistry", {{"glucose", "<20"}}), event("b", 60, "chemistry", {{"glucose", limit("<", 18)}}),
        event("c", 120, "chemistry", {{"glucose", "14"}}), event("a", 0, "chemistry", {{"glucose", limit("<", 20)}}),
        event("a", 0, "chemistry", {{"glucose", 20}})});
  const FeatureState glucose = of_values("chemistry", "glucose", {{0, 20}, {60, 18}});
  EXPECT_EQ(glucose.comparator, Comparator::less);
  EXPECT_TRUE(glucose.unmeasured);
  EXPECT_EQ(counts().duplicate, 1u);
  EXPECT_THAT(reasons(), ElementsAre("malformed", "id_conflict")) << "20 is not what < 20 says";
  send({event("d", 180, "chemistry", {{"glucose", 90}}), event("e", 240, "chemistry", {{"glucose", limit(">=", 600)}})});
  const FeatureState later = state_of("chemistry", "glucose");
  EXPECT_EQ(later.comparator, Comparator::at_least);
  EXPECT_FALSE(later.unmeasured);
  EXPECT_NEAR(later.previous, std::log1p(90), 1e-4);
}

TEST_P(Facts, ALimitIsCorrectedAndCorrects) {
  send({event("m", -60, "chemistry", {{"glucose", 80}}), event("a", 0, "chemistry", {{"glucose", limit("<", 20)}}, revision("r", 1))});
  const FeatureState before = state_of("chemistry", "glucose");
  EXPECT_EQ(before.comparator, Comparator::less);
  send({event("b", 0, "chemistry", {{"glucose", 20}}, revision("r", 2))});
  EXPECT_EQ(of_values("chemistry", "glucose", {{-60, 80}, {0, 20}}).comparator, Comparator::equal);
  send({event("c", 0, "chemistry", {{"glucose", limit("<", 20)}}, revision("r", 3))});
  EXPECT_EQ(state_of("chemistry", "glucose"), before) << "as if nothing had been between";
  send({withdrawal("w", 0, "chemistry", {{"glucose", nullptr}}, revision("r", 4))});
  EXPECT_EQ(of_values("chemistry", "glucose", {{-60, 80}}).comparator, Comparator::equal);
}

// A value that comes late takes its place before the limit, and begins what is known beside it.
TEST_P(Facts, ALateValueTakesItsPlaceBeforeALimit) {
  send({event("a", 60, "chemistry", {{"glucose", limit(">", 600)}}), event("b", 0, "chemistry", {{"glucose", 90}})});
  const FeatureState glucose = of_values("chemistry", "glucose", {{0, 90}, {60, 600}});
  EXPECT_EQ(glucose.comparator, Comparator::greater);
  EXPECT_FALSE(glucose.unmeasured);
  EXPECT_NEAR(glucose.previous, std::log1p(90), 1e-4);
}

}  // namespace
}  // namespace lacuna::daemon
