// A random history on a real broker: tests/robustness/random_history_test.cc has many, and the faults.

#include <gtest/gtest.h>

#include "tests/integration/kafka_broker.h"
#include "tests/support/history/history_run.h"

namespace lacuna::history {
namespace {

class KafkaHouse final : public House {
 public:
  explicit KafkaHouse(std::string bootstrap) : bootstrap_(std::move(bootstrap)), base_(integration::unique_name("history")) { reopen(); }
  streaming::LogFactory& log() override { return *log_; }
  void reopen() override {
    auto made = streaming::make_kafka_log({.bootstrap_servers = bootstrap_, .properties = {}});
    if (!made.ok()) throw std::runtime_error(made.status().to_string());
    log_ = std::move(*made);
  }
  void name_topics(daemon::Config& config) override {
    config.log.kind = daemon::LogKind::kafka;
    config.log.kafka.bootstrap_servers = bootstrap_;
    config.log.group = base_;
    daemon::Config::Topics& t = config.topics;
    t.events = {base_ + ".events"};
    for (std::string* topic : {&t.imputations, &t.alerts, &t.dead_letters, &t.state, &t.model, &t.transfers}) *topic = base_ + "." + *topic;
  }

 private:
  const std::string bootstrap_, base_;
  std::unique_ptr<streaming::LogFactory> log_;
};

class KafkaHistory : public ::testing::TestWithParam<std::uint64_t> {};

TEST_P(KafkaHistory, IsWhatAPlainRecomputationGives) {
  const auto broker = integration::broker();
  if (!broker) GTEST_SKIP() << "no broker: set LACUNA_TEST_KAFKA, or let CTest start one (Maven Central is needed)";
  KafkaHouse house(broker->bootstrap);
  Options options;
  options.seed = GetParam();
  options.events = 2000;
  options.sent_at_once = 200;
  options.poll_wait = Millis(100);
  Statistics statistics;
  EXPECT_EQ(history::Run(house, options, statistics).run(), "");
}

INSTANTIATE_TEST_SUITE_P(Seeds, KafkaHistory, ::testing::Values(1, 2));

}  // namespace
}  // namespace lacuna::history
