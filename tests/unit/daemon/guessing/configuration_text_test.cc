// Goal: what is written is YAML that reads as it was meant, whatever the names. Method: names that YAML takes for something else.
#include "daemon/guessing/configuration_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/config/config.h"

namespace lacuna::daemon {
namespace {

TEST(ConfigurationText, ScalarsAreQuotedWhereTheyHaveTo) {
  for (const char* plain : {"hr", "mg/dL", "/min", "alk.phos", "lacuna-data/set-a"}) EXPECT_EQ(yaml_scalar(plain), plain);
  EXPECT_EQ(yaml_scalar(""), "\"\"");
  EXPECT_EQ(yaml_scalar("no"), "\"no\"");
  EXPECT_EQ(yaml_scalar("0"), "\"0\"");
  EXPECT_EQ(yaml_scalar("mm[Hg]"), "\"mm[Hg]\"");
  EXPECT_EQ(yaml_scalar("a \"b\"\\\t"), "\"a \\\"b\\\"\\\\\\t\"");
}

/// One feature called by any column name, with any class and mark.
Plan plan_of(const std::string& column, const std::string& word) {
  Plan plan;
  plan.roles.mapping.format = streaming::FileFormat::wide_csv;
  plan.roles.mapping.patient_column = column + " id";
  plan.roles.mapping.time_form = streaming::FileMapping::TimeForm::none;
  plan.start = Time{};
  plan.stagger = std::chrono::minutes(1);
  plan.variables.resize(1);
  plan.variables[0].column = column;
  plan.variables[0].to = "m.f";
  plan.variables[0].guess.name = "f";
  plan.variables[0].guess.likelihood = Likelihood::categorical;
  plan.variables[0].guess.categories = {word, "other"};
  plan.variables[0].guess.marks.words = {word + "?"};
  plan.modalities.push_back({"m", {{0, Millis(0)}}, std::chrono::hours(24), true});
  plan.missing = {"NA", "?", "."};
  plan.left_out = {{column + " 2", "an id"}, {"", "has no name"}};
  return plan;
}

TEST(ConfigurationText, AnyNameComesBack) {
  for (const std::string& name :
       std::vector<std::string>{"a",   "no",   "~", "a: b", "#x",          "- y",   "{z}",  "Größe (cm)", "it's \"x\"", "0x1F",
                                "1e3", "null", "@", "%",    "back\\slash", "*star", "&amp", "!tag",       "|",          ">"}) {
    const std::string yaml = configuration_text(plan_of(name, name), "t.csv", "lacuna-data/t");
    const ConfigOutcome outcome = parse_config(yaml, "t");
    ASSERT_TRUE(outcome.config) << name << ": " << format_problem(outcome.problems.front()) << "\n" << yaml;
    const streaming::FileMapping& mapping = *outcome.config->mapping;
    EXPECT_EQ(mapping.patient_column, name + " id");
    ASSERT_TRUE(mapping.columns.contains(name)) << yaml;
    EXPECT_EQ(mapping.columns.at(name).missing_texts, std::vector<std::string>{name + "?"});
    EXPECT_EQ(outcome.config->schema->features()[0].categories.front(), name);
    EXPECT_EQ(mapping.missing_texts, (std::vector<std::string>{"NA", "?", "."}));
    EXPECT_EQ(mapping.ignored, (std::vector<std::string>{name + " 2", ""}));
  }
}

TEST(ConfigurationText, PayloadsHaveTheirShapes) {
  Plan plan = plan_of("a", "b");
  plan.events = true;
  plan.payloads["film"] = {ModalityKind::image, {1, 64, 32}, true, 0};
  plan.payloads["ecg"] = {ModalityKind::signal, {2, 500}, false, 0};
  plan.payloads["codes"] = {ModalityKind::embedding, {128}, false, 0};
  plan.payloads["report"] = {ModalityKind::text, {}, false, 80};
  const ConfigOutcome outcome = parse_config(configuration_text(plan, "t", "d"), "t");
  ASSERT_TRUE(outcome.config) << format_problem(outcome.problems.front());
  const Schema& schema = *outcome.config->schema;
  const PayloadSpec& film = schema.modalities()[schema.find_modality("film")].payload;
  EXPECT_EQ(film.height, 64);
  EXPECT_EQ(film.width, 32);
  EXPECT_EQ(schema.modalities()[schema.find_modality("film")].high, 255);
  EXPECT_EQ(schema.modalities()[schema.find_modality("ecg")].payload.channels, 2);
  EXPECT_EQ(schema.modalities()[schema.find_modality("report")].payload.length, 100);
  EXPECT_EQ(outcome.config->mapping->format, streaming::FileFormat::ndjson);
}

}  // namespace
}  // namespace lacuna::daemon
