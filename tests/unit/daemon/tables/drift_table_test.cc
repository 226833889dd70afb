#include "daemon/tables/drift_table.h"
#include "daemon/tables/missingness_table.h"

#include <gmock/gmock.h>

#include <random>
#include <sstream>

#include "daemon/http/drift_json.h"
#include "daemon/tables/text_table.h"
#include "tests/support/missingness_rows.h"
#include "tests/unit/daemon/http/fixtures.h"

// What people read of the detectors: what rings comes first, nothing is left out without a word, and whatever a daemon (or
// something else at its address) answers, the terminal and the picture stay whole.

namespace lacuna::daemon {
namespace {

using lacuna::testing::missingness_rows;
using ::testing::HasSubstr;
using ::testing::Not;

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> out;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) out.push_back(line);
  return out;
}

/// Forty armed subjects, one alarmed, one muted, one learning.
Progress many() {
  Progress p;
  p.event_time = testing::at("2026-01-05T00:00:00Z");
  for (int i = 0; i < 40; ++i) {
    p.subjects.push_back(
        testing::subject("value", "vitals.f" + std::to_string(i), drift::SubjectState::armed, 100, 0.5, 0.5, i / 10.0, 12));
  }
  p.subjects.push_back(testing::subject("missingness", "labs", drift::SubjectState::learning, 7, 0.5, 0.5, 0, 0));
  p.subjects.push_back(testing::subject("missingness", "blood_gas", drift::SubjectState::alarmed, 900, 0.21, 0.005, 574.26, 14.64));
  p.subjects.back().since = testing::at("2026-01-04T11:00:00Z");
  p.subjects.back().effects = {{"missing_share", 0.98}};
  p.subjects.push_back(testing::subject("coverage", "liver.alt", drift::SubjectState::armed, 50, 0.1, 0.1, 1, 12));
  p.subjects.back().muted_until = testing::at("2026-01-06T12:30:00Z");
  return p;
}

std::string table(const DriftTableOptions& options, const Progress& progress = many()) {
  setenv("COLUMNS", "200", 1);  // what fits: text_table_test
  const auto out = drift_table(drift_json(testing::small_config(), progress), options);
  EXPECT_TRUE(out.ok()) << out.status().to_string();
  return out.ok() ? *out : "";
}

TEST(DriftTable, FitsAScreenOfEightyColumns) {
  (void)table({});
  setenv("COLUMNS", "80", 1);
  const auto narrow = drift_table(drift_json(testing::small_config(), many()), {});
  for (const std::string& line : lines_of(*narrow)) EXPECT_LE(line.size(), 80u) << line;
}

TEST(DriftTable, WhatRingsComesFirstThenWhatIsNearest) {
  const auto lines = lines_of(table({}));
  EXPECT_THAT(lines[0], ::testing::StartsWith("subject"));
  EXPECT_EQ(lines[1], "missingness/blood_gas  alarmed      900      0.21   0.005  574.3/14.6  2026-01-04T11:00Z  missing share 0.98");
  EXPECT_THAT(lines[2], HasSubstr("muted until 2026-01-06T12:30Z"));
  EXPECT_THAT(lines[3], HasSubstr("vitals.f39"));
  EXPECT_THAT(lines[12], HasSubstr("vitals.f30"));
  EXPECT_EQ(lines[13], "(12 of 43: --all shows every one)");
  EXPECT_EQ(lines.back(), "value: 40 subjects, 0 learning, 40 armed, 0 alarmed, 0 muted");
}

TEST(DriftTable, IsNarrowedByKindAndState) {
  EXPECT_EQ(lines_of(table({"", "", true})).size(), 1 + 43 + 1 + 3);
  EXPECT_EQ(lines_of(table({"missingness", "", false})).size(), 1 + 2 + 1 + 3);
  const std::string learning = table({"", "learning", false});
  EXPECT_THAT(learning, HasSubstr("labs"));
  EXPECT_THAT(learning, Not(HasSubstr("blood_gas")));
  EXPECT_EQ(lines_of(table({"", "armed", false})).size(), 1 + 41 + 1 + 3) << "asked for, so all of them";
  EXPECT_THAT(table({"", "muted", false}), HasSubstr("liver.alt"));
  EXPECT_THAT(table({"nothing", "", false}), HasSubstr("no such subject"));
}

TEST(DriftTable, TellsWhatIsDoneToLearning) {
  Progress p = many();
  EXPECT_THAT(table({}, p), Not(HasSubstr("learning is")));
  p.steps_multiplier = 0;
  EXPECT_THAT(table({}, p), HasSubstr("learning is frozen"));
  p.steps_multiplier = 4;
  EXPECT_THAT(table({}, p), HasSubstr("sped up 4 times"));
}

TEST(DriftTable, OtherAnswersAreRefused) {
  for (const char* answer :
       {"", "{}", "[]", "null", "<html>", R"({"subjects":[{}],"families":[]})",
        R"({"subjects":[{"state":1,"kind":"a","subject":"b","effects":{}}],"families":[]})", R"({"subjects":7,"families":7})"}) {
    EXPECT_EQ(drift_table(answer, {}).code(), Code::invalid) << answer;
    EXPECT_EQ(read_missingness(answer).code(), Code::invalid) << answer;
  }
  EXPECT_EQ(read_missingness(R"({"rows":[{"site":"a","modality":"b","week":"soon","patient_hours":1,"share":1}]})").code(), Code::invalid);
}

TEST(TextTable, ColumnsStandUnderEachOther) {
  EXPECT_EQ(text_table({{"name", "n", "x"}, {"a", "100", "1"}, {"Z\xC3\xBCrich", "7"}}, "lr"),
            "name      n  x\na       100  1\nZ\xC3\xBCrich    7\n");
  EXPECT_THAT(text_table({{"\x1b[2J\n"}}, "l"), Not(HasSubstr("\x1b")));
}

TEST(Missingness, TheAnswerReadsBack) {
  const auto rows = missingness_rows();
  const auto again = read_missingness(missingness_json(rows));
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(*again, rows);
}

TEST(Missingness, TheTableHasALinePerModalityAndSite) {
  const auto lines = lines_of(missingness_table(missingness_rows(), 2));
  EXPECT_EQ(lines[2], "modality       site   2026-03-16  2026-03-23");
  EXPECT_EQ(lines[3], "vitals         (all)        60 %        60 %") << "weighted by patient-hours";
  EXPECT_EQ(lines[7], "blood_gas      <b>&         20 %        20 %");
  EXPECT_EQ(lines[8], "blood_gas      icu-1       0.4 %       0.4 %");
  EXPECT_EQ(lines[9], "patient-hours  (all)         400         400");
  EXPECT_THAT(missingness_table(missingness_rows(), 12), HasSubstr("-")) << "where nobody was there";
  EXPECT_THAT(missingness_table({}, 8), HasSubstr("nothing was counted"));
}

}  // namespace
}  // namespace lacuna::daemon
