// Protects that a table comes into memory whole: every row has its place, patients that lie apart are one, and of a result that was
// corrected or withdrawn the newest word stands.
#include "daemon/table_imputation/patient_table.h"

#include <gmock/gmock.h>

#include "tests/unit/daemon/table_imputation/made_up_ward.h"

namespace lacuna::daemon {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(PatientTable, EveryRowHasItsPlace) {
  testing::TableFiles files;
  const Config config = testing::make_config(testing::kVisits);
  const std::string path =
      files.write("t.csv", "row,id,day,x,y,z,group\n0,a,0,1,,,1\n1,b,0,NA,,,\n2,a,10,,,2,\n3,a,soon,1,,,\n4,a,10,5,,,\n");
  const PatientTable table = testing::table_of(config, {path});
  ASSERT_EQ(table.patients.size(), 2u);
  EXPECT_EQ(table.patients[0].id, "a");
  EXPECT_EQ(table.patients[0].moments.size(), 2u);
  EXPECT_EQ(table.patients[1].moments.size(), 1u) << "a row without values is a moment too";
  const auto& rows = table.rows.at(path);
  EXPECT_EQ(rows.size(), 4u) << "but not the one whose time cannot be read";
  EXPECT_FALSE(rows.contains(5));
  EXPECT_EQ(rows.at(3).patient, 1u);
  EXPECT_EQ(rows.at(6).time, table.patients[0].moments[1]);
  EXPECT_EQ(table.patients[0].time_texts.at(table.patients[0].moments[1]), "10");
}

Event fact(const std::string& result, double revision, double value, ResultStatus status = ResultStatus::final) {
  Event e;
  e.patient_id = "a";
  e.modality = 0;
  e.values = {{0, value}};
  e.result_id = result;
  if (revision > 0) e.revision = {Revision::Kind::number, revision};
  e.status = status;
  return e;
}

TEST(StandingFacts, TheNewestRevisionStandsInWhateverOrder) {
  const auto left = standing_facts({fact("r", 2, 20), fact("r", 1, 10), fact("s", 0, 1), fact("s", 0, 2), fact("", 0, 5)});
  std::vector<double> values;
  for (const Event& e : left) values.push_back(e.values.front().value);
  EXPECT_THAT(values, ElementsAre(20, 2, 5));
}

TEST(StandingFacts, WhatIsWithdrawnIsGone) {
  Event withdrawn = fact("r", 2, 0, ResultStatus::entered_in_error);
  EXPECT_TRUE(standing_facts({fact("r", 1, 10), withdrawn}).empty());
  EXPECT_EQ(standing_facts({fact("r", 3, 10), withdrawn}).size(), 1u) << "a later revision is the fact";
  withdrawn.values.clear();
  withdrawn.modality = kNoModality;
  EXPECT_TRUE(standing_facts({fact("r", 1, 10), withdrawn}).empty()) << "all of it";
}

TEST(PatientTable, PersonsAreNotMergedInATable) {
  testing::TableFiles files;
  const Config config = testing::make_config(testing::kVisits);
  const std::string path = files.write(
      "t.ndjson", R"({"schema_version":1,"event_id":"1","patient_id":"a","time":"2026-01-01T00:00:00Z","patient":{"merged_into":"b"}})"
                  "\n");
  const auto table = read_table(*config.schema, *config.mapping, {path}, [](auto, auto) {});
  ASSERT_FALSE(table.ok());
  EXPECT_EQ(table.code(), Code::invalid);
  EXPECT_THAT(table.status().message(), HasSubstr("lacuna replay"));
}

}  // namespace
}  // namespace lacuna::daemon
