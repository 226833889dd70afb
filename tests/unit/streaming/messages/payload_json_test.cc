// Protects: images, signals, embeddings and texts on their way in and out. Random payloads, written by an independent writer in
// every dtype and shape that docs/messages.md allows, must come out as they went in; what does not fit the schema is refused for
// the documented reason, and no message quotes it.

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>

#include "streaming/files/input_files.h"
#include "streaming/messages/base64.h"
#include "streaming/messages/encoders.h"
#include "streaming/messages/event_decoder.h"
#include "streaming/messages/snapshot_codec.h"
#include "tests/unit/streaming/messages/message_fixture.h"

namespace lacuna::streaming {
namespace {

using namespace lacuna::streaming::testing;
using nlohmann::json;

enum : ModalityId { kVitals, kFilm, kColour, kEcg, kLead, kCodes, kReport };

Schema payload_schema() {
  std::vector<Schema::ModalitySpec> specs(7);
  const auto declare = [&specs](ModalityId m, const char* name, ModalityKind kind, std::uint32_t channels, std::uint32_t height,
                                std::uint32_t width, std::uint32_t length) {
    specs[m].modality.name = name;
    specs[m].modality.kind = kind;
    specs[m].modality.payload = {channels, height, width, length, TextModel::bag, 2000, {}};
  };
  declare(kVitals, "vitals", ModalityKind::tabular, 1, 0, 0, 0);
  specs[kVitals].features = {feature("hr", "/min", Likelihood::normal, 1, 350)};
  declare(kFilm, "chest_film", ModalityKind::image, 1, 2, 3, 0);
  declare(kColour, "wound", ModalityKind::image, 3, 2, 2, 0);
  declare(kEcg, "ecg", ModalityKind::signal, 2, 0, 0, 4);
  declare(kLead, "lead", ModalityKind::signal, 1, 0, 0, 5);
  declare(kCodes, "codes", ModalityKind::embedding, 1, 0, 0, 6);
  declare(kReport, "report", ModalityKind::text, 1, 0, 0, 64);
  Attribute age;
  age.name = "age";
  auto made = Schema::make(std::move(specs), {age});
  if (!made.ok()) throw std::logic_error(made.status().message());
  return *made;
}

std::vector<int> shape_of(const Modality& m) {
  const auto whole = [](std::uint32_t n) { return static_cast<int>(n); };
  if (m.kind == ModalityKind::image) return {whole(m.payload.channels), whole(m.payload.height), whole(m.payload.width)};
  if (m.kind == ModalityKind::signal) return {whole(m.payload.channels), whole(m.payload.length)};
  return {whole(m.payload.length)};
}

template <typename T>
std::string data_of(const std::vector<T>& numbers) {
  return base64_encode({reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(T)});
}

json event_json(const char* modality) {
  return {{"schema_version", 1},
          {"event_id", "secretevent"},
          {"patient_id", "secretpatient"},
          {"modality", modality},
          {"time", "2026-01-01T00:00:00Z"}};
}

json film(json payload) {
  json event = event_json("chest_film");
  event["payload"] = std::move(payload);
  return event;
}

class PayloadMessages : public ::testing::Test {
 protected:
  EventDecoder::Outcome decode(const json& event, CodecLimits limits = {}) {
    return EventDecoder(schema_, limits).decode(event.dump(), now());
  }
  /// Whole events that are refused; no message repeats what was sent.
  void expect_refused(const json& event, Refusal reason, CodecLimits limits = {}) {
    const auto outcome = decode(event, limits);
    ASSERT_TRUE(outcome.refused) << event;
    EXPECT_EQ(to_string(outcome.refused->reason), to_string(reason)) << event << ": " << outcome.refused->message;
    for (const char* secret : {"secret", "AAAA", "4711", "Mustermann"}) {
      EXPECT_EQ(outcome.refused->message.find(secret), std::string::npos) << outcome.refused->message;
    }
  }
  const Schema schema_ = payload_schema();
};

// Fills `payload` as it must come out, and gives the message's part.
template <typename T>
json random_numbers(std::mt19937& random, const char* dtype, std::size_t count, Payload& payload) {
  std::vector<T> numbers(count);
  for (std::size_t i = 0; i < count; ++i) {
    if constexpr (std::is_floating_point_v<T>) {
      numbers[i] = static_cast<T>(std::normal_distribution<float>(0, 1000)(random));
      if (i > 0 && random() % 5 == 0) numbers[i] = std::numeric_limits<T>::quiet_NaN();
    } else {
      numbers[i] = static_cast<T>(random());
    }
    const bool gap = std::isnan(static_cast<double>(numbers[i]));
    payload.values.push_back(gap ? 0 : static_cast<float>(numbers[i]));
    payload.observed.push_back(gap ? 0 : 1);
  }
  if (std::find(payload.observed.begin(), payload.observed.end(), 0) == payload.observed.end()) payload.observed.clear();
  return {{"dtype", dtype}, {"data", data_of(numbers)}};
}

TEST_F(PayloadMessages, RandomPayloadsComeThroughAndBack) {
  for (unsigned seed = 1; seed <= 2000; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    const auto m = static_cast<ModalityId>(kFilm + random() % 6);
    const Modality& modality = schema_.modalities()[m];
    json event = event_json(modality.name.c_str());
    Payload expected;
    if (m == kReport) {
      expected.text = random() % 2 == 0 ? "no acute\ndisease \"\\" : "Pleuraergu\xc3\x9f \xf0\x9f\xab\x81";
      event["text"] = expected.text;
    } else {
      const std::size_t count = modality.payload.value_count(modality.kind);
      switch (random() % 5) {
        case 0: event["payload"] = random_numbers<float>(random, "float32", count, expected); break;
        case 1: event["payload"] = random_numbers<double>(random, "float64", count, expected); break;
        case 2: event["payload"] = random_numbers<std::uint8_t>(random, "uint8", count, expected); break;
        case 3: event["payload"] = random_numbers<std::int16_t>(random, "int16", count, expected); break;
        default: event["payload"] = random_numbers<std::uint16_t>(random, "uint16", count, expected); break;
      }
      std::vector<int> shape = shape_of(modality);
      if (shape.size() > 1 && shape[0] == 1 && random() % 2 == 0) shape.erase(shape.begin());
      event["payload"]["shape"] = shape;
    }
    if (random() % 3 == 0) event["attributes"] = {{"age", 54}};
    const auto outcome = decode(event);
    ASSERT_TRUE(outcome.decoded) << outcome.refused->message;
    ASSERT_TRUE(outcome.decoded->refused.empty());
    const Event& read = outcome.decoded->event;
    ASSERT_EQ(read.modality, m);
    ASSERT_TRUE(read.payload);
    ASSERT_EQ(*read.payload, expected);
    const auto again = EventDecoder(schema_, {}).decode(encode_event(schema_, read), now());
    ASSERT_TRUE(again.decoded) << again.refused->message;
    ASSERT_EQ(again.decoded->event, read);
  }
}

// An event that is written again, as replay does, must not outgrow the limits that it came under.
TEST_F(PayloadMessages, EventsAreWrittenInTheSmallestTypeThatHoldsThem) {
  const auto dtype = [this](std::vector<float> values, std::vector<std::uint8_t> observed = {}) {
    Event event;
    event.event_id = event.patient_id = "x";
    event.modality = kFilm;
    event.payload = PayloadRef(Payload{std::move(values), std::move(observed), ""});
    return json::parse(encode_event(schema_, event))["payload"]["dtype"].get<std::string>();
  };
  EXPECT_EQ(dtype({0, 1, 2, 254, 255, 0}), "uint8");
  EXPECT_EQ(dtype({0, 1, 2, 254, 256, 0}), "int16");
  EXPECT_EQ(dtype({0, -1, 2, 32767, -32768, 0}), "int16");
  EXPECT_EQ(dtype({0, 1, 2, 32768, 65535, 0}), "uint16");
  EXPECT_EQ(dtype({0, 1, 2, 65536, 0, 0}), "float32");
  EXPECT_EQ(dtype({0, -1, 2, 65535, 0, 0}), "float32");
  EXPECT_EQ(dtype({0, 0.5F, 2, 3, 4, 5}), "float32");
  EXPECT_EQ(dtype({0, 1, 2, 3, 4, 5}, {0, 1, 1, 1, 1, 1}), "float32") << "a gap needs a NaN";
}

TEST_F(PayloadMessages, WhatDoesNotFitIsRefused) {
  const std::vector<std::uint8_t> six(6, 0);
  const json good = {{"dtype", "uint8"}, {"shape", {1, 2, 3}}, {"data", data_of(six)}};
  ASSERT_TRUE(decode(film(good)).decoded);
  const auto with = [&good](const char* member, json value) {
    json changed = good;
    changed[member] = std::move(value);
    return film(changed);
  };
  for (const char* shape : {"[1,3,2]", "[3,2]", "[6]", "[1,1,2,3]", "[2,2,3]", "[]"}) {
    expect_refused(with("shape", json::parse(shape)), Refusal::out_of_range);
  }
  for (const char* shape : {"null", R"("2x3")", "[0,2,3]", "[1,2.5,3]", "[1,-2,-3]", R"(["1",2,3])", "[1,null,3]", "4711", "[1e300,1]"}) {
    expect_refused(with("shape", json::parse(shape)), Refusal::malformed);
  }
  for (const char* dtype : {R"("uint64")", R"("Mustermann")", R"("")", "null", "4711", R"("FLOAT32")"}) {
    expect_refused(with("dtype", json::parse(dtype)), Refusal::malformed);
  }
  for (const char* data : {R"("")", R"("AAAA")", R"("AAAAAAAAAAA=")", R"("AAAAAAAAAA==")", R"("AAAA AAAA")", R"("AAAAAAA-")", "null",
                           "4711", "[0,0,0,0,0,0]"}) {
    expect_refused(with("data", json::parse(data)), Refusal::malformed);
  }
  for (const char* member : {"dtype", "shape", "data"}) {
    json without = good;
    without.erase(member);
    expect_refused(film(without), Refusal::malformed);
  }
  expect_refused(with("4711", 1), Refusal::malformed);
  for (const char* payload : {"null", R"("AAAA")", "[]", "4711"}) expect_refused(film(json::parse(payload)), Refusal::malformed);
  expect_refused(with("imputed", true), Refusal::imputed);
  // A member twice, which no DOM can write.
  std::string twice = film(good).dump();
  twice.insert(twice.find("\"dtype\""), "\"dtype\":\"uint8\",");
  EXPECT_EQ(EventDecoder(schema_, {}).decode(twice, now()).refused->reason, Refusal::malformed);
}

TEST_F(PayloadMessages, NumbersThatAreNoneAreRefused) {
  const auto floats = [](std::vector<float> numbers) {
    return film({{"dtype", "float32"}, {"shape", {2, 3}}, {"data", data_of(numbers)}});
  };
  const auto doubles = [](std::vector<double> numbers) {
    return film({{"dtype", "float64"}, {"shape", {2, 3}}, {"data", data_of(numbers)}});
  };
  const float nan = std::nanf("");
  expect_refused(floats({1, 2, 3, 4, 5, std::numeric_limits<float>::infinity()}), Refusal::out_of_range);
  expect_refused(doubles({1, 2, 3, 4, 5, -1e300}), Refusal::out_of_range);
  expect_refused(floats({nan, nan, nan, nan, nan, nan}), Refusal::out_of_range);
  EXPECT_TRUE(decode(floats({nan, nan, nan, nan, nan, 0})).decoded) << "one observed value is an observation";
}

// Protects: a recorder's mark is no amplitude. A lead that fell off is a gap, a recording of nothing else is refused, and so is one with a
// value that cannot be.
TEST_F(PayloadMessages, MarksAreGapsAndRangesAreHeld) {
  std::vector<Schema::ModalitySpec> specs(1);
  specs[0].modality.name = "ecg";
  specs[0].modality.kind = ModalityKind::signal;
  specs[0].modality.payload.channels = 2;
  specs[0].modality.payload.length = 3;
  specs[0].modality.low = -5000;
  specs[0].modality.high = 5000;
  specs[0].modality.missing = -32768;
  const Schema schema = Schema::make(specs, {}).value();
  const auto outcome = [&schema](const char* dtype, const std::string& data) {
    json event = event_json("ecg");
    event["payload"] = {{"dtype", dtype}, {"shape", {2, 3}}, {"data", data}};
    return EventDecoder(schema, {}).decode(event.dump(), now());
  };
  const auto ints = [&outcome](std::vector<std::int16_t> numbers) { return outcome("int16", data_of(numbers)); };
  const auto floats = [&outcome](std::vector<float> numbers) { return outcome("float32", data_of(numbers)); };
  const float nan = std::nanf("");
  const Payload whole{{1, -5000, 5000, 0, 2, 3}, {}, {}}, gaps{{1, 0, 3, 0, 0, 0}, {1, 0, 1, 0, 0, 0}, {}};
  EXPECT_EQ(*ints({1, -5000, 5000, 0, 2, 3}).decoded->event.payload, whole);
  EXPECT_EQ(*ints({1, -32768, 3, -32768, -32768, -32768}).decoded->event.payload, gaps);
  EXPECT_EQ(*floats({1, nan, 3, -32768, nan, -32768}).decoded->event.payload, gaps);
  const auto refused = [](const EventDecoder::Outcome& o) {
    EXPECT_TRUE(o.refused);
    return o.refused ? std::string(to_string(o.refused->reason)) + ": " + o.refused->message : "";
  };
  EXPECT_EQ(refused(ints(std::vector<std::int16_t>(6, -32768))), refused(floats({nan, nan, -32768, nan, nan, nan})));
  EXPECT_NE(refused(ints(std::vector<std::int16_t>(6, -32768))).find("nothing of it was observed"), std::string::npos);
  for (const std::int16_t value : {-5001, 5001, 32767}) {
    const std::string said = refused(ints({0, 0, value, 0, 0, -32768}));
    EXPECT_EQ(said.substr(0, said.find(':')), "out_of_range");
    EXPECT_NE(said.find("outside the schema's range"), std::string::npos);
    EXPECT_EQ(said.find(std::to_string(value)), std::string::npos) << "no value is quoted";
  }
}

TEST_F(PayloadMessages, KindsAreNotMixedUp) {
  const json payload = {{"dtype", "uint8"}, {"shape", {2, 3}}, {"data", data_of(std::vector<std::uint8_t>(6))}};
  const auto event = [](const char* modality, const char* member, json value) {
    json out = event_json(modality);
    out[member] = std::move(value);
    return out;
  };
  expect_refused(event("vitals", "payload", payload), Refusal::malformed);
  expect_refused(event("vitals", "text", "secret"), Refusal::malformed);
  expect_refused(event("chest_film", "values", {{"hr", 73}}), Refusal::malformed);
  expect_refused(event("chest_film", "text", "secret"), Refusal::malformed);
  expect_refused(event("report", "payload", payload), Refusal::malformed);
  expect_refused(event("report", "values", {{"hr", 73}}), Refusal::malformed);
  expect_refused(event("report", "text", ""), Refusal::malformed);
  expect_refused(event("report", "text", 4711), Refusal::malformed);
  expect_refused(event("film", "payload", payload), Refusal::unknown_modality);
  json nowhere = event("report", "text", "secret");
  nowhere.erase("modality");
  expect_refused(nowhere, Refusal::malformed);
  json both = film(payload);
  both["text"] = "secret";
  expect_refused(both, Refusal::malformed);
  EXPECT_NE(decode(event("vitals", "payload", payload)).refused->message.find("'vitals' is of kind tabular: it takes values, not payload"),
            std::string::npos);
}

TEST_F(PayloadMessages, Limits) {
  const json event = film({{"dtype", "uint8"}, {"shape", {2, 3}}, {"data", data_of(std::vector<std::uint8_t>(6))}});
  json report = event_json("report");
  report["text"] = "secret";
  CodecLimits limits;
  limits.payload_bytes_max = 6;
  EXPECT_TRUE(decode(event, limits).decoded);
  EXPECT_TRUE(decode(report, limits).decoded);
  limits.payload_bytes_max = 5;
  expect_refused(event, Refusal::too_large, limits);
  expect_refused(report, Refusal::too_large, limits);
}

TEST_F(PayloadMessages, AttributesLiveOnWithoutThePayload) {
  json event = film({{"dtype", "uint8"}, {"shape", {9, 9}}, {"data", "AAAA"}});
  event["attributes"] = {{"age", 54}};
  const auto outcome = decode(event);
  ASSERT_TRUE(outcome.decoded);
  EXPECT_EQ(outcome.decoded->event.modality, kNoModality);
  EXPECT_FALSE(outcome.decoded->event.payload);
  ASSERT_EQ(outcome.decoded->refused.size(), 1U);
  EXPECT_EQ(outcome.decoded->refused[0].what, "chest_film.payload");
}

TEST_F(PayloadMessages, LinesOfAFileCarryThem) {
  json report = event_json("report");
  report["text"] = "no acute disease";
  const auto path = std::filesystem::temp_directory_path() / "lacuna-payload-events.ndjson";
  std::ofstream(path) << film({{"dtype", "uint8"}, {"shape", {2, 3}}, {"data", data_of(std::vector<std::uint8_t>(6, 9))}}) << "\n"
                      << report << "\n"
                      << film({{"dtype", "uint8"}, {"shape", {9}}, {"data", ""}}) << "\n";
  FileMapping mapping;
  mapping.format = FileFormat::ndjson;
  FileReport told;
  std::vector<Event> events;
  const auto sink = [&](std::vector<Event> some) {
    events.insert(events.end(), some.begin(), some.end());
    return Status();
  };
  ASSERT_TRUE(read_patients(schema_, mapping, path.string(), 0, sink, {}, told).ok());
  std::filesystem::remove(path);
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(events[0].payload->values, std::vector<float>(6, 9));
  EXPECT_EQ(events[1].payload->text, "no acute disease");
  EXPECT_EQ(told.values, 2U);
  EXPECT_EQ(total(told.out_of_range), 1U);
}

json posted() {
  const json film_payload = {{"dtype", "float32"}, {"shape", {2, 3}}, {"data", data_of(std::vector<float>{1, 2, std::nanf(""), 4, 5, 6})}};
  return {{"time", "2026-01-01T12:00:00Z"},
          {"values", {{"vitals", {{"hr", 73}}}}},
          {"payloads",
           {{"chest_film", {{"payload", film_payload}, {"time", "2026-01-01T10:00:00Z"}}}, {"report", {{"text", "no acute disease"}}}}}};
}

TEST_F(PayloadMessages, ASnapshotTakesThemAndShowsThemWithoutTheirData) {
  const auto read = decode_snapshot(schema_, posted().dump(), {}, now());
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_EQ(read->event_count, 3U);
  EXPECT_EQ(read->first_time, at("2026-01-01T10:00:00Z"));
  const ModalityState& state = read->modalities[kFilm];
  EXPECT_EQ(state.last_time, at("2026-01-01T10:00:00Z"));
  EXPECT_EQ(*state.payload, (Payload{{1, 2, 0, 4, 5, 6}, {1, 1, 0, 1, 1, 1}, ""}));
  EXPECT_EQ(read->modalities[kReport].payload->text, "no acute disease");
  EXPECT_EQ(read->modalities[kReport].last_time, read->last_time);

  const std::string text = encode_snapshot(schema_, *read, at("2026-01-02T11:00:00Z"));
  const json shown = json::parse(text);
  EXPECT_EQ(shown["payloads"].size(), 2U);
  EXPECT_EQ(
      shown["payloads"]["chest_film"],
      json({{"kind", "image"}, {"shape", {1, 2, 3}}, {"time", "2026-01-01T10:00:00Z"}, {"age_hours", 25}, {"stale", true}, {"count", 1}}));
  EXPECT_EQ(shown["payloads"]["report"]["stale"], false);
  EXPECT_EQ(shown["payloads"]["report"]["bytes"], 16);
  EXPECT_EQ(text.find("acute"), std::string::npos);
}

TEST_F(PayloadMessages, ASnapshotNamesAllThatIsWrongWithThem) {
  json bad = posted();
  bad["values"]["ecg"] = {{"x", 1}};
  bad["payloads"]["chest_film"]["payload"]["shape"] = {3, 2};
  bad["payloads"]["report"] = {{"text", "secret"}, {"time", "2026-01-01T13:00:00Z"}};
  bad["payloads"]["vitals"] = {{"text", "secret"}};
  bad["payloads"]["lead"] = {{"time", "2026-01-01T10:00:00Z"}};
  bad["payloads"]["codes"] = {{"text", "secret"}};
  bad["payloads"]["nothing"] = {{"text", "secret"}};
  bad["payloads"]["4711"] = {{"data", "secret"}};
  bad["payloads"]["wound"] = "secret";
  const auto read = decode_snapshot(schema_, bad.dump(), {}, now());
  ASSERT_EQ(read.code(), Code::invalid);
  const std::string message = read.status().message();
  for (const char* part :
       {"ecg: is of kind signal: it belongs under payloads", "payloads.chest_film: its shape is not the schema's [1,2,3]",
        "payloads.report: its time is after the snapshot's", "payloads.vitals: a tabular modality takes values",
        "payloads.lead: neither payload nor text", "payloads.codes: a modality of kind embedding takes a payload, not text",
        "no modality 'nothing'", "payloads: an unknown modality", "payloads: a modality must be an object"}) {
    EXPECT_NE(message.find(part), std::string::npos) << part << " in " << message;
  }
  EXPECT_EQ(message.find("secret"), std::string::npos);
  EXPECT_EQ(message.find("4711"), std::string::npos);
}

Imputation with(std::vector<ImputedPayload> payloads) {
  Imputation i;
  i.patient_id = "132539";
  i.time = at("2026-01-01T00:07:00Z");
  i.model_version = "v";
  i.source = {"lacuna.events", 3, 7};
  i.based_on = {kVitals};
  i.effective_samples = 16;
  i.payloads = std::move(payloads);
  return i;
}

TEST_F(PayloadMessages, ImputedPayloads) {
  ImputedPayload whole;
  whole.modality = kFilm;
  whole.mean = {1, 2, 3, 4, 5, 6};
  whole.sd = std::vector<float>(6, 0.5F);
  whole.low = std::vector<float>(6, 0);
  whole.high = std::vector<float>(6, 7);
  ImputedPayload summary;
  summary.modality = kEcg;
  summary.reason = ImputationReason::stale;
  summary.channels = {{0.123456789, 1}, {std::nan(""), 2}};
  ImputedPayload words;
  words.modality = kReport;
  words.words = {{"effusion", 1.5}, {"\"x\"", 0.25}};
  const std::string text = encode_imputation(schema_, with({whole, summary, words}));
  const json payloads = json::parse(text)["payloads"];
  EXPECT_EQ(payloads["chest_film"], json({{"reason", "never_measured"},
                                          {"shape", {1, 2, 3}},
                                          {"level", 0.9},
                                          {"mean", data_of(whole.mean)},
                                          {"sd", data_of(whole.sd)},
                                          {"low", data_of(whole.low)},
                                          {"high", data_of(whole.high)}}));
  EXPECT_EQ(payloads["ecg"].dump(), R"({"channels":[{"mean":0.123457,"sd":1},{"sd":2}],"reason":"stale","shape":[2,4]})");
  EXPECT_EQ(payloads["report"]["words"].dump(), R"([{"expected":1.5,"word":"effusion"},{"expected":0.25,"word":"\"x\""}])");
  EXPECT_FALSE(json::parse(encode_imputation(schema_, with({}))).contains("payloads"));
  EXPECT_EQ(EventDecoder(schema_, {}).decode(text, now()).refused->reason, Refusal::imputed) << "never comes back as an observation";
}

}  // namespace
}  // namespace lacuna::streaming
