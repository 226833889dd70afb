// Goal: every event that follows docs/messages.md is taken, whole and unchanged, in whatever order and spelling JSON
// allows. Method: random events are written by an independent writer with shuffled members, stray blanks, escapes and
// convertible units, and must come out as they went in; then examples of each form of a value.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <random>

#include "state/records/units.h"
#include "streaming/messages/encoders.h"
#include "streaming/messages/event_decoder.h"
#include "tests/unit/streaming/messages/message_fixture.h"

namespace lacuna::streaming {
namespace {

using namespace lacuna::streaming::testing;

class Writer {
 public:
  Writer(const Schema& schema, std::mt19937& random) : schema_(schema), random_(random) {}

  unsigned below(unsigned n) { return std::uniform_int_distribution<unsigned>(0, n - 1)(random_); }

  Event make_event() {
    Event event;
    event.event_id = make_text();
    event.patient_id = make_text();
    if (below(2) == 0) event.site = make_text();
    event.time = now() - Millis(below(1'000'000'000));
    if (below(5) != 0) {
      event.modality = below(2);
      const Modality& modality = schema_.modalities()[event.modality];
      for (FeatureId f = modality.first_feature; f < modality.first_feature + modality.feature_count; ++f) {
        if (below(2) == 0) event.values.push_back({f, make_value(schema_.features()[f])});
      }
      std::shuffle(event.values.begin(), event.values.end(), random_);
    }
    if (event.values.empty()) event.modality = kNoModality;
    if (event.values.empty() || below(3) == 0) event.attributes.push_back({0, static_cast<double>(below(130))});
    if (below(3) == 0) event.attributes.push_back({1, static_cast<double>(below(2))});
    if (below(3) == 0) add_facts(event);
    return event;
  }

  // What an event may say of a result, a stay and a person.
  void add_facts(Event& event) {
    event.status = static_cast<ResultStatus>(below(5));
    if (below(2) == 0) event.result_id = make_text();
    if (!event.result_id.empty() && below(3) != 0) {
      const bool number = below(2) == 0;
      const Time time = now() - Millis(below(1'000'000'000));
      event.revision = number ? Revision{Revision::Kind::number, below(1000) / 8.0}
                              : Revision{Revision::Kind::time, static_cast<double>(time.time_since_epoch().count())};
    }
    if (withdraws(event.status)) {
      event.attributes.clear();
      for (FeatureValue& v : event.values) v.value = 0;
      if (event.values.empty() && below(2) == 0) event.modality = below(3);
      return;
    }
    if (below(4) == 0) event.stay_ends = true;
    else if (below(4) == 0) event.stay_site = make_text();
    if (below(4) != 0) return;
    Event of_person;
    of_person.event_id = event.event_id;
    of_person.patient_id = event.patient_id;
    of_person.site = event.site;
    of_person.time = event.time;
    of_person.person = below(2) == 0 ? PersonChange::forget : PersonChange::merge;
    if (of_person.person == PersonChange::merge) of_person.merged_into = event.patient_id + "x";
    event = of_person;
  }

  std::string write(const Event& event) {
    std::vector<std::string> members{text("schema_version") + colon() + "1", text("event_id") + colon() + text(event.event_id),
                                     text("patient_id") + colon() + text(event.patient_id),
                                     text("time") + colon() + text(write_time(event.time))};
    if (!event.site.empty()) members.push_back(text("site") + colon() + text(event.site));
    if (event.modality != kNoModality) {
      members.push_back(text("modality") + colon() + text(schema_.modalities()[event.modality].name));
    }
    std::vector<std::string> values;
    for (const FeatureValue& v : event.values) {
      const Feature& f = schema_.features()[v.feature];
      values.push_back(text(f.name) + colon() +
                       (withdraws(event.status) ? write_withdrawn() : write_value(f.likelihood, f.categories, v.value, f.unit)));
    }
    if (!values.empty()) members.push_back(text("values") + colon() + object(values));
    std::vector<std::string> attributes;
    for (const AttributeValue& v : event.attributes) {
      const Attribute& a = schema_.attributes()[v.attribute];
      attributes.push_back(text(a.name) + colon() +
                           write_value(a.categories.empty() ? Likelihood::normal : Likelihood::categorical, a.categories, v.value, a.unit));
    }
    if (!attributes.empty()) members.push_back(text("attributes") + colon() + object(attributes));
    write_facts(event, members);
    if (below(3) == 0) members.push_back(text("x_more") + colon() + R"([{"a":[null,1.5e3,"\u00e4"]},true])");
    if (below(3) == 0) members.push_back(text("imputed") + colon() + "false");
    if (below(3) == 0) members.push_back(text("meta") + colon() + R"({"security":[{"code":"R"}],"tag":{}})");
    std::shuffle(members.begin(), members.end(), random_);
    return blank() + object(members) + blank();
  }

 private:
  void write_facts(const Event& event, std::vector<std::string>& members) {
    if (!event.result_id.empty()) {
      std::vector<std::string> result{text("id") + colon() + text(event.result_id)};
      if (event.revision.kind == Revision::Kind::number) {
        result.push_back(text("revision") + colon() + nlohmann::json(event.revision.value).dump());
      } else if (event.revision.kind == Revision::Kind::time) {
        result.push_back(text("revision") + colon() + text(write_time(Time(Millis(static_cast<std::int64_t>(event.revision.value))))));
      }
      std::shuffle(result.begin(), result.end(), random_);
      members.push_back(text("result") + colon() + object(result));
    }
    if (event.status != ResultStatus::final || (event.person == PersonChange::none && below(4) == 0)) {
      members.push_back(text("status") + colon() + text(std::string(to_string(event.status))));
    }
    const auto one = [&](const char* member, const std::string& name, const std::string& value) {
      members.push_back(text(member) + colon() + object({text(name) + colon() + value}));
    };
    if (event.person == PersonChange::merge) one("patient", "merged_into", text(event.merged_into));
    if (event.person == PersonChange::forget) one("patient", "forget", "true");
    if (event.stay_ends) one("stay", "ends", "true");
    if (!event.stay_site.empty()) one("stay", "site", text(event.stay_site));
  }
  // A withdrawal names a value; what it was is nothing to it.
  std::string write_withdrawn() {
    return std::vector<std::string>{"null", "73", "1e999", R"("no such category")", R"({"unit":"furlong","value":-1e9})"}[below(5)];
  }
  std::string make_text() {
    static const std::vector<std::string> pieces{"a", "7", "-", "\"", "\\", "/", "\xC3\xA4", "\xF0\x9F\x98\x80", " "};
    std::string out;
    for (unsigned i = 1 + below(10); i > 0; --i) out += pieces[below(static_cast<unsigned>(pieces.size()))];
    return out;
  }
  double make_value(const Feature& f) {
    if (f.likelihood == Likelihood::bernoulli) return below(2);
    if (has_categories(f.likelihood)) return below(static_cast<unsigned>(f.categories.size()));
    if (f.likelihood == Likelihood::negative_binomial) return below(100);
    const double low = std::max(f.low, -1e6);
    const double high = std::min(f.high, 1e6);
    return std::uniform_real_distribution<>(low, high)(random_);
  }
  std::string blank() { return std::vector<std::string>{"", "", "", " ", "\n\t"}[below(5)]; }
  std::string colon() { return blank() + ":" + blank(); }
  std::string object(const std::vector<std::string>& members) {
    std::string out = "{" + blank();
    for (std::size_t i = 0; i < members.size(); ++i) out += (i == 0 ? "" : blank() + "," + blank()) + members[i];
    return out + blank() + "}";
  }
  std::string text(const std::string& value) {
    if (below(4) == 0 && !value.empty() && value[0] == 'a') return R"("\u0061)" + nlohmann::json(value).dump().substr(2);
    return nlohmann::json(value).dump(-1, ' ', below(2) == 0);
  }
  std::string write_time(Time time) {
    if (below(2) == 0) return format_rfc3339(time);
    std::string shifted = format_rfc3339(time - std::chrono::hours(3) - std::chrono::minutes(30));
    shifted.pop_back();
    return shifted + "-03:30";
  }
  std::string write_value(Likelihood likelihood, const std::vector<std::string>& categories, double value, const std::string& unit) {
    std::string scalar;
    if (has_categories(likelihood)) {
      scalar = text(categories[static_cast<std::size_t>(value)]);
    } else if (likelihood == Likelihood::bernoulli && below(2) == 0) {
      scalar = value != 0 ? "true" : "false";
    } else {
      scalar = nlohmann::json(value).dump();
    }
    if (below(3) != 0) return scalar;
    if (below(2) == 0) return object({text("value") + colon() + scalar});
    return object({text("unit") + colon() + text(unit), text("value") + colon() + scalar});
  }

  const Schema& schema_;
  std::mt19937& random_;
};

TEST(EventDecoder, WhatIsWrittenInAnyOrderIsRead) {
  const unsigned seed = std::random_device{}();
  std::mt19937 random(seed);
  const Schema schema = make_schema();
  EventDecoder decoder(schema, {});
  Writer writer(schema, random);
  for (int round = 0; round < 5000; ++round) {
    const Event event = writer.make_event();
    const std::string message = writer.write(event);
    SCOPED_TRACE("seed " + std::to_string(seed) + ": " + message);
    const EventDecoder::Outcome outcome = decoder.decode(message, now());
    ASSERT_TRUE(outcome.decoded) << outcome.refused->message;
    ASSERT_TRUE(outcome.decoded->refused.empty()) << outcome.decoded->refused[0].message;
    Event read = outcome.decoded->event;
    const auto by_index = [](const AttributeValue& a, const AttributeValue& b) { return a.attribute < b.attribute; };
    std::sort(read.attributes.begin(), read.attributes.end(), by_index);
    Event expected = event;
    std::sort(expected.attributes.begin(), expected.attributes.end(), by_index);
    ASSERT_EQ(read, expected);
    // And what the encoder writes is read as the same again.
    const EventDecoder::Outcome second = decoder.decode(encode_event(schema, read), now());
    ASSERT_TRUE(second.decoded && second.decoded->event == read);
  }
}

class Value : public ::testing::Test {
 protected:
  // The one value of an event that carries `json` for `name`; none when it was refused.
  std::optional<double> read(const std::string& modality, const std::string& name, const std::string& json) {
    const std::string message = R"({"schema_version":1,"event_id":"e","patient_id":"p","time":"2026-01-01T00:00:00Z","modality":")" +
                                modality + R"(","values":{")" + name + "\":" + json + "}}";
    const auto outcome = decoder_.decode(message, now());
    if (!outcome.decoded) return std::nullopt;
    EXPECT_EQ(outcome.decoded->event.values.size(), 1U);
    return outcome.decoded->event.values.at(0).value;
  }
  const Schema schema_ = make_schema();
  EventDecoder decoder_{schema_, {}};
};

TEST_F(Value, Numbers) {
  EXPECT_EQ(read("vitals", "hr", "73"), 73);
  EXPECT_EQ(read("vitals", "hr", "73.25"), 73.25);
  EXPECT_EQ(read("vitals", "hr", "7.3e1"), 73);
  EXPECT_EQ(read("vitals", "hr", "1"), 1) << "the range is inclusive";
  EXPECT_EQ(read("vitals", "hr", "350"), 350);
  EXPECT_EQ(read("laboratory", "unbounded", "9007199254740993"), 9007199254740992.0) << "large integers are rounded";
  EXPECT_EQ(read("laboratory", "unbounded", "-123456789012345678901234567890"), -123456789012345678901234567890.0);
  EXPECT_FALSE(std::signbit(read("laboratory", "unbounded", "-0.0").value())) << "there is one zero";
  EXPECT_EQ(read("laboratory", "seizures", "3.0"), 3);
}

TEST_F(Value, TruthAndCategories) {
  EXPECT_EQ(read("vitals", "ventilated", "true"), 1);
  EXPECT_EQ(read("vitals", "ventilated", "false"), 0);
  EXPECT_EQ(read("vitals", "ventilated", "1"), 1);
  EXPECT_EQ(read("laboratory", "rhythm", R"("atrial fibrillation")"), 1);
  EXPECT_EQ(read("laboratory", "edema", R"("severe")"), 2);
  EXPECT_EQ(read("laboratory", "rhythm", R"("paced \"x\"\u000a")"), 2);
}

TEST_F(Value, Units) {
  EXPECT_EQ(read("vitals", "hr", R"({"value":73,"unit":"/min"})"), 73);
  EXPECT_DOUBLE_EQ(read("vitals", "hr", R"({"unit":"/s","value":1.5})").value(), 90);
  EXPECT_DOUBLE_EQ(read("vitals", "temp", R"({"value":98.6,"unit":"[degF]"})").value(), 37);
  EXPECT_DOUBLE_EQ(read("laboratory", "glucose", R"({"value":5,"unit":"mmol/L"})").value(), 90.078);
  EXPECT_EQ(read("laboratory", "ph", R"({"value":7.4,"unit":""})"), 7.4);
  EXPECT_EQ(read("vitals", "hr", R"({"value":73,"unit":"bpm"})"), 73) << "as people write it";
  EXPECT_DOUBLE_EQ(read("laboratory", "glucose", R"({"value":5,"unit":"MMOL/L"})").value(), 90.078);
  // The range is the schema's, so it is held against the converted value.
  EXPECT_FALSE(read("vitals", "hr", R"({"value":73,"unit":"/s"})"));
  EXPECT_DOUBLE_EQ(read("vitals", "hr", R"({"value":0.05,"unit":"/s"})").value(), 3);
  // More different units than are remembered are still converted.
  for (int round = 0; round < 2; ++round) {
    for (const char* unit : {"/s", "/h", "/d", "/wk", "Hz", "/ms", "{a}/min", "{b}/min", "{c}/min", "{d}/min", "{e}/min"}) {
      const double factor = unit_conversion("hr", unit, "/min").value().factor;
      const std::string value = nlohmann::json({{"value", 60 / factor}, {"unit", unit}}).dump();
      EXPECT_NEAR(read("vitals", "hr", value).value_or(0), 60, 1e-9) << unit;
    }
  }
}

}  // namespace
}  // namespace lacuna::streaming
