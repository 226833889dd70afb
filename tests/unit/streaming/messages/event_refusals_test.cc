// Goal: what does not follow docs/messages.md is refused for the right reason, loses nothing that is good, and the reason
// gives away nothing of a patient. Method: a table of broken events; a good event with each bad value mixed in.
#include <gtest/gtest.h>

#include <vector>

#include "streaming/messages/event_decoder.h"
#include "tests/unit/streaming/messages/message_fixture.h"

namespace lacuna::streaming {
namespace {

using namespace lacuna::streaming::testing;

constexpr const char* kPatient = "secretpatient";
constexpr const char* kEventId = "secretevent";

// A good event with some text replaced.
std::string with(const std::string& from = "", const std::string& to = "") {
  std::string text = R"({"schema_version":1,"event_id":"secretevent","patient_id":"secretpatient","site":"icu","modality":"vitals",)"
                     R"("time":"2026-01-01T00:00:00Z","values":{"hr":73}})";
  if (from.empty()) return text;
  const auto place = text.find(from);
  if (place == std::string::npos) throw std::logic_error("not in the message: " + from);
  return text.replace(place, from.size(), to);
}

class EventRefusals : public ::testing::Test {
 protected:
  EventDecoder::Outcome decode(const std::string& text, CodecLimits limits = {}) {
    return EventDecoder(schema_, limits).decode(text, now());
  }
  void expect_refused(const std::string& text, Refusal reason, CodecLimits limits = {}) {
    const auto outcome = decode(text, limits);
    ASSERT_TRUE(outcome.refused) << "taken: " << text;
    EXPECT_EQ(to_string(outcome.refused->reason), to_string(reason)) << outcome.refused->message << " for " << text;
    expect_discreet(outcome.refused->message);
  }
  static void expect_discreet(const std::string& message) {
    EXPECT_FALSE(message.empty());
    for (const char* secret : {kPatient, kEventId, "4711", "Mustermann"}) {
      EXPECT_EQ(message.find(secret), std::string::npos) << message;
    }
  }
  const Schema schema_ = make_schema();
};

TEST_F(EventRefusals, TheGoodEventIsGood) { EXPECT_TRUE(decode(with()).decoded); }

// Protects: what is said of a result, a person or a stay is taken as docs/messages.md has it, or not at all.
TEST_F(EventRefusals, WhatIsSaidOfResultsPersonsAndStays) {
  const std::string values = R"("modality":"vitals",)";
  const auto beside = [&](const std::string& members) { return with(values, values + members + ","); };
  const auto alone = [&](const std::string& members) {
    return R"({"schema_version":1,"event_id":"secretevent","patient_id":"secretpatient","time":"2026-01-01T00:00:00Z",)" + members + "}";
  };
  for (const char* good : {R"("result":{"id":"4711"})", R"("result":{"id":"4711","revision":-1.5})", R"("status":"final")",
                           R"("result":{"revision":"2026-01-01T00:00:00Z","id":"4711"})", R"("stay":{"ends":true})",
                           R"("stay":{"site":"ward"})", R"("status":"entered_in_error")"}) {
    EXPECT_TRUE(decode(beside(good)).decoded) << good;
  }
  for (const char* good : {R"("patient":{"forget":true})", R"("patient":{"merged_into":"4711"})", R"("stay":{"ends":true})",
                           R"("status":"cancelled")", R"("status":"cancelled","modality":"vitals")"}) {
    EXPECT_TRUE(decode(alone(good)).decoded) << good;
  }
  for (const char* bad : {R"("result":"4711")",
                          R"("result":{})",
                          R"("result":{"revision":1})",
                          R"("result":{"id":""})",
                          R"("result":{"id":4711})",
                          R"("result":{"id":"a","id":"b"})",
                          R"("result":{"id":"a","more":1})",
                          R"("result":{"id":"a","revision":"4711"})",
                          R"("result":{"id":"a","revision":"2026-01-01T00:00:00"})",
                          R"("result":{"id":"a","revision":null})",
                          R"("result":{"id":"a","revision":1e999})",
                          R"("result":{"id":"a","revision":true})",
                          R"("result":{"id":"a","revision":{"value":1}})",
                          R"("result":{"id":"a\u0000"})",
                          R"("result":{"id":"a"},"result":{"id":"a"})",
                          R"("status":"Mustermann")",
                          R"("status":1)",
                          R"("status":null)",
                          R"("status":"Final")",
                          R"("stay":{"ends":false})",
                          R"("stay":{"ends":"yes"})",
                          R"("stay":{"site":""})",
                          R"("stay":{"ends":true,"site":"ward"})",
                          R"("stay":{})",
                          R"("stay":{"begins":true})",
                          R"("stay":true)",
                          R"("patient":{"forget":true})",
                          R"("patient":{"merged_into":"4711"})"}) {
    expect_refused(beside(bad), Refusal::malformed);
  }
  for (const char* bad : {R"("patient":{"forget":false})", R"("patient":{})", R"("patient":{"merged_into":"secretpatient"})",
                          R"("patient":{"merged_into":"4711","forget":true})", R"("patient":{"merged_into":""})",
                          R"("patient":{"forget":true},"status":"final")", R"("patient":{"forget":true},"stay":{"ends":true})",
                          R"("patient":{"forget":true},"modality":"vitals")", R"("status":"corrected")", R"("result":{"id":"a"})"}) {
    expect_refused(alone(bad), Refusal::malformed);
  }
  expect_refused(beside(R"("result":{"id":")" + std::string(129, 'a') + "\"}"), Refusal::too_large);
  expect_refused(alone(R"("patient":{"unmerged_from":"4711"})"), Refusal::unsupported);
  expect_refused(alone(R"("status":"cancelled","stay":{"ends":true})"), Refusal::unsupported);
}

// Protects: a withdrawal withdraws what it names; where it names nothing good it must not turn into one of everything.
TEST_F(EventRefusals, WithdrawalsWithBadNames) {
  const std::string hr = R"("values":{"hr":73})";
  const auto withdrawal = [&](const std::string& named) { return with(hr, R"("status":"entered_in_error","values":)" + named); };
  expect_refused(withdrawal(R"({"no_such":null})"), Refusal::unknown_feature);
  expect_refused(withdrawal(R"({"hr":[4711]})"), Refusal::malformed);
  expect_refused(withdrawal(R"({"hr":{"value":4711,"imputed":true}})"), Refusal::imputed);
  expect_refused(withdrawal(R"({"hr":null,"hr":null})"), Refusal::malformed);
  const auto some = decode(withdrawal(R"({"hr":null,"no_such":null})"));
  ASSERT_TRUE(some.decoded);
  EXPECT_EQ(some.decoded->event.values.size(), 1U);
  EXPECT_EQ(some.decoded->refused.size(), 1U);
  const auto all = decode(withdrawal("{}"));
  ASSERT_TRUE(all.decoded);
  EXPECT_TRUE(all.decoded->event.values.empty());
  const auto with_attributes = decode(withdrawal(R"({"hr":4711},"attributes":{"age":40})"));
  ASSERT_TRUE(with_attributes.decoded);
  EXPECT_TRUE(with_attributes.decoded->event.attributes.empty());
  ASSERT_EQ(with_attributes.decoded->refused.size(), 1U);
  EXPECT_EQ(with_attributes.decoded->refused[0].reason, Refusal::unsupported);
  expect_refused(with(hr, R"("values":{"hr":null})"), Refusal::malformed);
}

TEST_F(EventRefusals, WhatIsNotJson) {
  for (const std::string& text :
       std::vector<std::string>{"",
                                " ",
                                "null",
                                "[]",
                                "73",
                                "{",
                                "}",
                                with() + "}",
                                with() + "x",
                                with() + with(),
                                with().substr(0, with().size() - 1),
                                with("73", "073"),
                                with("73", "+73"),
                                with("73", "73."),
                                with("73", ".5"),
                                with("73", "NaN"),
                                with("73", "tru"),
                                with("73", "nul"),
                                with("73", "'a'"),
                                with("73", "73,"),
                                with("\"site\"", "site"),
                                with("icu", "\xff"),
                                with("icu", "\xED\xA0\x80"),
                                with("icu", "\\ud83d"),
                                with("icu", "a\nb"),
                                with("icu", "\\x41"),
                                with("\"site\":", "\"site\""),
                                with(",\"site\"", "\"site\""),
                                with("\"hr\":73", "\"hr\":73 \"temp\":37"),
                                with("}}", "]}"),
                                with("{\"hr\"", "[\"hr\""),
                                with("\"site\"", "\"x_a\":tru,\"site\""),
                                with("\"site\"", "\"x_a\":[1,],\"site\""),
                                with("\"site\"", "\"x_a\":{\"b\"},\"site\""),
                                with("\"site\"", "\"x_a\":" + std::string(40, '[') + std::string(40, ']') + ",\"site\"")}) {
    expect_refused(text, Refusal::malformed);
  }
}

TEST_F(EventRefusals, WrongMembers) {
  for (const std::string& text : std::vector<std::string>{"{}",
                                                          with("\"schema_version\":1", "\"schema_version\":2"),
                                                          with("\"schema_version\":1", "\"schema_version\":\"1\""),
                                                          with("\"schema_version\":1,", ""),
                                                          with("\"event_id\":\"secretevent\",", ""),
                                                          with("\"patient_id\":\"secretpatient\",", ""),
                                                          with("\"modality\":\"vitals\",", ""),
                                                          with("\"time\":\"2026-01-01T00:00:00Z\",", ""),
                                                          with("\"secretpatient\"", "4711"),
                                                          with("\"secretpatient\"", "null"),
                                                          with("\"secretpatient\"", "\"\""),
                                                          with("\"secretevent\"", "\"\""),
                                                          with("secretpatient", "secretpatient\\u0000"),
                                                          with("icu", "a\\nb"),
                                                          with("secretevent", "\\u007f"),
                                                          with("\"icu\"", "[4711]"),
                                                          with(",\"values\":{\"hr\":73}", ""),
                                                          with("{\"hr\":73}", "{}"),
                                                          with("{\"hr\":73}", "[4711]"),
                                                          with("{\"hr\":73}", "null"),
                                                          with("\"site\"", "\"attributes\":3,\"site\""),
                                                          with("\"site\"", "\"meta\":3,\"site\""),
                                                          with("\"site\"", "\"imputed\":0,\"site\""),
                                                          with("\"site\"", "\"vaules\":{},\"site\""),
                                                          with("\"site\"", "\"Mustermann\":1,\"site\""),
                                                          with("\"site\"", "\"4711\":1,\"site\""),
                                                          with("\"site\"", "\"site\":\"icu\",\"site\""),
                                                          with("\"time\"", "\"values\":{\"temp\":37},\"time\"")}) {
    expect_refused(text, Refusal::malformed);
  }
}

TEST_F(EventRefusals, Times) {
  for (const char* time : {"", "4711", "2026-01-01T00:00:00", "2026-01-01 00:00:00Z", "2026-02-30T00:00:00Z", "2026-01-01T24:00:00Z",
                           "2026-01-01", "2026-01-02T01:00:00.001Z", "2227-01-01T00:00:00Z"}) {
    expect_refused(with("2026-01-01T00:00:00Z", time), Refusal::time);
  }
  EXPECT_TRUE(decode(with("2026-01-01T00:00:00Z", "2026-01-02T01:00:00Z")).decoded) << "just at the limit";
}

TEST_F(EventRefusals, Limits) {
  CodecLimits limits;
  limits.message_bytes_max = with().size();
  EXPECT_TRUE(decode(with(), limits).decoded);
  expect_refused(with() + " ", Refusal::too_large, limits);
  limits = {};
  limits.id_bytes_max = 13;
  EXPECT_TRUE(decode(with(), limits).decoded);
  limits.id_bytes_max = 12;
  expect_refused(with(), Refusal::too_large, limits);
  limits = {};
  limits.values_max = 2;
  EXPECT_TRUE(decode(with("\"hr\":73", "\"hr\":73,\"temp\":37"), limits).decoded);
  expect_refused(with("\"hr\":73", "\"hr\":73,\"temp\":37,\"a\":1"), Refusal::too_large, limits);
}

TEST_F(EventRefusals, Modalities) {
  expect_refused(with("\"vitals\"", "\"Mustermann\""), Refusal::unknown_modality);
  expect_refused(with("\"vitals\"", "\"chest_film\""), Refusal::malformed);
}

TEST_F(EventRefusals, Imputations) {
  for (const std::string& text : std::vector<std::string>{
           with("\"site\"", "\"imputed\":true,\"site\""), with("}}", "},\"imputed\":true}"),
           with("\"site\"", "\"meta\":{\"security\":[{\"code\":\"R\"},{\"system\":\"s\",\"code\":\"AIAST\"}]},\"site\""),
           // whatever else is wrong with it
           with("\"schema_version\":1", "\"schema_version\":2,\"imputed\":true"),
           with("\"site\"", "\"imputed\":true,\"based_on\":[],\"site\""), with("73", "{\"value\":73,\"imputed\":true}")}) {
    expect_refused(text, Refusal::imputed);
  }
  EXPECT_TRUE(decode(with("\"site\"", "\"imputed\":false,\"site\"")).decoded);
}

struct BadValue {
  const char* json;  // member of "values"
  Refusal reason;
  const char* what;
};

const std::vector<BadValue>& bad_values() {
  static const std::vector<BadValue> all{
      {R"("hr":4711)", Refusal::out_of_range, "vitals.hr"},
      {R"("hr":0.99)", Refusal::out_of_range, "vitals.hr"},
      {R"("hr":1e999)", Refusal::out_of_range, "vitals.hr"},
      {R"("hr":-1E+400)", Refusal::out_of_range, "vitals.hr"},
      {R"("hr":"NaN")", Refusal::malformed, "vitals.hr"},
      {R"("hr":"73")", Refusal::malformed, "vitals.hr"},
      {R"("hr":true)", Refusal::malformed, "vitals.hr"},
      {R"("hr":null)", Refusal::malformed, "vitals.hr"},
      {R"("hr":[73])", Refusal::malformed, "vitals.hr"},
      {R"("hr":{})", Refusal::malformed, "vitals.hr"},
      {R"("hr":{"unit":"/min"})", Refusal::malformed, "vitals.hr"},
      {R"("hr":{"value":{"value":73}})", Refusal::malformed, "vitals.hr"},
      {R"("hr":{"value":73,"value":74})", Refusal::malformed, "vitals.hr"},
      {R"("hr":{"value":73,"units":"/min"})", Refusal::malformed, "vitals.hr"},
      {R"("hr":{"value":73,"time":"2026-01-01T00:00:00Z"})", Refusal::malformed, "vitals.hr"},
      {R"("hr":{"value":73,"unit":60})", Refusal::malformed, "vitals.hr"},
      {R"("hr":{"value":73,"unit":"Mustermann"})", Refusal::unit, "vitals.hr"},
      {R"("hr":{"value":73,"unit":""})", Refusal::unit, "vitals.hr"},
      {R"("hr":73,"hr":73)", Refusal::malformed, "vitals.hr"},
      {R"("hr":73,"hr":74,"hr":75)", Refusal::malformed, "vitals.hr"},
      {R"("ventilated":2)", Refusal::out_of_range, "vitals.ventilated"},
      {R"("ventilated":"yes")", Refusal::malformed, "vitals.ventilated"},
      {R"("pulse":73)", Refusal::unknown_feature, "vitals.pulse"},
      {R"("glucose":73)", Refusal::unknown_feature, "vitals.glucose"},
      {R"("Mustermann":73)", Refusal::unknown_feature, "vitals"},
      {R"("4711":73)", Refusal::unknown_feature, "vitals"},
  };
  return all;
}

TEST_F(EventRefusals, ABadValueIsRefusedAndTheOthersLive) {
  for (const BadValue& bad : bad_values()) {
    for (const std::string& values : {bad.json + std::string(R"(,"temp":37)"), R"("temp":37,)" + std::string(bad.json)}) {
      const auto outcome = decode(with("\"hr\":73", values));
      ASSERT_TRUE(outcome.decoded) << values << ": " << outcome.refused->message;
      EXPECT_EQ(outcome.decoded->event.values, (std::vector<FeatureValue>{{kTemp, 37}})) << values;
      ASSERT_EQ(outcome.decoded->refused.size(), 1U) << values;
      const RefusedPart& part = outcome.decoded->refused[0];
      EXPECT_EQ(to_string(part.reason), to_string(bad.reason)) << values << ": " << part.message;
      EXPECT_EQ(part.what, bad.what);
      expect_discreet(part.message);
    }
  }
}

TEST_F(EventRefusals, AnEventOfBadValuesOnlyIsRefusedForTheFirst) {
  for (const BadValue& bad : bad_values()) expect_refused(with("\"hr\":73", bad.json), bad.reason);
  expect_refused(with("\"hr\":73", R"("ventilated":2,"hr":"x")"), Refusal::out_of_range);
}

TEST_F(EventRefusals, AttributesLiveOnWithoutValues) {
  const auto outcome = decode(with("\"hr\":73", "\"hr\":null}, \"attributes\":{\"age\":54"));
  ASSERT_TRUE(outcome.decoded);
  EXPECT_EQ(outcome.decoded->event.modality, kNoModality);
  EXPECT_EQ(outcome.decoded->event.attributes, (std::vector<AttributeValue>{{0, 54}}));
  EXPECT_EQ(outcome.decoded->refused.size(), 1U);
}

TEST_F(EventRefusals, BadAttributes) {
  const std::vector<BadValue> bad{{R"("age":4711)", Refusal::out_of_range, "attributes.age"},
                                  {R"("age":"54")", Refusal::malformed, "attributes.age"},
                                  {R"("sex":"Mustermann")", Refusal::out_of_range, "attributes.sex"},
                                  {R"("sex":0)", Refusal::malformed, "attributes.sex"},
                                  {R"("height":180)", Refusal::unknown_feature, "attributes.height"}};
  for (const BadValue& one : bad) {
    const auto outcome = decode(with("\"time\"", "\"attributes\":{" + std::string(one.json) + "},\"time\""));
    ASSERT_TRUE(outcome.decoded);
    EXPECT_TRUE(outcome.decoded->event.attributes.empty());
    ASSERT_EQ(outcome.decoded->refused.size(), 1U);
    EXPECT_EQ(outcome.decoded->refused[0].reason, one.reason) << one.json;
    EXPECT_EQ(outcome.decoded->refused[0].what, one.what);
    expect_discreet(outcome.decoded->refused[0].message);
  }
}

TEST_F(EventRefusals, CountsAreWhole) {
  const auto outcome = decode(with("\"vitals\"", "\"laboratory\"")
                                  .replace(with("\"vitals\"", "\"laboratory\"").find("\"hr\":73"), 7, R"("seizures":2.5,"glucose":90)"));
  ASSERT_TRUE(outcome.decoded);
  ASSERT_EQ(outcome.decoded->refused.size(), 1U);
  EXPECT_EQ(outcome.decoded->refused[0].what, "laboratory.seizures");
  EXPECT_EQ(outcome.decoded->refused[0].reason, Refusal::out_of_range);
}

// Refused events must leave nothing behind in a decoder that goes on.
TEST_F(EventRefusals, ADecoderForgetsWhatItRefused) {
  EventDecoder decoder(schema_, {});
  const Event expected = decode(with()).decoded->event;
  for (const BadValue& bad : bad_values()) {
    (void)decoder.decode(with("\"hr\":73", bad.json), now());
    (void)decoder.decode(with().substr(0, 120), now());
    const auto outcome = decoder.decode(with(), now());
    ASSERT_TRUE(outcome.decoded);
    EXPECT_TRUE(outcome.decoded->refused.empty());
    EXPECT_EQ(outcome.decoded->event, expected);
  }
}

}  // namespace
}  // namespace lacuna::streaming
