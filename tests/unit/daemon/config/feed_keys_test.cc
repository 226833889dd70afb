// What the configuration says of hospital feeds: the format of a topic, and a map that is held against the schema, each problem at its
// place.
#include <gtest/gtest.h>

#include "daemon/config/config.h"
#include "tests/support/scratch_folder.h"
#include "tests/unit/daemon/config/config_helpers.h"

namespace lacuna::daemon {
namespace {

std::string problem_of(const std::string& text) {
  const ConfigOutcome outcome = parse_config(kMinimal + text, "c.yaml");
  return outcome.problems.size() == 1 ? format_problem(outcome.problems[0]) : told(outcome.problems);
}

TEST(FeedKeys, AnEntryOfTheTopicsMaySayItsFormat) {
  const ConfigOutcome outcome = parse_config(kMinimal +
                                                 "topics:\n  events:\n    - plain\n    - {topic: results, format: hl7v2}\n    - {topic: "
                                                 "'^adt[.].*', format: hl7v2}\n    - {topic: j, format: json}\n",
                                             "c");
  ASSERT_TRUE(outcome.config) << told(outcome.problems);
  EXPECT_EQ(outcome.config->topics.events, (std::vector<std::string>{"plain", "results", "^adt[.].*", "j"}));
  EXPECT_EQ(
      outcome.config->topics.formats,
      (std::map<std::string, EventFormat>{{"results", EventFormat::hl7v2}, {"^adt[.].*", EventFormat::hl7v2}, {"j", EventFormat::json}}));
  const ConfigOutcome overridden = parse_config(kMinimal, "c", {"topics.events=[{topic: a, format: hl7v2}]"});
  ASSERT_TRUE(overridden.config) << told(overridden.problems);
  EXPECT_EQ(overridden.config->topics.formats.at("a"), EventFormat::hl7v2);
}

TEST(FeedKeys, WhatIsNoEntryIsSaidAtItsPlace) {
  EXPECT_EQ(problem_of("topics:\n  events: [{topic: a, format: fhir}]\n"),
            "c.yaml:7:31: topics.events: expected json or hl7v2, got 'fhir'");
  EXPECT_EQ(problem_of("topics:\n  events: [{topic: a, form: hl7v2}]\n"),
            "c.yaml:7:23: topics.events: expected topic and format, got form");
  EXPECT_NE(problem_of("topics:\n  events: [{format: hl7v2}]\n").find("c.yaml:7:12: topics.events: expected a text"), std::string::npos);
  EXPECT_TRUE(problem_of("topics:\n  events: [{topic: lacuna.state, format: hl7v2}]\n").find("is used for") != std::string::npos);
}

TEST(FeedKeys, TheMapIsHeldAgainstTheSchema) {
  const ConfigOutcome good = parse_config(
      kMinimal +
          "  attributes: {sex: {categories: [f, m]}}\nhl7:\n  time_zone: Europe/Berlin\n  senders: {LAB: {time_zone: Etc/UTC}}\n"
          "  identifier: {authority: HOSP, type: MR}\n  site: PV1-3.4\n  codes:\n    HR^L: {to: vitals.hr, unit: /min, missing: [TNP]}\n"
          "    1.2.3: {to: vitals.hr}\n  ignored_codes: [X]\n  ignored_messages: [SIU]\n  attributes: {sex: {from: PID-8, categories: {F: "
          "f, M: m}, missing: [U]}}\n",
      "c");
  ASSERT_TRUE(good.config) << told(good.problems);
  const streaming::hl7::FeedOptions& hl7 = good.config->hl7;
  EXPECT_EQ(hl7.codes.at("HR^L").to, "vitals.hr");
  EXPECT_EQ(hl7.codes.at("HR^L").missing, std::vector<std::string>{"TNP"});
  EXPECT_EQ(hl7.codes.size(), 2U);
  EXPECT_EQ(hl7.sender_zones.at("LAB"), "Etc/UTC");
  EXPECT_EQ(hl7.authority, "HOSP");
  EXPECT_EQ(hl7.identifier_type, "MR");
  EXPECT_EQ(hl7.site, "PV1-3.4");
  EXPECT_EQ(hl7.attributes.at("sex").categories.at("F"), "f");
  EXPECT_EQ(problem_of("hl7:\n  codes:\n    HR: {to: vitals.hrr}\n"),
            "c.yaml:8:5: hl7.codes.HR: the schema has no feature vitals.hrr; did you mean vitals.hr?");
  EXPECT_EQ(problem_of("hl7:\n  codes:\n    HR: {}\n"),
            "c.yaml:8:5: hl7.codes.HR: needs `to`: modality.feature, or a modality of payloads");
  EXPECT_TRUE(
      problem_of("hl7:\n  time_zone: Nowhere\n").starts_with("c.yaml:7:3: hl7.time_zone: 'Nowhere' is not in this machine's time zones"));
  EXPECT_EQ(problem_of("hl7:\n  attributes: {age: {from: age}}\n"), "c.yaml:7:16: hl7.attributes.age: the schema has no attribute age");
  EXPECT_TRUE(problem_of("hl7:\n  site: somewhere\n").starts_with("c.yaml:7:3: hl7.site: expected a field"));
  EXPECT_TRUE(
      problem_of("hl7:\n  codes_file: /no/such/file.csv\n").starts_with("c.yaml:7:3: hl7.codes_file: cannot open /no/such/file.csv"));
}

TEST(FeedKeys, AFileOfCodesIsReadWithTheConfiguration) {
  const lacuna::testing::ScratchFolder folder;
  const std::string good = folder.write("good.csv", "code,to\nHR,vitals.hr\n"), bad = folder.write("bad.csv", "code,to\nHR,vitals.rate\n");
  const ConfigOutcome outcome = parse_config(kMinimal + "hl7: {codes_file: " + good + "}\n", "c");
  ASSERT_TRUE(outcome.config) << told(outcome.problems);
  EXPECT_EQ(outcome.config->hl7.codes.at("HR").to, "vitals.hr");
  EXPECT_TRUE(
      problem_of("hl7: {codes_file: " + bad + "}\n").starts_with("c.yaml:6:7: hl7.codes_file: HR: the schema has no feature vitals.rate"));
}

TEST(FeedKeys, TheExampleOfAHospitalLoads) {
  const ConfigOutcome outcome = load_config("configs/hospital.yaml");
  ASSERT_TRUE(outcome.config) << told(outcome.problems);
  EXPECT_EQ(outcome.config->topics.formats.size(), 2U);
  EXPECT_GT(outcome.config->hl7.codes.size(), 30U);
}

}  // namespace
}  // namespace lacuna::daemon
