// What the configuration says of the listener: where its messages go without being told, and what belongs together.
#include <gtest/gtest.h>

#include "daemon/config/listener_config.h"
#include "tests/unit/daemon/config/config_helpers.h"

namespace lacuna::daemon {
namespace {

std::string topic_of(const std::string& text) {
  const auto listener = parse_listener(kMinimal + text, "c.yaml");
  return listener.ok() ? listener->mllp.topic : listener.status().message();
}
std::string problem_of(const std::string& text) {
  const ConfigOutcome outcome = parse_config(kMinimal + text, "c.yaml");
  return outcome.problems.size() == 1 ? format_problem(outcome.problems[0]) : told(outcome.problems);
}

TEST(ListenerKeys, MessagesGoToTheFirstTopicThatHoldsThem) {
  EXPECT_EQ(topic_of(""), "");
  EXPECT_EQ(topic_of("topics: {events: [plain, {topic: '^adt.*', format: hl7v2}, {topic: j, format: json}, {topic: a, format: hl7v2}, "
                     "{topic: b, format: hl7v2}]}\n"),
            "a");
  EXPECT_EQ(topic_of("topics: {events: [{topic: a, format: hl7v2}]}\nmllp: {topic: other}\n"), "other");
}

TEST(ListenerKeys, ATopicOfOurOwnIsNoPlaceForMessages) {
  EXPECT_EQ(problem_of("mllp: {topic: lacuna.state}\n"),
            "c.yaml:6:8: mllp.topic: topic lacuna.state is used for topics.state and for mllp.topic");
  EXPECT_EQ(problem_of("mllp: {topic: ^a}\n"), "c.yaml:6:8: mllp.topic: a pattern is no place to write to: name a topic");
  EXPECT_EQ(problem_of("topics: {events: [a]}\nmllp: {topic: a}\n"), "") << "of events it is";
}

TEST(ListenerKeys, CertificateAndKeyBelongTogether) {
  EXPECT_EQ(problem_of("mllp:\n  tls: {key: k}\n"), "c.yaml:7:9: mllp.tls.key: needs mllp.tls.certificate");
  EXPECT_EQ(problem_of("mllp:\n  tls: {certificate: c}\n"), "c.yaml:7:9: mllp.tls.certificate: needs mllp.tls.key");
  EXPECT_EQ(problem_of("mllp:\n  tls: {client_ca: c}\n"), "c.yaml:7:9: mllp.tls.client_ca: needs mllp.tls.certificate");
  EXPECT_EQ(problem_of("mllp:\n  tls: {certificate: c, key: k, client_ca: a}\n"), "");
}

TEST(ListenerKeys, OverridesAndTheFileReachTheListener) {
  const auto listener =
      parse_listener(kMinimal + "mllp: {port: 1234, in_flight_bytes: 8MiB, http: {port: 1}}\n", "c", {"mllp.in_flight_max=7"});
  ASSERT_TRUE(listener.ok()) << listener.status().message();
  EXPECT_EQ(listener->mllp.port, 1234);
  EXPECT_EQ(listener->mllp.in_flight_bytes, 8u << 20);
  EXPECT_EQ(listener->mllp.in_flight_max, 7u);
  EXPECT_EQ(listener->http.port, 1);
  EXPECT_EQ(parse_listener("mllp: {port: x}", "c").code(), Code::invalid);
}

}  // namespace
}  // namespace lacuna::daemon
