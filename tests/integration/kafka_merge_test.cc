// Persons are merged, and records forwarded, between two instances on a real broker: tests/robustness/merge_test.cc has the rules.

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "daemon/pipeline/pipeline.h"
#include "state/store.h"
#include "streaming/messages/encoders.h"
#include "tests/integration/kafka_broker.h"
#include "tests/robustness/pipeline_fixture.h"

namespace lacuna::daemon {
namespace {

constexpr Time kStart = Time(std::chrono::hours(24 * 365 * 56));
constexpr std::int32_t kInputs = 4;
constexpr int kPairs = 6, kHours = 30;

class KafkaMerge : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto broker = integration::broker();
    if (!broker) GTEST_SKIP() << "no broker: set LACUNA_TEST_KAFKA, or let CTest start one (Maven Central is needed)";
    bootstrap_ = broker->bootstrap;
    base_ = integration::unique_name("merge");
    directory_ = scratch("kafka-merge");
  }
  void TearDown() override {
    if (!directory_.empty()) fs::remove_all(directory_);
  }
  Config config(const std::string& instance) const {
    Config c = small_config(directory_ / instance);
    c.instance = instance;
    c.log.kind = LogKind::kafka;
    c.log.kafka.bootstrap_servers = bootstrap_;
    c.log.group = base_;
    c.log.partitions = kInputs;
    c.identity_forward = true;
    c.state_history = 1000;
    Config::Topics& t = c.topics;
    t.events = {base_ + ".events"};
    for (std::string* topic : {&t.imputations, &t.alerts, &t.dead_letters, &t.state, &t.model, &t.transfers}) *topic = base_ + "." + *topic;
    return c;
  }
  std::unique_ptr<streaming::LogFactory> log() const {
    auto made = streaming::make_kafka_log({.bootstrap_servers = bootstrap_, .properties = {}});
    EXPECT_TRUE(made.ok());
    return std::move(*made);
  }
  static std::string one(int pair) { return "one-" + std::to_string(pair); }
  static std::string other(int pair) { return "other-" + std::to_string(pair); }

  void append(streaming::Appender& to, const Config& c, const Event& e, bool anywhere) const {
    std::optional<std::int32_t> partition;
    if (anywhere) partition = static_cast<std::int32_t>(e.values.front().value) % kInputs;
    ASSERT_TRUE(to.append({c.topics.events.front(), partition, e.patient_id, streaming::encode_event(*c.schema, e), {}}).ok());
  }
  /// Each third record lies in a partition that is perhaps not its own; each pair is merged half way.
  void feed(const Config& c) const {
    const auto factory = log();
    auto to = factory->appender();
    ASSERT_TRUE(to.ok());
    for (int h = 0; h < kHours; ++h) {
      for (int pair = 0; pair < kPairs; ++pair) {
        Event e;
        if (h == kHours / 2) {
          e.event_id = "merge";
          e.patient_id = one(pair);
          e.time = kStart;
          e.person = PersonChange::merge;
          e.merged_into = other(pair);
          append(**to, c, e, false);
        }
        e = {};
        e.event_id = "visit-" + std::to_string(h);
        e.patient_id = h % 2 == 0 ? one(pair) : other(pair);
        e.time = kStart + std::chrono::hours(h);
        e.modality = c.schema->find_modality("vitals");
        e.values = {{0, 60.0 + h}};
        append(**to, c, e, h % 3 == 0);
      }
      ASSERT_TRUE((*to)->flush().ok());
      std::this_thread::sleep_for(Millis(50));
    }
  }

  std::string bootstrap_, base_;
  fs::path directory_;
};

TEST_F(KafkaMerge, BetweenTwoInstances) {
  const std::vector<std::string> names{"a", "b"};
  std::vector<std::unique_ptr<streaming::LogFactory>> logs;
  std::vector<std::unique_ptr<Pipeline>> pipelines;
  std::vector<std::thread> threads;
  for (const std::string& name : names) {
    logs.push_back(log());
    auto made = Pipeline::make(config(name), *logs.back(), [] { return kStart + std::chrono::hours(24 * 30); }, {});
    ASSERT_TRUE(made.ok()) << made.status().to_string();
    pipelines.push_back(std::move(*made));
    threads.emplace_back([&pipeline = *pipelines.back()] { EXPECT_TRUE(pipeline.run(false).ok()); });
  }
  const auto all = [&](const auto& holds) {
    for (int i = 0; i < 1200; ++i) {
      if (holds()) return true;
      std::this_thread::sleep_for(Millis(100));
    }
    return false;
  };
  EXPECT_TRUE(all([&] {
    return std::ranges::all_of(pipelines,
                               [](const auto& p) { return p->ready().ok() && p->progress().assigned_partitions == kInputs / 2; });
  }));
  feed(config("a"));
  const auto done = [&](int pair) {
    for (const auto& p : pipelines) {
      const auto found = p->patient(other(pair));
      if (found.ok() && found->features[0].count == kHours) return true;
    }
    return false;
  };
  EXPECT_TRUE(all([&] {
    for (int pair = 0; pair < kPairs; ++pair) {
      if (!done(pair)) return false;
    }
    return true;
  }));
  EventCounts counts;
  for (const auto& p : pipelines) {
    counts += p->progress().counts;
    p->stop();
  }
  for (std::thread& t : threads) t.join();
  pipelines.clear();
  EXPECT_EQ(counts.merged, static_cast<std::uint64_t>(kPairs));
  EXPECT_EQ(counts.dead_letters, 0U);

  // Whoever comes without a disk gets all of it.
  const Config fresh = config("c");
  const auto factory = log();
  auto made = Pipeline::make(fresh, *factory, [] { return kStart + std::chrono::hours(24 * 30); }, {});
  ASSERT_TRUE(made.ok());
  ASSERT_TRUE((*made)->run(true).ok());
  EXPECT_EQ((*made)->progress().counts.consumed, 0U);
  made->reset();
  auto store = state::Store::open(*fresh.schema, fresh.store);
  ASSERT_TRUE(store.ok());
  for (int pair = 0; pair < kPairs; ++pair) {
    const auto merged = (*store)->snapshot(other(pair));
    ASSERT_TRUE(merged.ok());
    EXPECT_EQ(merged->features[0].count, static_cast<std::uint32_t>(kHours));
    EXPECT_EQ(merged->features[0].last, 60.0 + kHours - 1);
    EXPECT_EQ((*store)->snapshot(one(pair))->merged_into, other(pair));
  }
}

}  // namespace
}  // namespace lacuna::daemon
