#include "tests/integration/kafka_broker.h"
#include "tests/support/event_log_contract.h"

// The Kafka log keeps the contract of event_log.h on a real broker.

namespace lacuna::streaming {
namespace {

class KafkaUnderTest final : public LogUnderTest {
 public:
  explicit KafkaUnderTest(std::string bootstrap) : bootstrap_(std::move(bootstrap)), prefix_(integration::unique_name("")) { reopen(); }
  LogFactory& factory() override { return *factory_; }
  void reopen() override {
    factory_.reset();
    auto made = make_kafka_log({.bootstrap_servers = bootstrap_, .properties = {}});
    if (!made.ok()) throw std::runtime_error(made.status().to_string());
    factory_ = std::move(*made);
  }
  std::string name(const std::string& base) override { return prefix_ + base; }

 private:
  const std::string bootstrap_, prefix_;
  std::unique_ptr<LogFactory> factory_;
};

std::unique_ptr<LogUnderTest> make_kafka() {
  const auto broker = integration::broker();
  return broker ? std::make_unique<KafkaUnderTest>(broker->bootstrap) : nullptr;
}

INSTANTIATE_TEST_SUITE_P(Kafka, EventLogContract, ::testing::Values(MakeLog{make_kafka}), [](const auto&) { return "Log"; });

}  // namespace
}  // namespace lacuna::streaming
