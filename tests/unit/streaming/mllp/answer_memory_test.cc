// Goal: a message that comes twice is known, another one under its control id is not taken for it, and what is remembered is bounded.
#include "streaming/mllp/answer_memory.h"

#include <gtest/gtest.h>

#include <string>

namespace lacuna::streaming::mllp {
namespace {

AnswerMemory::Key key(const std::string& sender, const std::string& control_id, const std::string& rest = "") {
  const std::string message = "MSH|^~\\&|" + sender + "|F|||2026||ORU^R01|" + control_id + "|P|2.5\r" + rest;
  return AnswerMemory::key_of(read_header(message), message);
}
const Time kNow = *parse_rfc3339("2026-01-01T00:00:00Z");

TEST(AnswerMemory, KnowsTheSameBytesOfTheSameSenderAgain) {
  AnswerMemory memory(10);
  EXPECT_FALSE(memory.find(key("A", "1")));
  memory.remember(key("A", "1"), {5, kNow});
  ASSERT_TRUE(memory.find(key("A", "1")));
  EXPECT_EQ(memory.find(key("A", "1"))->number, 5u);
  EXPECT_EQ(memory.find(key("A", "1"))->time, kNow);
  EXPECT_FALSE(memory.find(key("B", "1")));
  EXPECT_FALSE(memory.find(key("A", "2")));
}

// A sender that begins to count anew must not lose its messages to those of yesterday.
TEST(AnswerMemory, OtherBytesUnderAControlIdAreAnotherMessage) {
  AnswerMemory memory(10);
  memory.remember(key("A", "1", "PID|||1\r"), {5, kNow});
  EXPECT_FALSE(memory.find(key("A", "1", "PID|||2\r")));
  EXPECT_TRUE(memory.is_reused(key("A", "1", "PID|||2\r")));
  EXPECT_FALSE(memory.is_reused(key("A", "1", "PID|||1\r")));
  memory.remember(key("A", "1", "PID|||2\r"), {7, kNow});
  EXPECT_EQ(memory.find(key("A", "1", "PID|||2\r"))->number, 7u);
  EXPECT_FALSE(memory.find(key("A", "1", "PID|||1\r")));
}

TEST(AnswerMemory, WithoutAControlIdNothingIsRemembered) {
  AnswerMemory memory(10);
  memory.remember(key("A", ""), {5, kNow});
  EXPECT_FALSE(memory.find(key("A", "")));
  EXPECT_FALSE(memory.is_reused(key("A", "", "x")));
}

TEST(AnswerMemory, TheOldestIsForgotten) {
  AnswerMemory memory(3), none(0);
  for (int i = 0; i < 10; ++i) {
    memory.remember(key("A", std::to_string(i)), {static_cast<std::uint64_t>(i), kNow});
    none.remember(key("A", std::to_string(i)), {1, kNow});
    for (int j = 0; j <= i; ++j) EXPECT_EQ(memory.find(key("A", std::to_string(j))).has_value(), j > i - 3) << i << " " << j;
  }
  EXPECT_FALSE(none.find(key("A", "9")));
}

}  // namespace
}  // namespace lacuna::streaming::mllp
