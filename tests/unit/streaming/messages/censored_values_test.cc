// Goal: a value with a comparator is taken as a limit, in any form that docs/messages.md has, converted as a number is, and goes out as it
// came in; what cannot be one is refused for the right reason. Method: events and snapshots with one value each.
#include <gtest/gtest.h>

#include "streaming/messages/encoders.h"
#include "streaming/messages/event_decoder.h"
#include "streaming/messages/snapshot_codec.h"
#include "tests/unit/streaming/messages/message_fixture.h"

namespace lacuna::streaming {
namespace {

using namespace lacuna::streaming::testing;

class CensoredValues : public ::testing::Test {
 protected:
  EventDecoder::Outcome decode(const std::string& name, const std::string& value, const std::string& modality = "laboratory") {
    return EventDecoder(schema_, {})
        .decode(R"({"schema_version":1,"event_id":"e","patient_id":"p","modality":")" + modality +
                    R"(","time":"2026-01-01T00:00:00Z","values":{")" + name + "\":" + value + "}}",
                now());
  }
  std::optional<FeatureValue> taken(const std::string& name, const std::string& value, const std::string& modality = "laboratory") {
    const auto outcome = decode(name, value, modality);
    if (!outcome.decoded) return std::nullopt;
    return outcome.decoded->event.values.front();
  }
  std::string refused(const std::string& name, const std::string& value, const std::string& modality = "laboratory") {
    const auto outcome = decode(name, value, modality);
    if (!outcome.refused) return "taken";
    return std::string(to_string(outcome.refused->reason)) + ": " + outcome.refused->message;
  }
  const Schema schema_ = make_schema();
};

TEST_F(CensoredValues, EachComparatorIsTaken) {
  EXPECT_EQ(taken("glucose", R"({"value":5,"comparator":"<"})"), (FeatureValue{kGlucose, 5, Comparator::less}));
  EXPECT_EQ(taken("glucose", R"({"comparator":"<=","value":5})"), (FeatureValue{kGlucose, 5, Comparator::at_most}));
  EXPECT_EQ(taken("ph", R"({"value":7.9,"comparator":">="})"), (FeatureValue{kPh, 7.9, Comparator::at_least}));
  EXPECT_EQ(taken("seizures", R"({"value":20,"comparator":">"})"), (FeatureValue{kSeizures, 20, Comparator::greater}));
  EXPECT_EQ(taken("glucose", R"("<5")"), (FeatureValue{kGlucose, 5, Comparator::less})) << "a laboratory's text";
  EXPECT_EQ(taken("glucose", R"({"value":">= 500","unit":"mg/dL"})"), (FeatureValue{kGlucose, 500, Comparator::at_least}));
  EXPECT_EQ(taken("glucose", "5"), (FeatureValue{kGlucose, 5}));
}

TEST_F(CensoredValues, TheUnitConvertsTheLimit) {
  const auto glucose = taken("glucose", R"({"value":1.1,"unit":"mmol/L","comparator":"<"})");
  ASSERT_TRUE(glucose);
  EXPECT_NEAR(glucose->value, 19.817, 1e-3);
  EXPECT_EQ(glucose->comparator, Comparator::less);
  EXPECT_EQ(taken("temp", R"({"value":113,"unit":"[degF]","comparator":">="})", "vitals"), (FeatureValue{kTemp, 45, Comparator::at_least}));
}

TEST_F(CensoredValues, WhatCannotBeOneIsRefused) {
  constexpr const char* kWrong = "malformed: laboratory.glucose: the comparator must be <, <=, >= or >";
  for (const char* comparator : {R"("=")", R"("~")", R"("≤")", R"("")", "null", "1"}) {
    EXPECT_EQ(refused("glucose", std::string(R"({"value":5,"comparator":)") + comparator + "}"), kWrong) << comparator;
  }
  EXPECT_EQ(refused("rhythm", R"({"value":"sinus","comparator":"<"})"),
            "malformed: laboratory.rhythm: a comparator goes with a number, and this is one of its classes");
  EXPECT_EQ(refused("edema", R"("<mild")"), "out_of_range: laboratory.edema: not one of its categories");
  EXPECT_EQ(refused("ventilated", R"({"value":1,"comparator":"<"})", "vitals"),
            "malformed: vitals.ventilated: a comparator goes with a number, and this is one of its classes");
  EXPECT_EQ(refused("glucose", R"({"value":"<5","comparator":"<"})"), "malformed: laboratory.glucose: the comparator is told twice");
  EXPECT_EQ(refused("glucose", R"({"value":5,"comparator":"<","comparator":"<"})"),
            "malformed: laboratory.glucose: a member is given twice");
  EXPECT_EQ(refused("glucose", R"("<five")"), "malformed: laboratory.glucose: a number is expected");
  EXPECT_EQ(refused("glucose", R"("14")"), "malformed: laboratory.glucose: a number is expected");
  EXPECT_EQ(refused("glucose", R"({"value":0,"comparator":"<"})"), "out_of_range: laboratory.glucose: nothing is below 0");
  EXPECT_EQ(refused("glucose", R"({"value":5000,"comparator":">"})"),
            "out_of_range: laboratory.glucose: outside the plausible range [0, 2000]");
  EXPECT_EQ(refused("seizures", R"("<2.5")"), "out_of_range: laboratory.seizures: not a whole count");
}

TEST_F(CensoredValues, AnAttributeHasNone) {
  const auto outcome =
      EventDecoder(schema_, {})
          .decode(
              R"({"schema_version":1,"event_id":"e","patient_id":"p","time":"2026-01-01T00:00:00Z","attributes":{"age":{"value":89,"comparator":">"}}})",
              now());
  ASSERT_TRUE(outcome.refused);
  EXPECT_EQ(outcome.refused->message, "attributes.age: an attribute takes no comparator");
}

TEST_F(CensoredValues, GoOutAsTheyCameIn) {
  Event event;
  event.event_id = "e";
  event.patient_id = "p";
  event.modality = 1;
  event.time = at("2026-01-01T00:00:00Z");
  event.values = {{kGlucose, 5, Comparator::less}, {kSeizures, 3, Comparator::at_least}, {kPh, 7.4}};
  const std::string written = encode_event(schema_, event);
  EXPECT_NE(written.find(R"("glucose":{"value":5,"comparator":"<"},"seizures":{"value":3,"comparator":">="},"ph":7.4)"), std::string::npos)
      << written;
  const auto read = EventDecoder(schema_, {}).decode(written, now());
  ASSERT_TRUE(read.decoded);
  EXPECT_EQ(read.decoded->event, event);
  event.status = ResultStatus::entered_in_error;
  EXPECT_NE(encode_event(schema_, event).find(R"("glucose":null)"), std::string::npos) << "of a withdrawal the value is nothing to anybody";
}

TEST_F(CensoredValues, ASnapshotTellsThem) {
  const auto read = decode_snapshot(
      schema_, R"({"time":"2026-01-01T12:00:00Z","values":{"laboratory":{"glucose":{"value":20,"comparator":"<"},"ph":7.4}}})", {}, now());
  ASSERT_TRUE(read.ok()) << read.status().to_string();
  EXPECT_EQ(read->features[kGlucose].last, 20);
  EXPECT_EQ(read->features[kGlucose].comparator, Comparator::less);
  EXPECT_TRUE(read->features[kGlucose].unmeasured);
  EXPECT_FALSE(read->features[kPh].unmeasured);
  const std::string shown = encode_snapshot(schema_, *read, now());
  EXPECT_NE(shown.find(R"("glucose":{"value":20,"comparator":"<","unit":"mg/dL","time":)"), std::string::npos)
      << "no mean of what was not measured: " << shown;
  EXPECT_NE(shown.find(R"("ph":{"value":7.4,"unit":"[pH]","mean_2h":7.4)"), std::string::npos) << shown;
}

}  // namespace
}  // namespace lacuna::streaming
