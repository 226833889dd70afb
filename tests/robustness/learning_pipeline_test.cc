// What the loop learns from, when that serves, and later passes, through the whole loop on an embedded log.
//
// Goal: patients of a single moment are learned from; which version serves a batch follows from counts, so the output does not depend on
// how fast the learner is; passes after the first change the model and nothing else. Method: the same events through daemons that differ
// in one thing, whose outputs are compared record by record.

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <map>

#include "daemon/pipeline/pipeline.h"
#include "daemon/pipeline/stream_state.h"
#include "daemon/simulator/ward.h"
#include "state/store.h"
#include "streaming/messages/encoders.h"
#include "tests/robustness/pipeline_fixture.h"

namespace lacuna::daemon {
namespace {

WardOptions small_ward() {
  WardOptions w;
  w.beds = 20;
  w.duration = std::chrono::hours(20);
  w.start = *parse_rfc3339("2026-01-01T00:00:00Z");
  w.seed = 5;
  return w;
}

/// What a daemon did with the events.
struct Outcome {
  Progress progress;
  std::map<std::string, std::vector<std::string>> published;  ///< by topic: keys and values
  std::uint64_t calibrated = 0;                               ///< values that intervals are calibrated by
};

std::uint64_t calibrated_by(const Config& config) {
  StreamState state(config);
  const auto store = state::Store::open(*config.schema, config.store);
  EXPECT_TRUE(store.ok()) << store.status().to_string();
  EXPECT_TRUE(state.load(config, **store).ok());
  std::uint64_t out = 0;
  for (FeatureId f = 0; f < config.schema->feature_count(); ++f) {
    for (std::size_t r = 0; r < model::kRecencyCount; ++r) out += state.calibrator.updates(f, static_cast<model::Recency>(r));
  }
  return out;
}

class Learning : public ::testing::Test {
 protected:
  /// `one_moment`: each patient's events of its first moment alone.
  Outcome run(int passes, const std::function<void(Config&)>& change = {}, bool one_moment = false) {
    const std::filesystem::path directory = scratch("learning-" + std::to_string(++runs_));
    Config config = small_config(directory);
    config.train.examples_per_step = 20;
    config.train.replay_ratio = 0;  // what is drawn depends on how much is in the store by then
    if (change) change(config);
    const auto log = open_log(config);
    EXPECT_TRUE(log->ensure_topics({{config.topics.events.front(), kPartitions, {}}}).ok());
    auto made = log->appender();
    EXPECT_TRUE(made.ok());
    const auto appender = std::move(*made);
    std::map<std::string, Time> begun;
    simulate_ward(ward_, [&](const Event& event, const WardTruth&) {
      if (one_moment && event.values.empty()) return true;  // an admission
      const Time first = begun.try_emplace(event.patient_id, event.time).first->second;
      if (one_moment && event.time != first) return true;
      EXPECT_TRUE(
          appender
              ->append({config.topics.events.front(), std::nullopt, event.patient_id, streaming::encode_event(*config.schema, event), {}})
              .ok());
      return true;
    });
    EXPECT_TRUE(appender->flush().ok());
    patients_ = begun.size();
    Outcome out;
    {
      auto pipeline = Pipeline::make(config, *log, after(ward_), {});
      EXPECT_TRUE(pipeline.ok()) << pipeline.status().to_string();
      EXPECT_TRUE((*pipeline)->run(true, passes).ok());
      out.progress = (*pipeline)->progress();
    }
    out.calibrated = calibrated_by(config);
    for (const std::string& topic : {config.topics.imputations, config.topics.alerts, config.topics.dead_letters, config.topics.state}) {
      for (const streaming::Record& r : read_all(*log, topic)) out.published[topic].push_back(r.key + " " + r.value.value_or(""));
    }
    std::filesystem::remove_all(directory);
    return out;
  }

  WardOptions ward_ = small_ward();
  std::size_t patients_ = 0;

 private:
  int runs_ = 0;
};

TEST_F(Learning, AFirstMomentIsAnExample) {
  const Progress p = run(1, {}, true).progress;
  EXPECT_GE(p.learner.examples, static_cast<std::int64_t>(patients_));
  EXPECT_GE(p.replay_size, patients_);
  EXPECT_EQ(p.scores.count, 0U) << "predicted from nothing, it would be no prediction";
  EXPECT_EQ(p.learner.steps, p.learner.examples / 20);
}

TEST_F(Learning, WhatServesDoesNotDependOnTheLearnersPace) {
  const Outcome quick = run(1), held_up = run(1, [](Config&c) { c.train.queue_examples_max = 20; });
  EXPECT_GT(quick.progress.learner.steps, 20);
  EXPECT_EQ(quick.published, held_up.published);
  EXPECT_EQ(quick.progress.model_version, held_up.progress.model_version);
  EXPECT_EQ(quick.progress.scores.error_model, held_up.progress.scores.error_model);
}

// A version of what came long before serves where it may serve late only: fewer values are scored, since there is no model yet.
TEST_F(Learning, ALaterVersionServesLater) {
  const Outcome soon = run(1, [](Config&c) { c.train.serve_after = 2; }), late = run(1, [](Config&c) { c.train.serve_after = 8; });
  EXPECT_GT(soon.progress.scores.count, late.progress.scores.count);
  EXPECT_GT(late.progress.scores.count, 0U);
  EXPECT_EQ(soon.progress.model_version, late.progress.model_version) << "what is learned is the same";
  EXPECT_GE(late.progress.learner_wait_seconds, 0);
}

TEST_F(Learning, LaterPassesOnlyLearn) {
  const Outcome one = run(1), three = run(3);
  EXPECT_EQ(one.published, three.published);
  EXPECT_EQ(one.progress.counts.consumed, three.progress.counts.consumed);
  EXPECT_EQ(one.progress.learner.examples, three.progress.learner.examples);
  EXPECT_EQ(one.progress.scores.count, three.progress.scores.count);
  EXPECT_EQ(one.progress.scores.error_model, three.progress.scores.error_model);
  EXPECT_EQ(one.progress.replay_size, three.progress.replay_size);
  EXPECT_NEAR(static_cast<double>(three.progress.learner.steps),
              static_cast<double>(one.progress.learner.steps) + 2 * static_cast<double>(one.progress.replay_size) / 20, 3);
  EXPECT_NE(one.progress.model_version, three.progress.model_version);
  EXPECT_EQ(one.calibrated, three.calibrated) << "so few patients are all learned from";
}

TEST_F(Learning, OfManyPatientsSomeAreLeftOutOfLaterPassesAndCalibrate) {
  ward_.beds = 100;
  ward_.duration = std::chrono::hours(6);
  const Outcome one = run(1), three = run(3);
  ASSERT_GE(patients_, 64U);
  EXPECT_EQ(one.published, three.published);
  const auto examples = static_cast<double>(one.progress.replay_size);
  const auto again = 20 * static_cast<double>(three.progress.learner.steps - one.progress.learner.steps) / 2;
  EXPECT_GT(again, 0.75 * examples);
  EXPECT_LT(again, 0.95 * examples) << "one patient in eight is left out";
  const double more = static_cast<double>(three.calibrated) - static_cast<double>(one.calibrated);
  EXPECT_GT(more, 0.05 * static_cast<double>(one.calibrated));
  EXPECT_LT(more, static_cast<double>(one.calibrated)) << "once, not in each pass";
}

}  // namespace
}  // namespace lacuna::daemon
