// Goal: what is refused can be found, understood and sent again. Method: examples of the contract in docs/messages.md.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "streaming/messages/dead_letter.h"
#include "streaming/messages/refusal.h"

namespace lacuna::streaming {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

const LetterSender kSender{"lacuna", "lacuna-0"};

Record original() {
  Record record;
  record.position = {"lacuna.events", 3, 88121};
  record.timestamp = Time(Millis(1'767'225'600'000));
  record.key = std::string("k\0ey", 4);
  record.value = std::string("\xff\0 not json", 11);
  record.headers = {{"traceparent", "00-1"}, {"traceparent", "00-2"}};
  return record;
}

TEST(DeadLetter, KeepsTheBytesAndSaysWhereAndWhy) {
  const OutputRecord letter =
      make_dead_letter("lacuna.dead-letters", kSender, original(), Refusal::out_of_range, "decode", "vitals.hr: no");
  EXPECT_EQ(letter.topic, "lacuna.dead-letters");
  EXPECT_EQ(letter.key, original().key);
  EXPECT_EQ(letter.value, original().value);
  EXPECT_FALSE(letter.partition);
  EXPECT_EQ(letter.timestamp, original().timestamp);
  EXPECT_THAT(letter.headers,
              ElementsAre(Pair("traceparent", "00-1"), Pair("traceparent", "00-2"), Pair("__connect.errors.topic", "lacuna.events"),
                          Pair("__connect.errors.partition", "3"), Pair("__connect.errors.offset", "88121"),
                          Pair("__connect.errors.connector.name", "lacuna"), Pair("__connect.errors.task.id", "lacuna-0"),
                          Pair("__connect.errors.stage", "decode"), Pair("__connect.errors.class.name", "lacuna"),
                          Pair("__connect.errors.exception.class.name", "out_of_range"),
                          Pair("__connect.errors.exception.message", "vitals.hr: no"), Pair("__connect.errors.exception.stacktrace", "")));
}

TEST(DeadLetter, ARecordWithoutATimeHasNone) {
  Record record = original();
  record.timestamp = {};
  EXPECT_FALSE(make_dead_letter("d", kSender, record, Refusal::unit, "decode", "no").timestamp);
}

TEST(DeadLetter, ATombstoneStaysOne) {
  Record tombstone = original();
  tombstone.value.reset();
  EXPECT_FALSE(make_dead_letter("d", kSender, tombstone, Refusal::malformed, "decode", "no value").value);
}

TEST(DeadLetter, ALongReasonIsCutBetweenCharacters) {
  std::string reason;
  while (reason.size() < 5000) reason += "a\xC3\xA4";
  for (int shift = 0; shift < 3; ++shift) {
    reason.insert(0, "x");
    const OutputRecord letter = make_dead_letter("d", kSender, original(), Refusal::unit, "decode", reason);
    const std::string& told = letter.headers[letter.headers.size() - 2].second;
    EXPECT_LE(told.size(), 1024U);
    EXPECT_GT(told.size(), 1000U);
    const std::string kept = told.substr(0, told.size() - 3);
    EXPECT_EQ(reason.substr(0, kept.size()), kept);
    EXPECT_NE(static_cast<unsigned char>(reason[kept.size()]) & 0xC0U, 0x80U) << "cut inside a character";
  }
}

TEST(DeadLetter, EveryReasonHasItsOwnName) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < kRefusalCount; ++i) names.insert(to_string(static_cast<Refusal>(i)));
  EXPECT_EQ(names.size(), kRefusalCount);
  EXPECT_FALSE(names.contains("unknown"));
}

}  // namespace
}  // namespace lacuna::streaming
