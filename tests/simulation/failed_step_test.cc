// A step that fails while the learner holds the loop up: the partitions are paused then, the poll that keeps the member in its
// group gives one of them up, and the failure is noticed in there. The next poll puts the read positions back, so whatever is
// thrown away after it is lost.
//
// Schedules cannot draw this: how long the learner holds the loop up depends on its thread. There such a poll comes only after poison.

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>

#include "daemon/pipeline/pipeline.h"
#include "tests/simulation/stream.h"
#include "tests/support/scratch_folder.h"
#include "tests/support/simulated_log.h"

namespace lacuna::simulation {
namespace {

using daemon::Config;
using daemon::Pipeline;
using streaming::Fault;

constexpr int kEvents = 150, kPatients = 6;
constexpr int kTurnsMax = 2000;
/// Every so many batches a step is refused and another member joins, until the failure was noticed where it matters.
constexpr int kTroubleEvery = 3;

class FailedStep : public ::testing::Test {
 protected:
  Config config() const {
    Config c;
    c.data_dir = scratch_.path();
    c.store.path = c.data_dir + "/state";
    c.schema = std::make_shared<Schema>(small_schema());
    c.log.partitions = 2;
    c.topics.events = {"events"};
    c.batch.max_events = 12;
    c.model.latent_dim = 16;
    c.model.hidden_dim = 128;
    // One step for each example, and room for fewer than a batch has.
    c.train.batch_size = 64;
    c.train.examples_per_step = 1;
    c.train.queue_examples_max = 8;
    c.predict.samples = 1;
    c.store.memory_bytes_max = 8u << 20;
    c.http.enabled = false;
    c.checkpoint_every = c.checkpoint_publish_every = std::chrono::hours(24 * 365);
    return c;
  }
  void send(const Config& c) {
    std::vector<streaming::TopicSpec> topics{{"events", c.log.partitions, {}}};
    for (const std::string& name :
         {c.topics.imputations, c.topics.alerts, c.topics.dead_letters, c.topics.state, c.topics.model, c.topics.transfers}) {
      topics.push_back({name, c.log.partitions, {}});
    }
    ASSERT_TRUE(log_.ensure_topics(topics).ok());
    auto appender = log_.appender();
    for (int i = 0; i < kEvents; ++i) {
      const std::string patient = "p" + std::to_string(i % kPatients);
      const std::string event = R"({"schema_version":1,"event_id":"e)" + std::to_string(i) + R"(","patient_id":")" + patient +
                                R"(","modality":"vitals","time":")" + format_rfc3339(clock_.now() + std::chrono::seconds(i)) +
                                R"(","values":{"hr":)" + std::to_string(60 + i % 50) + "}}";
      ASSERT_TRUE((*appender)->append({"events", {}, patient, event, {}}).ok());
    }
  }
  std::uint64_t count(Fault fault) const { return log_.counts()[static_cast<std::size_t>(fault)]; }

  void make_trouble(std::string_view point) {
    if (point == "encoded" && count(Fault::failed_in_paused_poll) == 0 && ++batches_ % kTroubleEvery == 0) {
      log_.set_probability(Fault::commit_aborted, 1);
      trouble_ = true;
    }
    if (point != "commit_started" || !std::exchange(trouble_, false)) return;
    log_.set_probability(Fault::commit_aborted, 0);
    auto other = log_.open(config().log.group, "other");
    ASSERT_TRUE(other.ok());
    other_ = std::move(*other);
    ASSERT_TRUE(other_->subscribe({"events"}, {}).ok());
    ASSERT_TRUE(other_->poll(0, Millis(0)).ok());
  }
  /// The events that the daemon counts, over all partitions.
  static std::int64_t consumed(const Pipeline& pipeline) {
    std::int64_t sum = 0;
    for (const auto& [partition, counts] : pipeline.progress().partitions) sum += static_cast<std::int64_t>(counts.consumed);
    return sum;
  }

  const lacuna::testing::ScratchFolder scratch_;
  std::mt19937_64 random_{1};
  streaming::SimulatedClock clock_{*parse_rfc3339("2026-03-01T00:00:00Z")};
  streaming::SimulatedLog log_{clock_, random_};
  std::unique_ptr<streaming::EventLog> other_;
  int batches_ = 0;
  bool trouble_ = false;
};

TEST_F(FailedStep, NoticedInAPollOfPausedPartitionsCostsNoRecord) {
  const Config c = config();
  send(c);
  Pipeline::Hooks hooks;
  hooks.sleep = [this](Millis pause) { clock_.advance(pause); };
  hooks.steady = [this] { return clock_.steady(); };
  hooks.at_point = [this](std::string_view point, auto) { make_trouble(point); };
  auto made = Pipeline::make(
      c, log_, [this] { return clock_.now(); }, hooks);
  ASSERT_TRUE(made.ok()) << made.status().to_string();
  int idle = 0;
  for (int turn = 0; idle < 5 && turn < kTurnsMax; ++turn) {
    const std::uint64_t noticed = count(Fault::failed_in_paused_poll);
    const auto worked = (*made)->turn();
    ASSERT_TRUE(worked.ok()) << worked.status().to_string();
    idle = *worked ? 0 : idle + 1;
    // What the other one had comes back, and the first poll after the failure is refused.
    other_.reset();
    log_.set_probability(Fault::rewind_refused, count(Fault::failed_in_paused_poll) > noticed ? 1 : 0);
  }
  EXPECT_EQ(count(Fault::failed_in_paused_poll), 1u) << "the learner never held the loop up";
  EXPECT_EQ(count(Fault::rewind_refused), 1u);
  EXPECT_EQ((*made)->progress().recovery.rejoins, 0u);
  EXPECT_EQ(consumed(**made), kEvents);
}

}  // namespace
}  // namespace lacuna::simulation
