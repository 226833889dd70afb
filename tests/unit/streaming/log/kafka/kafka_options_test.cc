#include <gtest/gtest.h>

#include "streaming/log/event_log.h"
#include "streaming/log/kafka_properties.h"

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

// Protects: what librdkafka knows is what it says itself, and a slip is named.
TEST(KafkaOptions, KnowsThePropertiesAndNamesTheOneThatWasMeant) {
  EXPECT_EQ(kafka_property_problem("socket.keepalive.enable", "true"), std::nullopt);
  EXPECT_EQ(kafka_property_problem("sasl.password", "secret"), std::nullopt);
  EXPECT_EQ(kafka_property_problem("message.timeout.ms", "1000"), std::nullopt) << "of a topic";
  EXPECT_EQ(kafka_property_problem("sasl.pasword", "secret"), "librdkafka has no such property; did you mean sasl.password?");
  EXPECT_EQ(kafka_property_problem("ssl.ca.locaton", "x"), "librdkafka has no such property; did you mean ssl.ca.location?");
  EXPECT_EQ(kafka_property_problem("message.timout.ms", "1000"), "librdkafka has no such property; did you mean message.timeout.ms?");
  EXPECT_EQ(kafka_property_problem("nothing.like.it.at.all", "1"), "librdkafka has no such property");
  EXPECT_EQ(kafka_property_problem("linger.ms", "secret"), "librdkafka does not take this value");
  EXPECT_EQ(kafka_property_problem("acks", "1"), "is set by the log itself");
  EXPECT_EQ(kafka_property_problem("plugin.library.paths", "/nonexistent"), std::nullopt) << "nothing is loaded";
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
