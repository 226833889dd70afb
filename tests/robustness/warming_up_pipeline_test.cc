// What is published of features of which the model has seen nothing, or little, through the whole loop.
//
// Goal: no number is published before there is something to say, and the first ones are as wide as they must be; whoever asks by HTTP gets
// the same; a restart, with or without the disk, changes nothing of it. Method: a hundred patients with two vital signs every hour, and a
// temperature in none or few of them; every message that was published is looked at.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <random>

#include "daemon/pipeline/pipeline.h"
#include "state/patient.h"
#include "tests/robustness/pipeline_fixture.h"

namespace lacuna::daemon {
namespace {

using Json = nlohmann::json;
using ::testing::IsEmpty;

constexpr int kPatients = 100;

Schema declared() {
  std::vector<Schema::ModalitySpec> specs(3);
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
  specs[0].modality.stale_after = std::chrono::hours(2);
  specs[0].features = {feature("hr", "/min", Likelihood::normal, 20, 250), feature("temp", "Cel", Likelihood::normal, 28, 44),
                       feature("sbp", "mm[Hg]", Likelihood::normal, 30, 280)};
  specs[1].modality.name = "chemistry";
  specs[1].features = {feature("glucose", "mg/dL", Likelihood::log_normal, 15, 1200), feature("hba1c", "%", Likelihood::normal, 3, 20),
                       feature("troponin", "ng/L", Likelihood::log_normal, 0, 100'000)};
  specs[2].modality.name = "neuro";
  Feature consciousness;
  consciousness.name = "consciousness";
  consciousness.likelihood = Likelihood::categorical;
  consciousness.categories = {"alert", "voice", "pain", "unresponsive"};
  Feature suctions = feature("suctions", "", Likelihood::negative_binomial, 0, 60);
  specs[2].features = {consciousness, suctions};
  return Schema::make(std::move(specs), {}).value();
}

class WarmingUpLoop : public ::testing::Test {
 protected:
  void SetUp() override {
    directory_ = scratch("warming-up");
    config_ = small_config(directory_);
    config_.schema = std::make_shared<Schema>(declared());
    config_.train.batch_size = 32;
    config_.train.examples_per_step = 8;
    config_.train.publish_every_steps = 5;
    log_ = open_log(config_);
    ASSERT_TRUE(log_->ensure_topics({{config_.topics.events.front(), kPartitions, {}}}).ok());
  }
  void TearDown() override {
    pipeline_.reset();
    log_.reset();
    fs::remove_all(directory_);
  }

  /// `more`: what patient p's vital signs of an hour have beside hr and sbp.
  void send(int first_hour, int hours, const std::function<Json(int p, int hour)>& more, const std::string& modality = "vitals") {
    auto appender = log_->appender();
    ASSERT_TRUE(appender.ok());
    for (int hour = first_hour; hour < first_hour + hours; ++hour) {
      for (int p = 0; p < kPatients; ++p) {
        Json values = more(p, hour);
        if (modality == "vitals")
          values.update({{"hr", std::round(85 + 12 * normal_(random_))}, {"sbp", std::round(120 + 15 * normal_(random_))}});
        if (values.empty()) continue;
        const Time time = start_ + std::chrono::hours(hour) + std::chrono::minutes(p % 60);
        const std::string id = "o" + std::to_string(p);
        const Json event{{"schema_version", 1},
                         {"event_id", id + "-" + std::to_string(hour) + modality},
                         {"patient_id", id},
                         {"modality", modality},
                         {"time", format_rfc3339(time)},
                         {"values", values}};
        ASSERT_TRUE((*appender)->append({config_.topics.events.front(), std::nullopt, id, event.dump(), {}}).ok());
      }
    }
    ASSERT_TRUE((*appender)->flush().ok());
  }
  static Json nothing(int, int) { return Json::object(); }

  void work() {
    if (!pipeline_) {
      auto made = Pipeline::make(config_, *log_, [this] { return start_ + std::chrono::hours(24 * 365); }, {});
      ASSERT_TRUE(made.ok()) << made.status().to_string();
      pipeline_ = std::move(*made);
    }
    for (int idle = 0; idle < 5;) {
      const auto worked = pipeline_->turn();
      ASSERT_TRUE(worked.ok()) << worked.status().to_string();
      const Progress p = pipeline_->progress();
      idle = !*worked && p.ready && p.lag == 0 && p.learner.queued == 0 ? idle + 1 : 0;
    }
  }
  /// To the end, as `lacuna run --until-idle` does.
  Progress run() {
    work();
    const Status done = pipeline_->run(true);
    EXPECT_TRUE(done.ok()) << done.to_string();
    const Progress last = pipeline_->progress();
    pipeline_.reset();
    return last;
  }

  /// By modality.feature: everything that was published of it, oldest first within a partition.
  std::map<std::string, std::vector<Json>> published() {
    std::map<std::string, std::vector<Json>> out;
    for (const auto& record : read_all(*log_, config_.topics.imputations)) {
      const Json message = Json::parse(*record.value);
      for (const auto& [modality, features] : message.at("values").items()) {
        for (auto& [name, value] : features.items()) {
          out[modality + "." + name].push_back(value);
          out[modality + "." + name].back()["key"] = record.key;
          if (!value.contains("interval")) continue;
          EXPECT_LT(value["interval"][0].get<double>(), value["interval"][1].get<double>()) << modality << "." << name;
        }
      }
    }
    return out;
  }
  Json newest(const std::string& key) {
    Json out;
    for (const auto& record : read_all(*log_, config_.topics.imputations)) {
      if (record.key == key) out = Json::parse(*record.value);
    }
    return out;
  }
  std::size_t warming_up() { return pipeline_->progress().learned.warming_up; }

  fs::path directory_;
  Config config_;
  std::unique_ptr<streaming::LogFactory> log_;
  std::unique_ptr<Pipeline> pipeline_;
  std::mt19937_64 random_{7};
  std::normal_distribution<double> normal_;
  const Time start_ = *parse_rfc3339("2026-01-01T00:00:00Z");
};

// A feed that is not connected yet: nothing is said of it, however long, and it is said that nothing is.
TEST_F(WarmingUpLoop, NothingIsSaidOfWhatNeverCame) {
  const auto glucose = [this](int, int) { return Json{{"glucose", std::round(100 * std::exp(0.3 * normal_(random_)))}}; };
  for (int hour = 0; hour < 24; hour += 6) {
    send(hour, 1, glucose, "chemistry");
    send(hour, 6, nothing);
  }
  work();
  const auto all = published();
  for (const auto& [name, values] : all) {
    EXPECT_THAT(name, ::testing::AnyOf("vitals.hr", "vitals.sbp", "chemistry.glucose")) << values.size();
  }
  EXPECT_EQ(warming_up(), 5U) << "temp, hba1c, troponin, consciousness, suctions";
  const Progress p = pipeline_->progress();
  ASSERT_EQ(p.degraded.size(), 1U);
  EXPECT_EQ(p.degraded[0].reason, "warming_up");
  EXPECT_TRUE(p.ready) << "it works, and says what it does not do";
}

// A value in few of a hundred patients, drawn from N(37.5, 0.8): left out, or an interval that holds.
TEST_F(WarmingUpLoop, AFewValuesAreNotEnoughAndTwentyAre) {
  for (const int n : {0, 1, 2, 5, 20}) {
    SCOPED_TRACE(n);
    TearDown();
    SetUp();
    random_.seed(7);
    send(0, 24, [this, n](int p, int hour) {
      const double temp = std::round(375 + 8 * normal_(random_)) / 10;
      return hour == 2 && p < n ? Json{{"temp", temp}} : Json::object();
    });
    work();
    const Json last = newest("o99").at("values");
    const auto all = published();
    if (n < 10) {
      EXPECT_FALSE(all.contains("vitals.temp"));
      continue;
    }
    ASSERT_TRUE(last.contains("vitals") && last["vitals"].contains("temp")) << last.dump();
    const double low = last["vitals"]["temp"]["interval"][0], high = last["vitals"]["temp"]["interval"][1];
    EXPECT_LT(low, 37.5 - 1.2 * 0.8) << "of N(37.5, 0.8) more than three quarters are inside";
    EXPECT_GT(high, 37.5 + 1.2 * 0.8);
    EXPECT_LT(high - low, 1.5 * 2 * 1.77 * 1.0) << "and not the whole range";
  }
}

// A feed that is connected at noon: nothing before, and from then on within hours.
TEST_F(WarmingUpLoop, WhatBeginsToComeIsPublishedOnceEnoughOfItWasLearned) {
  send(0, 12, nothing);
  work();
  EXPECT_FALSE(published().contains("vitals.temp"));
  const std::size_t before = warming_up();
  send(12, 6, [this](int p, int) { return p % 2 == 0 ? Json{{"temp", 37.5 + 0.8 * normal_(random_)}} : Json::object(); });
  work();
  EXPECT_EQ(warming_up(), before - 1);
  const auto all = published();
  ASSERT_TRUE(all.contains("vitals.temp"));
  for (const Json& value : all.at("vitals.temp")) {
    const int p = std::stoi(value.at("key").get<std::string>().substr(1));
    EXPECT_EQ(p % 2, 1) << "the others have one";
  }
}

// All values the same, in few: others may come, says the declared range.
TEST_F(WarmingUpLoop, AConstantInFewPatientsHasAnIntervalWithAWidth) {
  send(0, 12, [](int p, int hour) { return hour == 2 && p < 20 ? Json{{"temp", 37.0}} : Json::object(); });
  work();
  const auto all = published();
  ASSERT_TRUE(all.contains("vitals.temp"));
  for (const Json& value : all.at("vitals.temp")) {
    EXPECT_GT(value["interval"][1].get<double>() - value["interval"][0].get<double>(), 0.2);
  }
}

// A class that was seen in a dozen patients and no other: the others stay possible.
TEST_F(WarmingUpLoop, NoClassIsImpossibleAfterADozen) {
  send(0, 2, nothing);
  send(
      2, 1,
      [](int p, int) {
        return p < 12 ? Json{{"consciousness", "alert"}} : Json::object();
      },
      "neuro");
  send(2, 16, nothing);
  work();
  const auto all = published();
  ASSERT_TRUE(all.contains("neuro.consciousness"));
  for (const Json& value : all.at("neuro.consciousness")) {
    for (const auto& [name, probability] : value.at("probabilities").items()) EXPECT_GT(probability.get<double>(), 0.01) << name;
  }
}

TEST_F(WarmingUpLoop, ByKeyTheDeclaredRangeIsToldAsSuch) {
  config_.uninformed = Uninformed::range;
  send(0, 4, nothing);
  work();
  const auto all = published();
  EXPECT_FALSE(all.contains("neuro.consciousness"));
  ASSERT_TRUE(all.contains("vitals.temp"));
  for (const Json& value : all.at("vitals.temp")) {
    EXPECT_EQ(value.at("uninformed"), true);
    EXPECT_EQ(value.at("interval"), Json::parse("[28,44]"));
    EXPECT_FALSE(value.contains("mean") || value.contains("sd") || value.contains("median") || value.contains("level"));
  }
  EXPECT_EQ(all.at("neuro.suctions").front().at("interval"), Json::parse("[0,60]"));
}

// Whoever asks by HTTP gets no more than is published, and samples of that.
TEST_F(WarmingUpLoop, WhoAsksGetsTheSame) {
  config_.uninformed = Uninformed::range;
  send(0, 12, nothing);
  work();
  streaming::ImputeRequest request{state::new_snapshot(*config_.schema, "x"), 5, 1};
  request.snapshot.last_time = start_;
  const auto answer = pipeline_->impute(request);
  ASSERT_TRUE(answer.ok()) << answer.status().to_string();
  std::vector<std::string> sampled;
  for (const ImputedValue& value : answer->values) {
    EXPECT_EQ(value.samples.size(), std::isinf(value.sd) ? 0U : 5U) << value.feature;
    if (!value.samples.empty()) sampled.push_back(config_.schema->qualified_name(value.feature));
  }
  EXPECT_THAT(sampled, ::testing::ElementsAre("vitals.hr", "vitals.sbp"));
}

// What was learned from is part of the model: on the disk, and in the topic.
TEST_F(WarmingUpLoop, IsOverAfterARestartAsItWasBefore) {
  for (const bool disk_lost : {false, true}) {
    SCOPED_TRACE(disk_lost);
    TearDown();
    SetUp();
    send(0, 12, [this](int p, int hour) { return hour == 2 && p < 30 ? Json{{"temp", 37.5 + 0.8 * normal_(random_)}} : Json::object(); });
    const Progress before = run();
    if (disk_lost) fs::remove_all(config_.store.path);
    work();
    const Progress after = pipeline_->progress();
    EXPECT_EQ(after.learned.features, before.learned.features);
    EXPECT_EQ(after.model_version.substr(0, 6), before.model_version.substr(0, 6)) << "no step was taken";
    EXPECT_EQ(after.learned.features[1].observations, 30U);
    EXPECT_EQ(after.learned.features[1].patients, 30U);
  }
}

}  // namespace
}  // namespace lacuna::daemon
