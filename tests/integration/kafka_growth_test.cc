// A schema that changes between two starts, on a real broker: tests/robustness/schema_growth_test.cc has the whole matrix.

#include <gtest/gtest.h>

#include "tests/integration/kafka_broker.h"
#include "tests/support/schema_growth.h"

namespace lacuna::daemon {
namespace {

class KafkaGrowth : public SchemaGrowth {
 protected:
  void SetUp() override {
    const auto broker = integration::broker();
    if (!broker) GTEST_SKIP() << "no broker: set LACUNA_TEST_KAFKA, or let CTest start one (Maven Central is needed)";
    bootstrap_ = broker->bootstrap;
    SchemaGrowth::SetUp();
  }
  std::unique_ptr<streaming::LogFactory> open_log_here() override {
    auto made = streaming::make_kafka_log({.bootstrap_servers = bootstrap_, .properties = {}});
    EXPECT_TRUE(made.ok());
    return std::move(*made);
  }
  void name_topics() override {
    const std::string base = integration::unique_name("growth");
    config_.log.kind = LogKind::kafka;
    config_.log.kafka.bootstrap_servers = bootstrap_;
    config_.log.group = base;
    Config::Topics& t = config_.topics;
    t.events = {base + ".events"};
    for (std::string* topic : {&t.imputations, &t.alerts, &t.dead_letters, &t.state, &t.model, &t.transfers}) *topic = base + "." + *topic;
  }

 private:
  std::string bootstrap_;
};

TEST_P(KafkaGrowth, IsARestart) { is_a_restart(GetParam()); }

std::vector<Case> some() {
  std::vector<Case> out;
  for (const Change& change : changes()) {
    if (change.name == "feature_in_front") out.push_back({change, false, false});
    if (change.name == "modality_removed") out.push_back({change, true, false});
    if (change.name == "all_at_once") out.push_back({change, false, true});
  }
  return out;
}

INSTANTIATE_TEST_SUITE_P(OnABroker, KafkaGrowth, ::testing::ValuesIn(some()), [](const auto& tested) { return name_of(tested.param); });

}  // namespace
}  // namespace lacuna::daemon
