#include "daemon/tables/features_table.h"

#include <gmock/gmock.h>

#include <sstream>

#include "daemon/http/features_json.h"
#include "tests/unit/daemon/http/fixtures.h"

// What an operator reads of each feature: what it is, how much of it was learned from, and whether that is enough to impute it.

namespace lacuna::daemon {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> out;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) out.push_back(line);
  return out;
}

Progress some() {
  Progress p;
  p.model_version = "000412-9f3c21aa";
  p.learned.features = {{1000, 100}, {9, 4}, {10, 10}, {50, 20}};
  p.learned.payloads.resize(3);
  p.features.resize(4);
  p.features[0].count = 40;
  p.features[0].error_model = 10;
  p.features[0].error_mean = 30;
  p.features[0].covered = 36;
  p.features[3].intervals.count = 45;  // of which none was scored: all values were the same
  return p;
}

std::string table(const std::string& state = {}, const Progress& progress = some()) {
  setenv("COLUMNS", "250", 1);  // what fits: text_table_test
  const auto out = features_table(features_json(testing::small_config(), progress), state);
  EXPECT_TRUE(out.ok()) << out.status().to_string();
  return out.ok() ? *out : "";
}

TEST(FeaturesTable, SaysWhatIsWarmingUpAndWhatIsReady) {
  const auto lines = lines_of(table());
  ASSERT_EQ(lines.size(), 7U);
  EXPECT_THAT(lines[0], ::testing::StartsWith("feature"));
  EXPECT_EQ(lines[1], "vitals.hr         /min  0 to 300              1000       100  ready           40  0.250    0.750    90.0 %");
  EXPECT_EQ(lines[2], "vitals.resp_rate  /min  0 to 100                 9         4  warming up       0      -        -         -");
  EXPECT_EQ(lines[3], "liver.alt         U/L   0 to 30000              10        10  ready            0      -        -         -");
  EXPECT_EQ(lines[4], "neuro.acvpu       -     alert, voice            50        20  constant         0      -        -         -");
  EXPECT_EQ(lines[6], "1 of 4 are warming up: the model has learned from fewer than 10 observations of each, and imputes none");
}

TEST(FeaturesTable, OneStateAlone) {
  const std::string warming_up = table("warming_up");
  EXPECT_THAT(warming_up, HasSubstr("vitals.resp_rate"));
  EXPECT_THAT(warming_up, Not(HasSubstr("vitals.hr")));
  Progress none = some();
  for (auto& f : none.learned.features) f = {100, 100};
  EXPECT_THAT(table("warming_up", none), HasSubstr("no such feature"));
}

TEST(FeaturesTable, BoundsAndPayloadsAsTheyAreDeclared) {
  Config config = testing::small_config();
  std::vector<Schema::ModalitySpec> specs(2);
  specs[0].modality.name = "lab";
  specs[0].features = {{"crp", "mg/L", Likelihood::log_normal, -INFINITY, INFINITY, {}, {}, 0},
                       {"base_excess", "mmol/L", Likelihood::normal, -INFINITY, INFINITY, {}, {}, 0}};
  specs[1].modality.name = "film";
  specs[1].modality.kind = ModalityKind::embedding;
  specs[1].modality.payload.length = 2;
  config.schema = std::make_shared<Schema>(Schema::make(std::move(specs), {}).value());
  Progress p;
  p.learned.features = {{100, 1}, {100, 1}};
  p.learned.payloads = {{}, {4, 4}};
  setenv("COLUMNS", "250", 1);
  const auto text = features_table(features_json(config, p), "");
  ASSERT_TRUE(text.ok());
  const auto lines = lines_of(*text);
  EXPECT_THAT(lines[1], HasSubstr("at least 0"));
  EXPECT_THAT(lines[2], ::testing::MatchesRegex("lab.base_excess +mmol/L +- +100 +1 +ready .*"));
  EXPECT_THAT(lines[3], ::testing::MatchesRegex("film +- +- +4 +4 +warming up .*"));
}

TEST(FeaturesTable, BeforeThereIsAModelAndWhatIsNoAnswer) {
  EXPECT_THAT(table("", Progress()), HasSubstr("not loaded yet"));
  for (const char* text : {"", "{}", "[]", R"({"features":[{}]})", R"({"features":7})", R"({"features":[{"feature":3}]})"}) {
    EXPECT_EQ(features_table(text, "").code(), Code::invalid) << text;
  }
}

}  // namespace
}  // namespace lacuna::daemon
