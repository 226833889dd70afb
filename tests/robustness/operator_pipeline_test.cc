// What operators decide about detectors, and what an open critical alert does to learning, through the whole loop.
//
// Goal: a decision is published and durable when the call returns, whatever ends the process next, and raises no second alert;
// learning is frozen or sped up while a critical alert is open, after a restart too, and resumes. Method: a store whose monitor
// has just raised a critical alert, and a ward that says nothing of its subject, so that it stays open; the loop is turned by
// the test, and dropped without its orderly end.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <nlohmann/json.hpp>

#include "daemon/pipeline/pipeline.h"
#include "daemon/pipeline/store_quarantine.h"
#include "model/drift/monitor.h"
#include "state/store.h"
#include "streaming/messages/encoders.h"
#include "tests/robustness/pipeline_fixture.h"

namespace lacuna::daemon {
namespace {

using std::chrono::hours;

constexpr const char* kSubject = "vitals.temp";

WardOptions small_ward() {
  WardOptions w;
  w.beds = 30;
  w.duration = hours(30);
  w.start = *parse_rfc3339("2026-01-01T00:00:00Z");
  w.seed = 3;
  return w;
}

/// As it is when an alert about kSubject has been raised and not been told yet.
std::string alarmed_monitor(const Config& config) {
  drift::Monitor monitor(*config.schema, config.alerts);
  const Schema& schema = *config.schema;
  const FeatureId feature = *schema.find_feature(schema.find_modality("vitals"), "temp");
  const Time start = small_ward().start - hours(100);
  for (int hour = 0; monitor.open_alerts().empty() && hour < 90; ++hour) {
    for (int patient = 0; patient < 20; ++patient) {
      const bool missed = hour >= 60 || (hour + patient) % 10 == 0;
      monitor.observe(drift::Scored{"p" + std::to_string(patient), feature, start + hours(hour), 0, missed, 0.5, {}});
    }
  }
  EXPECT_EQ(monitor.open_alerts().size(), 1u);
  return monitor.save();
}

class Operator : public ::testing::Test {
 protected:
  void SetUp() override {
    directory_ = scratch("operator");
    config_ = small_config(directory_);
    log_ = open_log(config_);
    ASSERT_TRUE(log_->ensure_topics({{config_.topics.events.front(), kPartitions, {}}}).ok());
    auto store = state::Store::open(*config_.schema, config_.store);
    ASSERT_TRUE(store.ok()) << store.status().to_string();
    state::StateChange change;
    change.meta["monitor"] = alarmed_monitor(config_);
    ASSERT_TRUE((*store)->apply(change).ok());
    const FeatureId silent = *config_.schema->find_feature(config_.schema->find_modality("vitals"), "temp");
    simulate_ward(small_ward(), [&](Event event, const WardTruth&) {
      std::erase_if(event.values, [&](const FeatureValue& v) { return v.feature == silent; });
      if (!event.values.empty()) events_.push_back(std::move(event));
      return true;
    });
  }
  void TearDown() override {
    pipeline_.reset();
    fs::remove_all(directory_);
  }

  /// A new process, as far as the loop can tell.
  void restart() {
    pipeline_.reset();  // without the loop's orderly end
    auto made = Pipeline::make(config_, *log_, after(small_ward()), {});
    ASSERT_TRUE(made.ok()) << made.status().to_string();
    pipeline_ = std::move(*made);
    until_idle();
  }
  /// The events of these hours of the ward.
  void send(hours from, hours until) {
    auto appender = log_->appender();
    ASSERT_TRUE(appender.ok());
    const Time start = small_ward().start;
    for (const Event& e : events_) {
      if (e.time < start + from || e.time >= start + until) continue;
      ASSERT_TRUE((*appender)
                      ->append({config_.topics.events.front(), std::nullopt, e.patient_id, streaming::encode_event(*config_.schema, e), {}})
                      .ok());
    }
    ASSERT_TRUE((*appender)->flush().ok());
  }
  void until_idle() {
    for (int idle = 0; idle < 5;) {
      const auto worked = pipeline_->turn();
      ASSERT_TRUE(worked.ok()) << worked.status().to_string();
      const Progress p = pipeline_->progress();
      idle = !*worked && p.lag == 0 && p.learner.queued == 0 ? idle + 1 : 0;
    }
  }
  Status command(OperatorCommand c) {
    auto answer = std::async(std::launch::async, [&] { return pipeline_->command(c); });
    while (answer.wait_for(Millis(0)) != std::future_status::ready) EXPECT_TRUE(pipeline_->turn().ok());
    return answer.get();
  }
  drift::SubjectView view(const std::string& kind, const std::string& subject) const {
    for (const auto& s : pipeline_->progress().subjects) {
      if (s.kind == kind && s.subject == subject) return s;
    }
    ADD_FAILURE() << "no subject " << kind << "/" << subject;
    return {};
  }
  /// "raised", "resolved accepted", ... of the subject, in order.
  std::vector<std::string> told(const std::string& member = "resolution") {
    std::vector<std::string> out;
    for (const auto& r : read_all(*log_, config_.topics.alerts)) {
      const auto json = nlohmann::json::parse(*r.value);
      if (json.at("kind") != "coverage" || json.at("subject") != kSubject || json.at("state") == "updated") continue;
      out.push_back(json.at("state"));
      if (json.contains(member)) out.back() += " " + json.at(member).get<std::string>();
    }
    return out;
  }

  fs::path directory_;
  Config config_;
  std::unique_ptr<streaming::LogFactory> log_;
  std::vector<Event> events_;
  std::unique_ptr<Pipeline> pipeline_;
};

TEST_F(Operator, DecisionsAreDurableWhenTheCallReturns) {
  {
    auto early = Pipeline::make(config_, *log_, after(small_ward()), {});
    ASSERT_TRUE(early.ok());
    EXPECT_EQ((*early)->command({}).code(), Code::unavailable) << "not ready";
  }
  send(hours(0), hours(20));
  restart();
  ASSERT_EQ(view("coverage", kSubject).state, drift::SubjectState::alarmed);
  ASSERT_EQ(told(), std::vector<std::string>{"raised"});
  const std::uint64_t counted = pipeline_->progress().counts.alerts;

  EXPECT_EQ(command({OperatorCommand::Action::accept, "coverage", "no.such", {}}).code(), Code::not_found);
  ASSERT_TRUE(command({OperatorCommand::Action::mute, "missingness", "vitals", hours(48)}).ok());
  ASSERT_TRUE(command({OperatorCommand::Action::accept, "coverage", kSubject, {}}).ok());
  EXPECT_EQ(view("coverage", kSubject).state, drift::SubjectState::learning) << "seen at once";
  EXPECT_EQ(pipeline_->progress().counts.alerts, counted + 1);
  const Time newest = pipeline_->progress().event_time;

  restart();
  EXPECT_EQ(told(), (std::vector<std::string>{"raised", "resolved accepted"}));
  EXPECT_EQ(view("coverage", kSubject).state, drift::SubjectState::learning);
  EXPECT_EQ(view("missingness", "vitals").muted_until, newest + hours(48)) << "of clinical time";
  EXPECT_EQ(pipeline_->progress().event_time, newest) << "known before anything new comes";
  send(hours(20), hours(30));
  until_idle();
  EXPECT_EQ(told(), (std::vector<std::string>{"raised", "resolved accepted"})) << "no second alert";
  ASSERT_TRUE(command({OperatorCommand::Action::unmute, "missingness", "vitals", {}}).ok());
  EXPECT_EQ(view("missingness", "vitals").muted_until, Time::min());
}

TEST_F(Operator, ACommandBetweenBatchesDisturbsNone) {
  send(hours(0), hours(30));
  config_.batch.max_events = 30;
  auto made = Pipeline::make(config_, *log_, after(small_ward()), {});
  ASSERT_TRUE(made.ok());
  pipeline_ = std::move(*made);
  while (!pipeline_->ready().ok()) ASSERT_TRUE(pipeline_->turn().ok());
  int answered = 0;
  while (pipeline_->progress().lag > 0) {
    ASSERT_TRUE(command({OperatorCommand::Action::mute, "missingness", "liver", hours(1)}).ok());
    ++answered;
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(pipeline_->turn().ok());
  }
  until_idle();
  EXPECT_GT(answered, 3);
  const Progress p = pipeline_->progress();
  EXPECT_EQ(p.counts.consumed, events_.size());
  EXPECT_EQ(p.counts.consumed, p.counts.applied);
  EXPECT_EQ(p.aborted_batches, 0u);
}

TEST_F(Operator, FreezesLearningWhileACriticalAlertIsOpen) {
  config_.alert_response.on_critical = OnCritical::freeze;
  config_.alert_response.react_for = hours(1000);
  send(hours(0), hours(10));
  restart();
  ASSERT_EQ(told("action"), std::vector<std::string>{"raised learning frozen"});
  const std::size_t replay = pipeline_->progress().replay_size;
  EXPECT_GT(replay, 0u);
  for (int again = 0; again < 2; ++again) {
    const Progress p = pipeline_->progress();
    EXPECT_EQ(p.steps_multiplier, 0);
    EXPECT_EQ(p.open_alerts.at(0).action, "learning frozen");
    EXPECT_GT(p.replay_size, 0u);
    EXPECT_EQ(p.learner.steps, 0);
    EXPECT_EQ(p.learner.examples, 0);
    EXPECT_TRUE(p.model_version.starts_with("000000-")) << p.model_version;
    if (again == 1) break;
    send(hours(10), hours(20));
    restart();
  }
  EXPECT_GT(pipeline_->progress().replay_size, replay) << "examples are kept for later";
  ASSERT_TRUE(command({OperatorCommand::Action::accept, "coverage", kSubject, {}}).ok());
  EXPECT_EQ(told("action").back(), "resolved accepted; learning resumed");
  EXPECT_EQ(pipeline_->progress().steps_multiplier, 1);
  send(hours(20), hours(30));
  until_idle();
  EXPECT_GT(pipeline_->progress().learner.steps, 0);
}

// Nobody has looked at the alert for more than a day: learning goes on, and the alert stays open and says so.
TEST_F(Operator, AnAlertThatIsHeldForLongNoLongerFreezesLearning) {
  config_.alert_response.on_critical = OnCritical::freeze;
  send(hours(0), hours(20));
  restart();
  const Progress p = pipeline_->progress();
  ASSERT_EQ(view("coverage", kSubject).state, drift::SubjectState::alarmed);
  EXPECT_EQ(p.steps_multiplier, 1);
  EXPECT_GT(p.learner.steps, 0);
  EXPECT_EQ(p.open_alerts.at(0).action, "learning resumed after 1d");
}

TEST_F(Operator, LearnsFasterWhileACriticalAlertIsOpen) {
  config_.alert_response = {OnCritical::adapt, 5, hours(1000)};
  send(hours(0), hours(20));
  restart();
  ASSERT_EQ(told("action"), std::vector<std::string>{"raised learning sped up 5 times"});
  const Progress p = pipeline_->progress();
  EXPECT_EQ(p.steps_multiplier, 5);
  EXPECT_GT(p.learner.steps, 20);
  EXPECT_EQ(p.learner.steps, 5 * p.learner.examples / config_.train.examples_per_step);
}

}  // namespace
}  // namespace lacuna::daemon
