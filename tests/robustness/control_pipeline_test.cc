// What an operator decides at one instance, at all of them.
//
// Goal: a decision made at one of two instances is carried out by both, each once, whether it runs at that moment or is down, and survives
// a restart; who decided and why stands in the alert; what an instance cannot read does not stop it. Method: two whole daemons on a
// simulated log without faults, on one thread, whose detectors have just raised the same alert.

#include <gtest/gtest.h>

#include <array>
#include <future>
#include <nlohmann/json.hpp>
#include <random>

#include "daemon/pipeline/pipeline.h"
#include "model/drift/monitor.h"
#include "state/store.h"
#include "streaming/messages/encoders.h"
#include "tests/robustness/pipeline_fixture.h"
#include "tests/support/simulated_log.h"

namespace lacuna::daemon {
namespace {

using std::chrono::hours;
using Action = OperatorCommand::Action;

constexpr const char* kSubject = "vitals.temp";
const Time kStart = *parse_rfc3339("2026-01-01T00:00:00Z");

class Control : public ::testing::Test {
 protected:
  void SetUp() override {
    directory_ = scratch("control");
    for (std::size_t i = 0; i < 2; ++i) {
      Config& c = configs_[i] = small_config(directory_ / std::to_string(i));
      c.instance = "lacuna-" + std::to_string(i);
      c.store.path = c.data_dir + "/state";
      c.alert_response.on_critical = OnCritical::nothing;
      fs::create_directories(c.data_dir);
      auto store = state::Store::open(*c.schema, c.store);
      ASSERT_TRUE(store.ok()) << store.status().to_string();
      state::StateChange change;
      change.meta["monitor"] = alarmed(c);
      ASSERT_TRUE((*store)->apply(change).ok());
    }
    ASSERT_TRUE(log_.ensure_topics({{configs_[0].topics.events.front(), kPartitions, {}}}).ok());
    auto appender = log_.appender();
    ASSERT_TRUE(appender.ok());
    WardOptions ward;
    ward.beds = 20;
    ward.duration = hours(2);
    ward.start = kStart;
    const FeatureId silent = *configs_[0].schema->find_feature(configs_[0].schema->find_modality("vitals"), "temp");
    simulate_ward(ward, [&](Event event, const WardTruth&) {
      std::erase_if(event.values, [&](const FeatureValue& v) { return v.feature == silent; });
      if (event.values.empty()) return true;
      const std::string value = streaming::encode_event(*configs_[0].schema, event);
      return (*appender)->append({configs_[0].topics.events.front(), std::nullopt, event.patient_id, value, {}}).ok();
    });
  }
  void TearDown() override {
    for (auto& pipeline : pipelines_) pipeline.reset();
    fs::remove_all(directory_);
  }

  static std::string alarmed(const Config& config) {
    drift::Monitor monitor(*config.schema, config.alerts);
    const FeatureId feature = *config.schema->find_feature(config.schema->find_modality("vitals"), "temp");
    for (int hour = 0; monitor.open_alerts().empty() && hour < 90; ++hour) {
      for (int patient = 0; patient < 20; ++patient) {
        const bool missed = hour >= 60 || (hour + patient) % 10 == 0;
        monitor.observe(drift::Scored{"p" + std::to_string(patient), feature, kStart - hours(100) + hours(hour), 0, missed, 0.5, {}});
      }
    }
    EXPECT_EQ(monitor.open_alerts().size(), 1u);
    return monitor.save();
  }
  void start(std::size_t i) {
    Pipeline::Hooks hooks;
    hooks.sleep = [this](Millis pause) { clock_.advance(pause); };
    auto made = Pipeline::make(
        configs_[i], log_, [this] { return clock_.now(); }, hooks);
    ASSERT_TRUE(made.ok()) << made.status().to_string();
    pipelines_[i] = std::move(*made);
  }
  void turn() {
    clock_.advance(Millis(10));
    for (auto& pipeline : pipelines_) {
      if (!pipeline) continue;
      const auto worked = pipeline->turn();
      ASSERT_TRUE(worked.ok()) << worked.status().to_string();
    }
  }
  void until_ready() {
    const auto ready = [](const auto& p) { return !p || (p->ready().ok() && p->progress().lag == 0 && p->progress().counts.consumed > 0); };
    for (int i = 0; i < 3000 && !(ready(pipelines_[0]) && ready(pipelines_[1])); ++i) turn();
    for (auto& pipeline : pipelines_) ASSERT_TRUE(!pipeline || pipeline->ready().ok());
  }
  Status command(std::size_t i, OperatorCommand c) {
    auto answer = std::async(std::launch::async, [&] { return pipelines_[i]->command(c); });
    while (answer.wait_for(Millis(0)) != std::future_status::ready) turn();
    for (int more = 0; more < 5; ++more) turn();
    return answer.get();
  }
  drift::SubjectView view(std::size_t i, const std::string& kind, const std::string& subject) const {
    for (const auto& s : pipelines_[i]->progress().subjects) {
      if (s.kind == kind && s.subject == subject) return s;
    }
    ADD_FAILURE() << "no subject " << kind << "/" << subject;
    return {};
  }
  drift::SubjectState state(std::size_t i) const { return view(i, "coverage", kSubject).state; }
  /// What was done, of the resolved alerts.
  std::vector<std::string> accepted() {
    std::vector<std::string> out;
    for (const auto& r : read_all(log_, configs_[0].topics.alerts)) {
      const auto json = nlohmann::json::parse(*r.value);
      if (json.at("kind") == "coverage" && json.at("subject") == kSubject && json.contains("resolution"))
        out.push_back(json.value("action", ""));
    }
    return out;
  }

  fs::path directory_;
  std::mt19937_64 random_{1};
  streaming::SimulatedClock clock_{kStart + hours(3)};
  streaming::SimulatedLog log_{clock_, random_};
  std::array<Config, 2> configs_;
  std::array<std::unique_ptr<Pipeline>, 2> pipelines_;
};

OperatorCommand by_anna(Action action, const std::string& kind, const std::string& subject, Millis duration = {}) {
  OperatorCommand c{action, kind, subject, duration};
  c.by = "anna";
  c.why = "new thermometers";
  return c;
}

TEST_F(Control, ADecisionReachesEveryInstance) {
  start(0);
  start(1);
  until_ready();
  ASSERT_EQ(state(0), drift::SubjectState::alarmed);
  ASSERT_EQ(state(1), drift::SubjectState::alarmed);
  ASSERT_TRUE(command(0, by_anna(Action::mute, "missingness", "vitals", hours(48))).ok());
  EXPECT_GT(view(0, "missingness", "vitals").muted_until, kStart + hours(48));
  EXPECT_EQ(view(1, "missingness", "vitals").muted_until, view(0, "missingness", "vitals").muted_until);
  ASSERT_TRUE(command(1, by_anna(Action::accept, "coverage", kSubject)).ok());
  EXPECT_EQ(state(0), drift::SubjectState::learning);
  EXPECT_EQ(state(1), drift::SubjectState::learning);
  EXPECT_EQ(accepted(), std::vector<std::string>(2, "accepted by anna: new thermometers"));
  for (const auto& pipeline : pipelines_) {
    const auto decisions = pipeline->progress().decisions;
    ASSERT_EQ(decisions.size(), 2u);
    EXPECT_EQ(decisions[0].command.by, "anna");
    EXPECT_EQ(decisions[1].command.action, Action::mute);
  }
  // Nothing is alarmed any more: only by force.
  EXPECT_EQ(command(0, by_anna(Action::accept, "coverage", kSubject)).code(), Code::invalid);
  EXPECT_EQ(command(0, by_anna(Action::accept, "coverage", "no.such")).code(), Code::not_found);
  ASSERT_TRUE(command(0, by_anna(Action::unmute, "missingness", "vitals")).ok());
  EXPECT_EQ(view(1, "missingness", "vitals").muted_until, Time::min());
}

TEST_F(Control, WhoWasDownCarriesItOutAtItsStartAndOnce) {
  start(0);
  until_ready();
  ASSERT_TRUE(command(0, by_anna(Action::accept, "coverage", kSubject)).ok());
  ASSERT_EQ(accepted().size(), 1u);
  start(1);
  for (int i = 0; i < 200; ++i) turn();
  EXPECT_EQ(state(1), drift::SubjectState::learning);
  EXPECT_EQ(accepted().size(), 2u);
  for (const std::size_t i : {0u, 1u}) {
    pipelines_[i].reset();  // without the loop's orderly end
    start(i);
  }
  for (int i = 0; i < 200; ++i) turn();
  EXPECT_EQ(state(0), drift::SubjectState::learning);
  EXPECT_EQ(state(1), drift::SubjectState::learning);
  EXPECT_EQ(accepted().size(), 2u) << "read again, it was done again";
  ASSERT_EQ(pipelines_[1]->progress().decisions.size(), 1u);
}

TEST_F(Control, WhatCannotBeReadIsPassedOver) {
  start(0);
  until_ready();
  auto appender = log_.appender();
  ASSERT_TRUE(appender.ok());
  const std::string& topic = configs_[0].topics.control;
  for (const char* value : {"", "{", "[]", R"({"schema_version":2})", R"({"schema_version":1,"command":"rollback","kind":"","subject":""})",
                            R"({"schema_version":1,"command":"mute","kind":"missingness","subject":"vitals"})"}) {
    ASSERT_TRUE((*appender)->append({topic, 0, "x", value, {}}).ok());
  }
  ASSERT_TRUE((*appender)->append({topic, 0, "x", std::nullopt, {}}).ok());
  for (int i = 0; i < 20; ++i) turn();
  EXPECT_EQ(state(0), drift::SubjectState::alarmed);
  EXPECT_TRUE(pipelines_[0]->progress().decisions.empty());
  ASSERT_TRUE(command(0, by_anna(Action::accept, "coverage", kSubject)).ok());
  EXPECT_EQ(state(0), drift::SubjectState::learning);
}

}  // namespace
}  // namespace lacuna::daemon
