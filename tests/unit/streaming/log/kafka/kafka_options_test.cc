#include <gtest/gtest.h>

#include "streaming/log/event_log.h"

namespace lacuna::streaming {
namespace {

// Protects: a wrong property is reported before anything starts, by name and without its value (it may be a password).
TEST(KafkaOptions, RefusesWhatLibrdkafkaDoesNotTake) {
  const auto unknown = make_kafka_log({.properties = {{"sasl.pasword", "secret"}}});
  ASSERT_EQ(unknown.code(), Code::invalid);
  EXPECT_NE(unknown.status().message().find("sasl.pasword"), std::string::npos);
  const auto value = make_kafka_log({.properties = {{"security.protocol", "secret"}}});
  ASSERT_EQ(value.code(), Code::invalid);
  EXPECT_EQ(value.status().message().find("secret"), std::string::npos);
  EXPECT_TRUE(make_kafka_log({.properties = {{"security.protocol", "plaintext"}, {"linger.ms", "20"}}}).ok());
}

// Protects: nobody configures exactly-once away.
TEST(KafkaOptions, KeepsWhatTheGuaranteesRestOn) {
  for (const char* name :
       {"enable.auto.commit", "isolation.level", "enable.idempotence", "transactional.id", "group.id", "partitioner", "acks"}) {
    EXPECT_EQ(make_kafka_log({.properties = {{name, "1"}}}).code(), Code::invalid) << name;
  }
}

// Protects: no broker, no hang: opening a member of a group ends after the time limit and says that waiting may help.
TEST(KafkaOptions, SaysWhenNoBrokerAnswers) {
  const auto log = make_kafka_log({.bootstrap_servers = "127.0.0.1:1", .properties = {}, .request_timeout = Millis(300)});
  ASSERT_TRUE(log.ok());
  EXPECT_EQ((*log)->open("g", "id").code(), Code::unavailable);
  EXPECT_EQ((*log)->ensure_topics({{"t", 1, {}}}).code(), Code::unavailable);
  EXPECT_EQ((*(*log)->reader())->bounds({"t", 0}).code(), Code::unavailable);
}

}  // namespace
}  // namespace lacuna::streaming
