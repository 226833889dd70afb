// Goal: a posted snapshot is what its sender said, or every mistake in it is named at once. Method: examples; the shown
// form against an independent parser.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "streaming/messages/event_decoder.h"
#include "streaming/messages/snapshot_codec.h"
#include "tests/unit/streaming/messages/message_fixture.h"

namespace lacuna::streaming {
namespace {

using namespace lacuna::streaming::testing;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kPosted = R"({"patient_id":"x","time":"2026-01-01T12:00:00Z","site":"icu","attributes":{"sex":"male"},
  "values":{"vitals":{"hr":{"value":73,"time":"2026-01-01T10:00:00Z"},"temp":{"value":98.6,"unit":"[degF]"}},
            "laboratory":{"glucose":99,"rhythm":"sinus"}}})";

TEST(SnapshotCodec, ReadsWhatWasSaid) {
  const Schema schema = make_schema();
  const auto read = decode_snapshot(schema, kPosted, {}, now());
  ASSERT_TRUE(read.ok()) << read.status().message();
  const Snapshot& s = *read;
  EXPECT_EQ(s.patient_id, "x");
  EXPECT_EQ(s.site, "icu");
  EXPECT_EQ(s.last_time, at("2026-01-01T12:00:00Z"));
  EXPECT_EQ(s.first_time, at("2026-01-01T10:00:00Z"));
  EXPECT_EQ(s.event_count, 2U);
  ASSERT_EQ(s.features.size(), schema.feature_count());
  EXPECT_EQ(s.features[kHr], (FeatureState{73, at("2026-01-01T10:00:00Z"), 1, 73, 73, 0, 73}));
  EXPECT_DOUBLE_EQ(s.features[kTemp].last, 37);
  EXPECT_EQ(s.features[kTemp].time, s.last_time);
  EXPECT_FLOAT_EQ(s.features[kGlucose].mean_long, std::log1p(99.0F)) << "log_normal keeps its means on the log scale";
  EXPECT_EQ(s.features[kRhythm].count, 1U);
  EXPECT_EQ(s.features[kVentilated], FeatureState{});
  EXPECT_EQ(s.modalities[0], (ModalityState{s.last_time, 1}));
  EXPECT_EQ(s.modalities[2], ModalityState{});
  EXPECT_EQ(s.attributes, (std::vector<std::optional<float>>{std::nullopt, 1.0F}));
}

// Protects: whose samples are drawn goes by the person's key, as in the store, and an id that looks like a key is none.
TEST(SnapshotCodec, APersonIsReadAsItsKeyAndShownAsItsParts) {
  const Schema schema = make_schema();
  const auto both = [&](const std::string& members) {
    const auto read = decode_snapshot(schema, R"({"time":"2026-01-01T12:00:00Z",)" + members + "}", {}, now());
    if (!read.ok()) return read.status().message();
    const std::string shown = encode_snapshot(schema, *read, now());
    return read->patient_id + " " + shown.substr(0, shown.find(R"(,"first_time")"));
  };
  EXPECT_EQ(both(R"("patient_id":"1001")"), R"(1001 {"schema_version":1,"patient_id":"1001")");
  EXPECT_EQ(both(R"("namespace":"north","patient_id":"1001")"),
            R"(north|1001 {"schema_version":1,"patient_id":"1001","namespace":"north")");
  EXPECT_EQ(both(R"("patient_id":"north|1001")"), R"(|north|1001 {"schema_version":1,"patient_id":"north|1001")");
  EXPECT_THAT(both(R"("namespace":"north")"), HasSubstr("namespace: without a patient_id"));
  for (const char* bad : {R"("patient_id":"1","namespace":"")", R"("patient_id":"1","namespace":"se|cret")"}) {
    EXPECT_THAT(both(bad), HasSubstr("namespace: is made of letters"));
    EXPECT_THAT(both(bad), Not(HasSubstr("cret")));
  }
  EXPECT_THAT(both(R"("patient_id":"1","namespace":1)"), HasSubstr("namespace: must be text"));
}

TEST(SnapshotCodec, NothingIsKnownYet) {
  const auto read = decode_snapshot(make_schema(), R"({"time":"2026-01-01T12:00:00Z"})", {}, now());
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_EQ(read->event_count, 1U) << "0 would mean a snapshot not in use";
}

TEST(SnapshotCodec, ARequestMayAskForSamples) {
  const Schema schema = make_schema();
  const std::string text(kPosted);
  const auto plain = decode_impute_request(schema, text, {}, now());
  ASSERT_TRUE(plain.ok()) << plain.status().message();
  EXPECT_EQ(plain->samples, 0U);
  const std::string more = R"({"samples":20,"seed":7,"explain":true,"latent":true,)" + text.substr(text.find('{') + 1);
  const auto asked = decode_impute_request(schema, more, {}, now());
  ASSERT_TRUE(asked.ok()) << asked.status().message();
  EXPECT_EQ(asked->samples, 20U);
  EXPECT_EQ(asked->seed, 7U);
  EXPECT_TRUE(asked->explain);
  EXPECT_TRUE(asked->latent);
  EXPECT_FALSE(plain->latent);
  EXPECT_EQ(asked->snapshot, plain->snapshot);
  EXPECT_EQ(decode_snapshot(schema, more, {}, now()).code(), Code::invalid) << "no part of a snapshot";
}

TEST(SnapshotCodec, NamesEveryProblemAndNoValue) {
  const auto read = decode_snapshot(make_schema(), R"({"schema_version":2,"patient_id":"secret","time":"2026-01-01T12:00:00","sites":1,
    "attributes":{"age":4711,"height":1},"values":{"vitals":{"hr":4711,"temp":{"value":37,"time":"2026-01-01T12:00:01Z"},"x":1},
    "laboratory":{"glucose":{"value":1,"unit":"mol"},"rhythm":"secret","ph":7,"ph":7},"cardiac":{"a":1}}})",
                                    {}, now());
  ASSERT_FALSE(read.ok());
  EXPECT_EQ(read.code(), Code::invalid);
  const std::string message = read.status().message();
  for (const char* where : {"schema_version: ", "time: ", "sites: ", "attributes.age: ", "'height'", "vitals.hr: ", "'x'",
                            "laboratory.glucose: ", "laboratory.rhythm: ", "laboratory.ph: given twice", "'cardiac'"}) {
    EXPECT_THAT(message, HasSubstr(where));
  }
  EXPECT_THAT(message, Not(HasSubstr("secret")));
  EXPECT_THAT(message, Not(HasSubstr("4711")));
}

TEST(SnapshotCodec, Refusals) {
  const Schema schema = make_schema();
  for (const char* text : {"", "[]", "{", R"({"time":"2026-01-01T12:00:00Z"}})", R"({})", R"({"time":"2026-01-01T12:00:00Z","values":[]})",
                           R"({"time":"2026-01-01T12:00:00Z","values":{"vitals":3}})", R"({"time":"2027-01-01T12:00:00Z"})",
                           R"({"time":"2026-01-01T12:00:00Z","time":"2026-01-01T12:00:00Z"})",
                           R"({"time":"2026-01-01T12:00:00Z","values":{"vitals":{"hr":{"value":73,"time":"2026-01-01T12:00:01Z"}}}})",
                           R"({"time":"2026-01-01T12:00:00Z","patient_id":"a\u0000b"})"}) {
    const auto read = decode_snapshot(schema, text, {}, now());
    EXPECT_EQ(read.code(), Code::invalid) << text;
  }
  CodecLimits limits;
  limits.message_bytes_max = 10;
  EXPECT_EQ(decode_snapshot(schema, kPosted, limits, now()).code(), Code::invalid);
  limits = {};
  limits.values_max = 3;
  EXPECT_EQ(decode_snapshot(schema, kPosted, limits, now()).code(), Code::invalid) << "over all modalities";
  limits.values_max = 4;
  EXPECT_TRUE(decode_snapshot(schema, kPosted, limits, now()).ok());
}

TEST(SnapshotCodec, ManyProblemsMakeNoLongAnswer) {
  std::string text = R"({"time":"2026-01-01T12:00:00Z","values":{"vitals":{)";
  for (int i = 0; i < 1000; ++i) text += (i == 0 ? "\"f" : ",\"f") + std::to_string(i) + "\":1";
  const auto read = decode_snapshot(make_schema(), text + "}}}", {}, now());
  ASSERT_FALSE(read.ok());
  EXPECT_LT(read.status().message().size(), 2000U);
  EXPECT_THAT(read.status().message(), HasSubstr("1000 problems"));
}

TEST(SnapshotCodec, ShowsWhatIsKnown) {
  const Schema schema = make_schema();
  Snapshot s = *decode_snapshot(schema, kPosted, {}, now());
  s.source = {"lacuna.events", 1, 5};
  const auto shown = nlohmann::json::parse(encode_snapshot(schema, s, at("2026-01-02T12:30:00Z")));
  EXPECT_EQ(shown["patient_id"], "x");
  EXPECT_EQ(shown["time"], "2026-01-01T12:00:00Z");
  EXPECT_EQ(shown["attributes"], nlohmann::json({{"sex", "male"}}));
  const auto& hr = shown["values"]["vitals"]["hr"];
  EXPECT_EQ(hr["value"], 73);
  EXPECT_EQ(hr["unit"], "/min");
  EXPECT_EQ(hr["age_hours"], 26.5);
  EXPECT_EQ(hr["stale"], true) << "older than the modality's 24 hours";
  EXPECT_EQ(shown["values"]["laboratory"]["rhythm"]["value"], "sinus");
  EXPECT_FALSE(shown["values"]["vitals"].contains("ventilated")) << "never measured is absent";
  EXPECT_FALSE(shown["values"].contains("chest_film"));
  EXPECT_EQ(hr["mean_2h"], 73);
  EXPECT_EQ(hr["mean_24h"], 73);
  EXPECT_FALSE(shown["values"]["laboratory"]["rhythm"].contains("mean_2h"));
  EXPECT_FALSE(shown.contains("merged_into") || shown.contains("merged_from"));
}

// Of a person who was merged nothing but the link is known.
TEST(SnapshotCodec, ShowsMerges) {
  const Schema schema = make_schema();
  Snapshot s = *decode_snapshot(schema, kPosted, {}, now());
  s.merged_from = {"7", "8"};
  EXPECT_EQ(nlohmann::json::parse(encode_snapshot(schema, s, now()))["merged_from"], nlohmann::json({"7", "8"}));
  s = {};
  s.patient_id = "north|7";
  s.merged_into = "north|x";
  s.features.resize(schema.feature_count());
  s.modalities.resize(schema.modality_count());
  const auto link = nlohmann::json::parse(encode_snapshot(schema, s, now()));
  EXPECT_EQ(link["merged_into"], "north|x");
  EXPECT_FALSE(link.contains("merged_from") || link.contains("time") || link.contains("first_time"));
  EXPECT_EQ(link["values"], nlohmann::json::object());
}

}  // namespace
}  // namespace lacuna::streaming
