#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "state/records/schema.h"
#include "state/records/time.h"
#include "streaming/hl7/message_decoder.h"

// A small hospital: its schema, its code map, and a decoder that reads its messages as of 2026-01-03.

namespace lacuna::streaming::hl7 {

inline Feature number(const char* name, const char* unit, double low, double high) {
  Feature f;
  f.name = name;
  f.unit = unit;
  f.low = low;
  f.high = high;
  return f;
}

inline Feature classes(const char* name, Likelihood likelihood, std::vector<std::string> categories) {
  Feature f;
  f.name = name;
  f.likelihood = likelihood;
  f.categories = std::move(categories);
  return f;
}

inline Schema hospital_schema() {
  std::vector<Schema::ModalitySpec> specs(4);
  specs[0].modality.name = "vitals";
  specs[0].features = {number("hr", "/min", 0, 350), number("temp", "Cel", 20, 45)};
  specs[1].modality.name = "lab";
  specs[1].features = {number("glucose", "mg/dL", 0, 2000),
                       number("platelets", "10*9/L", 0, 3000),
                       number("crp", "mg/L", 0, 500),
                       classes("culture", Likelihood::categorical, {"negative", "positive"}),
                       classes("titer", Likelihood::ordinal, {"1:64", "1:128"}),
                       classes("protein", Likelihood::ordinal, {"neg", "1+", "2+"}),
                       classes("pregnant", Likelihood::bernoulli, {})};
  specs[2].modality.name = "report";
  specs[2].modality.kind = ModalityKind::text;
  specs[2].modality.payload.length = 64;
  specs[3].modality.name = "ecg";
  specs[3].modality.kind = ModalityKind::signal;
  specs[3].modality.payload.length = 4;
  specs[3].modality.low = -10;
  specs[3].modality.high = 10;
  Attribute age, sex;
  age.name = "age";
  age.unit = "a";
  age.low = 0;
  age.high = 130;
  sex.name = "sex";
  sex.categories = {"female", "male"};
  auto made = Schema::make(std::move(specs), {age, sex});
  EXPECT_TRUE(made.ok()) << made.status().message();
  return *made;
}

inline FeedOptions hospital_options() {
  FeedOptions options;
  options.codes["GLU"] = {"lab.glucose", "", {"TNP"}, {}};
  options.codes["2345-7^LN"] = {"lab.glucose", "", {}, {}};
  options.codes["PLT"] = {"lab.platelets", "", {}, {}};
  options.codes["CRP"] = {"lab.crp", "mg/dL", {}, {}};
  options.codes["HR"] = {"vitals.hr", "", {}, {}};
  options.codes["TEMP"] = {"vitals.temp", "", {}, {}};
  options.codes["CULT"] = {"lab.culture", "", {}, {{"NEG", "negative"}, {"260385009", "negative"}, {"POS", "positive"}}};
  options.codes["TITER"] = {"lab.titer", "", {}, {}};
  options.codes["UPROT"] = {"lab.protein", "", {}, {}};
  options.codes["HCG"] = {"lab.pregnant", "", {}, {{"POS", "true"}, {"NEG", "false"}}};
  options.codes["XR"] = {"report", "", {}, {}};
  options.codes["LEAD2"] = {"ecg", "", {}, {}};
  options.attributes["age"] = {"age", {}, {}};
  options.attributes["sex"] = {"PID-8", {"U"}, {{"F", "female"}, {"M", "male"}}};
  options.ignored_codes = {"CMT"};
  options.time_zone = "Europe/Berlin";
  return options;
}

class Feed : public ::testing::Test {
 protected:
  explicit Feed(FeedOptions options = hospital_options()) : options_(std::move(options)) {}

  Decoded& decode(const std::string& bytes, Addressee addressee = {}) {
    if (!decoder_) {
      auto made = MessageDecoder::make(schema_, options_, limits_);
      EXPECT_TRUE(made.ok()) << made.status().message();
      decoder_ = std::make_unique<MessageDecoder>(std::move(*made));
    }
    decoder_->decode(bytes, addressee, now_, out_);
    EXPECT_EQ(out_.counts.sum(), out_.counts.observations) << "each OBX has one fate";
    for (const Event& event : out_.events) {
      EXPECT_FALSE(event.event_id.empty());
      EXPECT_FALSE(event.patient_id.empty());
    }
    return out_;
  }
  /// A message of one OBX from behind OBX-1 on, of an order; MSH-7 is 2026-01-02 10:00 UTC.
  static std::string message(const std::string& obx, const std::string& obr = "OBR|1||L77^LAB|CHEM|||20260102080000") {
    return "MSH|^~\\&|LIS|HOSP|||20260102100000+0000||ORU^R01|1|P|2.5.1\rPID|1||1001^^^HOSP^MR||Doe^Jo||19800615|F\rPV1|1|I|ICU-4^1^2^"
           "NORTH\r" +
           obr + "\rOBX|1|" + obx + "\r";
  }
  /// Its one event.
  Event one(const std::string& bytes) {
    decode(bytes);
    EXPECT_EQ(out_.events.size(), 1U) << (out_.refused.empty() ? "" : out_.refused.front().what + ": " + out_.refused.front().message);
    return out_.events.size() == 1 ? out_.events.front() : Event{};
  }
  double value(const std::string& obx) {
    const Event event = one(message(obx));
    EXPECT_EQ(event.values.size(), 1U);
    return event.values.size() == 1 ? event.values.front().value : -1;
  }
  /// The reason of its one refusal; "" where there is none, or more.
  std::string refusal(const std::string& bytes) {
    decode(bytes);
    EXPECT_TRUE(out_.events.empty());
    return out_.refused.size() == 1 ? std::string(to_string(out_.refused.front().reason)) : "";
  }
  std::string refused_obx(const std::string& obx) { return refusal(message(obx)); }
  static Time at(const char* text) { return *parse_rfc3339(text); }
  FeatureId feature(const char* modality, const char* name) const { return *schema_.find_feature(schema_.find_modality(modality), name); }

  const Schema schema_ = hospital_schema();
  FeedOptions options_;
  CodecLimits limits_;
  Time now_ = at("2026-01-03T00:00:00Z");
  std::unique_ptr<MessageDecoder> decoder_;
  Decoded out_;
};

}  // namespace lacuna::streaming::hl7
