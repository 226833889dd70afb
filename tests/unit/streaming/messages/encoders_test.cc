// Goal: what Lacuna publishes is JSON that any reader takes, in the agreed form and order, whatever the names and numbers.
// Method: the exact text of one message of each sort; an independent parser on random contents.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>

#include "streaming/messages/encoders.h"
#include "streaming/messages/event_decoder.h"
#include "streaming/messages/json_writer.h"
#include "tests/unit/streaming/messages/message_fixture.h"

namespace lacuna::streaming {
namespace {

using namespace lacuna::streaming::testing;
using nlohmann::json;

TEST(Encoders, Event) {
  Event event{"132539-7-vitals", "132539", "icu-4", 0, at("2026-01-01T00:07:00Z"), {{kHr, 73}, {kVentilated, 1}}, {{0, 54.5}, {1, 1}}};
  EXPECT_EQ(encode_event(make_schema(), event),
            R"({"schema_version":1,"event_id":"132539-7-vitals","patient_id":"132539","site":"icu-4","modality":"vitals",)"
            R"("time":"2026-01-01T00:07:00Z","values":{"hr":73,"ventilated":true},"attributes":{"age":54.5,"sex":"male"}})");
  event.site.clear();
  event.modality = kNoModality;
  event.values.clear();
  EXPECT_EQ(encode_event(make_schema(), event),
            R"({"schema_version":1,"event_id":"132539-7-vitals","patient_id":"132539","time":"2026-01-01T00:07:00Z",)"
            R"("attributes":{"age":54.5,"sex":"male"}})");
}

TEST(Encoders, WhatAnEventSaysOfAResult) {
  Event event{"e", "p", "", 0, at("2026-01-01T00:07:00Z"), {{kHr, 73}}, {}};
  event.result_id = "r";
  event.revision = {Revision::Kind::time, static_cast<double>(at("2026-01-01T08:00:00Z").time_since_epoch().count())};
  event.status = ResultStatus::corrected;
  event.stay_site = "ward";
  EXPECT_EQ(encode_event(make_schema(), event),
            R"({"schema_version":1,"event_id":"e","patient_id":"p","modality":"vitals","time":"2026-01-01T00:07:00Z",)"
            R"("result":{"id":"r","revision":"2026-01-01T08:00:00Z"},"status":"corrected","stay":{"site":"ward"},"values":{"hr":73}})");
  event.revision = {Revision::Kind::number, 2};
  event.status = ResultStatus::cancelled;
  event.stay_site.clear();
  event.values[0].value = 0;
  EXPECT_EQ(encode_event(make_schema(), event),
            R"({"schema_version":1,"event_id":"e","patient_id":"p","modality":"vitals","time":"2026-01-01T00:07:00Z",)"
            R"("result":{"id":"r","revision":2},"status":"cancelled","values":{"hr":null}})");
}

Imputation imputation() {
  Imputation i;
  i.patient_id = "132539";
  i.time = at("2026-01-01T00:07:00Z");
  i.model_version = "000412-9f3c21aa";
  i.source = {"lacuna.events", 3, 88121};
  i.based_on = {0};
  i.level = 0.9;
  i.effective_samples = 37.25;
  ImputedValue temp{kTemp, ImputationReason::stale, 36.612345678, 36.6, 0.4000001, 36, 37.25, {}};
  ImputedValue ventilated{kVentilated, ImputationReason::never_measured, 0, 0, 0, 0, 0, {0.25, 0.75}};
  ImputedValue rhythm{kRhythm, ImputationReason::never_measured, 0, 0, 0, 0, 0, {0.5, 0.3, 0.2}};
  i.values = {temp, ventilated, rhythm};
  return i;
}

TEST(Encoders, Imputation) {
  EXPECT_EQ(encode_imputation(make_schema(), imputation()),
            R"({"schema_version":1,"patient_id":"132539","time":"2026-01-01T00:07:00Z","model_version":"000412-9f3c21aa",)"
            R"("source":{"topic":"lacuna.events","partition":3,"offset":88121},"based_on":["vitals"],"imputed":true,)"
            R"("effective_samples":37.25,"values":{"vitals":{)"
            R"("temp":{"mean":36.6123,"sd":0.4,"median":36.6,"interval":[36,37.25],"level":0.9,"unit":"Cel","reason":"stale"},)"
            R"("ventilated":{"probabilities":{"false":0.25,"true":0.75},"reason":"never_measured"}},)"
            R"("laboratory":{"rhythm":{"probabilities":{"sinus":0.5,"atrial fibrillation":0.3,"paced \"x\"\n":0.2},)"
            R"("reason":"never_measured"}}}})");
}

// A person's key is told as what it is made of.
TEST(Encoders, TheNamespaceOfAnImputation) {
  Imputation i = imputation();
  const auto begin = [&](const char* key) {
    i.patient_id = key;
    const std::string all = encode_imputation(make_schema(), i);
    return all.substr(0, all.find(R"(,"time")"));
  };
  EXPECT_EQ(begin("1001"), R"({"schema_version":1,"patient_id":"1001")");
  EXPECT_EQ(begin("north|1001"), R"({"schema_version":1,"patient_id":"1001","namespace":"north")");
  EXPECT_EQ(begin("|a|b"), R"({"schema_version":1,"patient_id":"a|b")");
}

// Protects: ordered classes are told by name, as they came, and come back as the same index.
TEST(Encoders, OrdinalsGoByName) {
  const Schema schema = make_schema();
  Imputation i = imputation();
  i.values = {{kEdema, ImputationReason::stale, 0, 0, 0, 0, 0, {0.5, 0.3, 0.2}}};
  i.values[0].samples = {2, 0};
  EXPECT_EQ(json::parse(encode_imputation(schema, i))["values"]["laboratory"]["edema"].dump(),
            R"({"probabilities":{"mild":0.3,"none":0.5,"severe":0.2},"reason":"stale","samples":["severe","none"]})");
  Event written{"132539-7-laboratory", "132539", "icu-4", 1, at("2026-01-01T00:07:00Z"), {}, {}};
  for (const double index : {0.0, 1.0, 2.0}) {
    written.values = {{kEdema, index}};
    EventDecoder decoder(schema, {});
    const auto read = decoder.decode(encode_event(schema, written), now());
    ASSERT_TRUE(read.decoded) << encode_event(schema, written);
    EXPECT_EQ(read.decoded->event.values, written.values);
  }
}

// The n-th samples of all features belong together, so all are told, in order, on each feature's own scale.
TEST(Encoders, SamplesOfAnImputation) {
  Imputation i = imputation();
  i.values[0].samples = {36.512345678, 37};
  i.values[1].samples = {0, 1};
  i.values[2].samples = {2, 1};
  const json values = json::parse(encode_imputation(make_schema(), i))["values"];
  EXPECT_EQ(values["vitals"]["temp"]["samples"].dump(), "[36.5123,37]");
  EXPECT_EQ(values["vitals"]["ventilated"]["samples"].dump(), "[false,true]");
  EXPECT_EQ(values["laboratory"]["rhythm"]["samples"], json::array({"paced \"x\"\n", "atrial fibrillation"}));
}

TEST(Encoders, TheLatentStateIsToldWhereItWasAskedFor) {
  Imputation i = imputation();
  EXPECT_FALSE(json::parse(encode_imputation(make_schema(), i)).contains("latent"));
  i.latent = LatentState{{0.5F, -1.23456789F}, {1, 0.25F}};
  const json message = json::parse(encode_imputation(make_schema(), i));
  EXPECT_EQ(message["latent"].dump(), R"({"mean":[0.5,-1.23457],"sd":[1,0.25]})");
  EXPECT_EQ(message["model_version"], "000412-9f3c21aa");
}

// Of what the model knows nothing the declared range is told, as what it is.
TEST(Encoders, AnUninformedValueHasItsRangeAndNothingElse) {
  Imputation i = imputation();
  i.values.resize(1);
  i.values[0].sd = std::numeric_limits<double>::infinity();
  i.values[0].low = 28;
  i.values[0].high = 44;
  const json read = json::parse(encode_imputation(make_schema(), i));
  EXPECT_EQ(read["values"]["vitals"]["temp"].dump(), R"({"interval":[28,44],"reason":"stale","uninformed":true,"unit":"Cel"})");
}

TEST(Encoders, AnImputationNeverComesBackAsAnObservation) {
  const Schema schema = make_schema();
  EventDecoder decoder(schema, {});
  const auto outcome = decoder.decode(encode_imputation(schema, imputation()), now());
  ASSERT_TRUE(outcome.refused);
  EXPECT_EQ(outcome.refused->reason, Refusal::imputed);
}

TEST(Encoders, WhatIsNotFiniteIsLeftOut) {
  Imputation i = imputation();
  i.values.resize(1);
  i.values[0].mean = std::nan("");
  i.values[0].high = std::numeric_limits<double>::infinity();
  const json read = json::parse(encode_imputation(make_schema(), i));
  const json& temp = read["values"]["vitals"]["temp"];
  EXPECT_FALSE(temp.contains("mean"));
  EXPECT_FALSE(temp.contains("interval"));
  EXPECT_EQ(temp["median"], 36.6);
}

TEST(Encoders, Alert) {
  Alert alert;
  alert.alert_id = "missingness/cardiac@2026-01-03T05:00Z";
  alert.kind = "missingness";
  alert.subject = "cardiac";
  alert.since = at("2026-01-03T05:00:00Z");
  alert.detected = at("2026-01-03T09:00:00Z");
  alert.evidence = std::numeric_limits<double>::infinity();
  alert.threshold = 3e7;
  alert.severity = Severity::critical;
  alert.summary = "arrivals fell";
  alert.contributors = {{"troponin_i", 0.8}};
  alert.model_version = "000412-9f3c21aa";
  EXPECT_EQ(encode_alert(alert),
            R"({"schema_version":1,"alert_id":"missingness/cardiac@2026-01-03T05:00Z","state":"raised","kind":"missingness",)"
            R"("subject":"cardiac","since":"2026-01-03T05:00:00Z","detected":"2026-01-03T09:00:00Z","evidence":1.79769e+308,)"
            R"("threshold":3e+07,"severity":"critical","summary":"arrivals fell","before":0,"after":0,"effects":{},)"
            R"("contributors":[{"feature":"troponin_i","share":0.8}],"model_version":"000412-9f3c21aa"})");
}

// What is not known or did not happen has no member: no interval, no resolution while open, no action where none was taken.
TEST(Encoders, AlertTellsHowSureHowMuchAndWhatWasDone) {
  Alert alert;
  alert.since = at("2026-01-03T05:00:00Z");
  alert.earliest = at("2026-01-03T04:00:00Z");
  alert.latest = at("2026-01-03T06:00:00Z");
  alert.before = 0.171;
  alert.after = 0.004;
  alert.effects = {{"missing_share", 0.98}, {"psi", 0.6}, {"g", std::numeric_limits<double>::quiet_NaN()}};
  alert.state = AlertState::resolved;
  alert.resolution = Resolution::accepted;
  alert.action = "learning resumed";
  const json out = json::parse(encode_alert(alert));
  EXPECT_EQ(out.at("since_interval"), json({"2026-01-03T04:00:00Z", "2026-01-03T06:00:00Z"}));
  EXPECT_EQ(out.at("before"), 0.171);
  EXPECT_EQ(out.at("after"), 0.004);
  EXPECT_EQ(out.at("effects"), json({{"missing_share", 0.98}, {"psi", 0.6}}));
  EXPECT_EQ(out.at("resolution"), "accepted");
  EXPECT_EQ(out.at("action"), "learning resumed");
}

TEST(JsonWriter, AnyTextComesOutAsJson) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const std::vector<std::string> pieces{"a",    "\"",   "\\",           "\n",           std::string(1, '\0'),
                                        "\x1f", "\x7f", "\xC3\xA4",     "\xE2\x82\xAC", "\xF0\x9F\x98\x80",
                                        "\xff", "\xC3", "\xED\xA0\x80", "\xC0\xAF",     "\xF4\x90\x80\x80"};
  for (int round = 0; round < 2000; ++round) {
    std::string text, expected;
    for (int i = std::uniform_int_distribution<>(0, 12)(random); i > 0; --i) {
      const auto piece = std::uniform_int_distribution<std::size_t>(0, pieces.size() - 1)(random);
      text += pieces[piece];
      if (piece < 10) expected += pieces[piece];
    }
    std::string out;
    append_text(out, text);
    json read;
    ASSERT_NO_THROW(read = json::parse(out)) << out;
    std::string kept = read.get<std::string>();
    for (std::size_t p; (p = kept.find("\xEF\xBF\xBD")) != std::string::npos;) kept.erase(p, 3);
    ASSERT_EQ(kept, expected);
    ASSERT_EQ(is_utf8(text), read.get<std::string>() == text);
  }
}

TEST(JsonWriter, ExactNumbersReadBackTheSame) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int i = 0; i < 20'000; ++i) {
    const auto value = std::bit_cast<double>(random());
    if (!std::isfinite(value)) continue;
    std::string out;
    append_number(out, value);
    ASSERT_EQ(json::parse(out).get<double>(), value) << out;
  }
}

// The fast path against the C library: six digits right to half a unit of the last, no more digits than that, no idle zeros.
TEST(JsonWriter, RoundedNumbersKeepSixDigits) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  std::vector<double> values{
      0,      1,        -1,    10,    99.99995, 9.9999995, 999999.4, 999999.5, 999999.6, 1e6, 1e-4, 9.99999949e-5, 1e-5, 0.1, 0.00012345649,
      100000, 123456.5, 1e300, 5e-324};
  for (int i = 0; i < 50'000; ++i) {
    values.push_back(std::pow(10, std::uniform_real_distribution<>(-7, 9)(random)) * (i % 2 == 0 ? 1 : -1));
  }
  for (const double value : values) {
    std::string out;
    append_rounded(out, value);
    const double read = json::parse(out).get<double>();
    const double unit = value == 0 ? 1 : std::pow(10, std::floor(std::log10(std::abs(value))) - 5);
    ASSERT_LE(std::abs(read - value), 0.5001 * std::max(unit, 5e-324)) << out << " for " << value;
    ASSERT_LE(out.size(), 13U) << out;
    if (out.find('.') != std::string::npos && out.find('e') == std::string::npos) {
      ASSERT_NE(out.back(), '0') << out;
      ASSERT_NE(out.back(), '.') << out;
    }
  }
}

}  // namespace
}  // namespace lacuna::streaming
