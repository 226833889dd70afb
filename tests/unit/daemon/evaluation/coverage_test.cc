// Protects what `lacuna evaluate` says of the intervals: a feature outside what is asked is named, and none is named for what no
// interval could do better.
#include "daemon/evaluation/coverage.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

namespace lacuna::daemon {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

Schema ward() {
  Schema::ModalitySpec modality;
  modality.modality.name = "ward";
  for (const char* name : {"good", "low", "high", "jumpy", "few", "constant", "classes", "wrong_classes"}) {
    Feature f;
    f.name = name;
    f.low = 0;
    f.high = 100;
    if (std::string(name).ends_with("classes")) {
      f.likelihood = Likelihood::bernoulli;
      f.high = 1;
    }
    modality.features.push_back(f);
  }
  Result<Schema> made = Schema::make({modality}, {});
  EXPECT_TRUE(made.ok()) << made.status().to_string();
  return made.value();
}

/// `count` values of which `percent` in a hundred are covered, evenly.
CoverageRow row(FeatureId feature, int count, int percent, bool varied = true) {
  CoverageRow out{feature, {}, 2, 0.5};
  for (int i = 0; i < count; ++i) out.intervals.add(i * 37 % 100 < percent, i % 10 != 0, varied ? i % 2 : 1);
  return out;
}

std::vector<CoverageRow> rows() {
  std::vector<CoverageRow> out{row(0, 1000, 90), row(1, 1000, 87),         row(2, 1000, 93), row(3, 4000, 90),
                               row(4, 499, 50),  row(5, 1000, 100, false), row(6, 1000, 99), row(7, 1000, 80)};
  for (int i = 0; i < 500; ++i) out[3].intervals.add(i % 100 < 85, true, i);
  return out;
}

TEST(CoverageTable, EveryFeatureHasItsVerdict) {
  const Schema schema = ward();
  std::vector<CoverageVerdict> found;
  for (const CoverageRow& r : rows()) found.push_back(verdict(schema, r, 0.9));
  EXPECT_THAT(found, ElementsAre(CoverageVerdict::held, CoverageVerdict::outside, CoverageVerdict::outside, CoverageVerdict::outside_once,
                                 CoverageVerdict::few, CoverageVerdict::single_valued, CoverageVerdict::classes, CoverageVerdict::outside));
  // The ends themselves are inside.
  EXPECT_EQ(verdict(schema, row(0, 1000, 88), 0.9), CoverageVerdict::held);
  EXPECT_EQ(verdict(schema, row(0, 1000, 92), 0.9), CoverageVerdict::held);
  EXPECT_EQ(verdict(schema, row(0, 1000, 90), 0.8), CoverageVerdict::outside);
}

TEST(CoverageTable, NamesWhatIsOutside) {
  const std::string text = format_coverage(ward(), rows(), 0.9);
  EXPECT_THAT(text, HasSubstr("Of 7 features with 500 values, outside 88 to 92 %: ward.low, ward.high, ward.wrong_classes\n"));
  EXPECT_THAT(text, HasSubstr("in some 500 values in a row outside 86 to 94 %: ward.jumpy\n"));
  EXPECT_THAT(text, HasSubstr("classes are in or out as a whole (compare the model's own): ward.classes\n"));
  EXPECT_THAT(text, HasSubstr("all values are the same: ward.constant\n"));
  const std::string good = format_coverage(ward(), {row(0, 1000, 90)}, 0.9);
  EXPECT_THAT(good, HasSubstr("outside 88 to 92 %: none\n"));
  EXPECT_THAT(good, Not(HasSubstr("classes")));
}

TEST(CoverageTable, JsonSaysTheSame) {
  const nlohmann::ordered_json json = coverage_json(ward(), rows(), 0.9);
  EXPECT_EQ(json["outside"].size(), 3u);
  EXPECT_EQ(json["held"], nlohmann::ordered_json::array({"ward.good"}));
  EXPECT_EQ(json["outside_in_a_window"], nlohmann::ordered_json::array({"ward.jumpy"}));
  EXPECT_EQ(json["single_valued"], nlohmann::ordered_json::array({"ward.constant"}));
  nlohmann::ordered_json feature;
  add_coverage(feature, row(4, 499, 50).intervals);
  EXPECT_FALSE(feature.contains("coverage_worst_window"));
  EXPECT_EQ(feature["coverage_values"], 499);
}

}  // namespace
}  // namespace lacuna::daemon
