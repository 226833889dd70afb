// Groups of patients through the whole loop.
//
// Goal: a patient's values count in the groups of what the patient turns out to be, also where that is told in a message of its own, long
// after them, and across a restart; the sum over the parts is everybody; who is forgotten is no longer moved. Method: sixty patients, two
// vital signs every hour, ages with the admission, deaths at the end.

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

#include "daemon/pipeline/pipeline.h"
#include "tests/robustness/pipeline_fixture.h"

namespace lacuna::daemon {
namespace {

using Json = nlohmann::json;

constexpr int kPatients = 60;

Schema declared() {
  std::vector<Schema::ModalitySpec> specs(1);
  specs[0].modality.name = "vitals";
  specs[0].features.resize(2);
  specs[0].features[0].name = "hr";
  specs[0].features[1].name = "sbp";
  Attribute age, died;
  age.name = "age";
  age.bands = {0, 50, 100};
  age.subgroup = true;
  died.name = "died";
  died.categories = {"no", "yes"};
  died.subgroup = died.outcome = true;
  return Schema::make(std::move(specs), {age, died}).value();
}

class SubgroupsLoop : public ::testing::Test {
 protected:
  void SetUp() override {
    directory_ = scratch("subgroups");
    config_ = small_config(directory_);
    config_.schema = std::make_shared<Schema>(declared());
    config_.subgroups_together = {"age+died"};
    config_.train.batch_size = 32;
    config_.train.examples_per_step = 8;
    config_.train.publish_every_steps = 5;
    log_ = open_log(config_);
    ASSERT_TRUE(log_->ensure_topics({{config_.topics.events.front(), kPartitions, {}}}).ok());
  }
  void TearDown() override {
    log_.reset();
    fs::remove_all(directory_);
  }

  static std::string id(int patient) { return "o" + std::to_string(patient); }
  static double age(int patient) { return patient % 3 == 0 ? 30 : 70; }

  void append(const std::string& patient, Json event) {
    auto appender = log_->appender();
    ASSERT_TRUE(appender.ok());
    event["schema_version"] = 1;
    event["patient_id"] = patient;
    ASSERT_TRUE((*appender)->append({config_.topics.events.front(), std::nullopt, patient, event.dump(), {}}).ok());
    ASSERT_TRUE((*appender)->flush().ok());
  }
  void send_hours(int first, int hours) {
    for (int hour = first; hour < first + hours; ++hour) {
      for (int p = 0; p < kPatients; ++p) {
        Json event{{"event_id", id(p) + "-" + std::to_string(hour)},
                   {"modality", "vitals"},
                   {"time", format_rfc3339(start_ + std::chrono::hours(hour))},
                   {"values", {{"hr", std::round(85 + 12 * normal_(random_))}, {"sbp", std::round(120 + 15 * normal_(random_))}}}};
        if (hour == 3) event["attributes"] = {{"age", age(p)}};  // some hours late
        append(id(p), event);
      }
    }
  }
  void send_outcome(int patient, bool died) {
    append(id(patient), {{"event_id", id(patient) + "-outcome"},
                         {"time", format_rfc3339(start_ + std::chrono::hours(60))},
                         {"attributes", {{"died", died ? "yes" : "no"}}}});
  }

  std::map<std::string, model::SubgroupFigures> run() {
    auto made = Pipeline::make(config_, *log_, [this] { return start_ + std::chrono::hours(24 * 365); }, {});
    EXPECT_TRUE(made.ok()) << made.status().to_string();
    const Status done = (*made)->run(true);
    EXPECT_TRUE(done.ok()) << done.to_string();
    std::map<std::string, model::SubgroupFigures> out;
    for (const model::SubgroupFigures& f : (*made)->progress().subgroups) out[f.name] = f;
    return out;
  }

  fs::path directory_;
  Config config_;
  std::unique_ptr<streaming::LogFactory> log_;
  const Time start_ = *parse_rfc3339("2026-01-01T00:00:00Z");
  std::mt19937_64 random_{11};
  std::normal_distribution<double> normal_;
};

TEST_F(SubgroupsLoop, AValueCountsByWhatThePatientTurnsOutToBe) {
  send_hours(0, 24);
  auto before = run();
  ASSERT_EQ(before.size(), 1u + 2 + 2 + 4);
  ASSERT_GT(before["all"].values, 500u);
  EXPECT_EQ(before["all"].patients, 60u);
  EXPECT_EQ(before["age=0-50"].patients, 20u);
  EXPECT_EQ(before["age=0-50"].values + before["age=50-100"].values, before["all"].values) << "those before the age came as well";
  EXPECT_EQ(before["died=yes"].values, 0u);

  for (int p = 0; p < 30; ++p) send_outcome(p, p % 2 == 0);
  auto after = run();  // a restart later
  EXPECT_EQ(after["all"].values, before["all"].values);
  EXPECT_EQ(after["died=yes"].patients, 15u);
  EXPECT_EQ(after["died=no"].patients, 15u);
  EXPECT_EQ(after["age=0-50,died=yes"].patients, 5u);
  EXPECT_EQ(after["age=0-50,died=yes"].values + after["age=50-100,died=yes"].values, after["died=yes"].values);
  EXPECT_NEAR(static_cast<double>(after["died=yes"].values), static_cast<double>(after["all"].values) / 4, 60.0);
  EXPECT_GT(after["died=yes"].mae, 0);

  append(id(0), {{"event_id", "forget"}, {"time", format_rfc3339(start_ + std::chrono::hours(61))}, {"patient", {{"forget", true}}}});
  send_outcome(30, true);
  auto forgotten = run();
  EXPECT_EQ(forgotten["died=yes"].patients, 16u) << "what was counted stays";
  append(
      id(0),
      {{"event_id", "another"}, {"time", format_rfc3339(start_ + std::chrono::hours(62))}, {"attributes", {{"age", 30}, {"died", "no"}}}});
  EXPECT_EQ(run()["died=yes"].patients, 16u) << "nobody knows any more whose values these are";
}

// What is published and what is answered are one and the same, and only where it is asked for.
TEST_F(SubgroupsLoop, TheLatentStateIsPublishedAndAnswered) {
  send_hours(0, 6);
  run();
  for (const auto& record : read_all(*log_, config_.topics.imputations)) EXPECT_FALSE(Json::parse(*record.value).contains("latent"));
  const std::size_t before = read_all(*log_, config_.topics.imputations).size();

  config_.imputation_latent = true;
  send_hours(6, 2);
  auto made = Pipeline::make(config_, *log_, [this] { return start_ + std::chrono::hours(24 * 365); }, {});
  ASSERT_TRUE(made.ok());
  for (int idle = 0; idle < 5;) idle = *(*made)->turn() ? 0 : idle + 1;
  std::map<std::string, Json> newest;
  const auto records = read_all(*log_, config_.topics.imputations);
  ASSERT_GT(records.size(), before);
  for (const auto& record : records) newest[record.key] = Json::parse(*record.value);
  ASSERT_EQ(newest.size(), static_cast<std::size_t>(kPatients));
  std::size_t same = 0;
  for (const auto& [patient, message] : newest) {
    ASSERT_EQ(message.at("latent").at("mean").size(), 4U) << patient;
    ASSERT_EQ(message.at("latent").at("sd").size(), 4U);
    streaming::ImputeRequest request{(*made)->patient(patient).value()};
    request.latent = true;
    const Imputation answer = (*made)->impute(request).value();
    ASSERT_TRUE(answer.latent);
    if (answer.model_version != message.at("model_version")) continue;
    ++same;
    EXPECT_NEAR(answer.latent->mean[1], message["latent"]["mean"][1].get<double>(), 1e-4);
    EXPECT_NEAR(answer.latent->sd[1], message["latent"]["sd"][1].get<double>(), 1e-4);
  }
  RecordProperty("of_the_same_version", static_cast<int>(same));
}

}  // namespace
}  // namespace lacuna::daemon
