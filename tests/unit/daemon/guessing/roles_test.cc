// Goal: who, when and what are found in tables as people have them. Method: small tables with the headers of public data sets.
#include "daemon/guessing/roles.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/daemon/guessing/made_up_tables.h"

namespace lacuna::daemon {
namespace {

using namespace lacuna::daemon::testing;
using streaming::FileFormat;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using TimeForm = streaming::FileMapping::TimeForm;

class RolesTest : public ::testing::Test {
 protected:
  Roles roles(const std::vector<std::string>& paths) {
    const auto table = sample_table(paths);
    EXPECT_TRUE(table.ok()) << table.status().message();
    const auto guessed = guess_roles(*table);
    EXPECT_TRUE(guessed.ok());
    return *guessed;
  }
  Roles roles_of(const std::string& text) { return roles({files_.write("t.csv", text)}); }
  static std::vector<std::string> names(const std::vector<LeftOut>& left_out) {
    std::vector<std::string> out;
    for (const LeftOut& l : left_out) out.push_back(l.name);
    return out;
  }
  Files files_;
};

TEST_F(RolesTest, ADataFrameOfPatientsIsOneMomentEach) {
  const Roles r = roles_of(frame_of_patients());
  EXPECT_EQ(r.mapping.format, FileFormat::wide_csv);
  EXPECT_EQ(r.mapping.patient_column, "");
  EXPECT_FALSE(r.mapping.time_column);
  EXPECT_EQ(r.mapping.time_form, TimeForm::none);
  EXPECT_FALSE(r.mapping.row_is_patient);
}

TEST_F(RolesTest, WithoutAnIndexEachRowIsAPatient) {
  std::string text = frame_of_patients();
  std::string without;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    without += text.substr(text.find(',', at) + 1, end - text.find(',', at));
    at = end + 1;
  }
  const Roles r = roles_of(without);
  EXPECT_FALSE(r.mapping.patient_column);
  EXPECT_TRUE(r.mapping.row_is_patient);
}

TEST_F(RolesTest, VisitsHaveATimeThatMovesWithinPatients) {
  const Roles r = roles_of(frame_of_visits());
  EXPECT_EQ(r.mapping.patient_column, "id");
  EXPECT_EQ(r.mapping.time_column, "day");
  EXPECT_EQ(r.mapping.time_form, TimeForm::days);
  EXPECT_THAT(names(r.left_out), ElementsAre("rownames"));
}

TEST_F(RolesTest, AFolderOfStaysIsLongAndTheFileIsThePatient) {
  stays(files_, "set");
  const Roles r = roles({files_.path("set")});
  EXPECT_EQ(r.mapping.format, FileFormat::long_csv);
  EXPECT_FALSE(r.mapping.patient_column);
  EXPECT_EQ(r.mapping.time_column, "Time");
  EXPECT_EQ(r.mapping.parameter_column, "Parameter");
  EXPECT_EQ(r.mapping.value_column, "Value");
  EXPECT_EQ(r.mapping.time_form, TimeForm::hours_minutes);
}

TEST_F(RolesTest, ALaboratorysExportHasUnitsAndMoreThanIsRead) {
  std::string text = "labid,patientunitstayid,labresultoffset,labname,labresult,labresulttext,labmeasurenamesystem\n";
  for (int i = 0; i < 200; ++i) {
    text += std::to_string(9000 + 3 * i) + "," + std::to_string(700 + i / 20) + "," + std::to_string(i * 35 - 400) + "," +
            (i % 2 ? "BUN" : "potassium") + "," + std::to_string(4 + i % 3) + "," + std::to_string(4 + i % 3) + "," +
            (i % 2 ? "mg/dL" : "mmol/L") + "\n";
  }
  const Roles r = roles_of(text);
  EXPECT_EQ(r.mapping.format, FileFormat::long_csv);
  EXPECT_EQ(r.mapping.patient_column, "patientunitstayid");
  EXPECT_EQ(r.mapping.time_column, "labresultoffset");
  EXPECT_EQ(r.mapping.time_form, TimeForm::minutes);
  EXPECT_EQ(r.mapping.parameter_column, "labname");
  EXPECT_EQ(r.mapping.unit_column, "labmeasurenamesystem");
  EXPECT_THAT(names(r.left_out), ElementsAre("labid", "labresulttext"));
  EXPECT_THAT(r.doubts, Contains(HasSubstr("read as minutes")));
}

TEST_F(RolesTest, SurvivalTimeIsNoTimeOfATableOfPatients) {
  std::string text = "rownames,case.id,id,time,status,age\n";
  for (int i = 0; i < 50; ++i)
    text += std::to_string(i + 1) + "," + std::to_string(i / 4) + "," + std::to_string(i + 1) + "," + std::to_string(400 + 7 * i) + ",1," +
            std::to_string(40 + i) + "\n";
  const Roles r = roles_of(text);
  EXPECT_FALSE(r.mapping.time_column);
  EXPECT_EQ(r.mapping.patient_column, "id");
}

TEST_F(RolesTest, SitesDatesAndNamesTwice) {
  std::string text = "subject_id;charttime;hospital;admitted;hr;hr\n";
  for (int i = 0; i < 60; ++i) {
    text += std::to_string(i / 6) + ";2180-07-2" + std::to_string(i % 6) + " 14:00:00;" + (i < 30 ? "north" : "south") + ";2180-07-20;" +
            std::to_string(70 + i) + ";1\n";
  }
  const Roles r = roles_of(text);
  EXPECT_EQ(r.mapping.separator, ';');
  EXPECT_EQ(r.mapping.time_column, "charttime");
  EXPECT_EQ(r.mapping.time_form, TimeForm::local);
  EXPECT_EQ(r.mapping.time_zone, "UTC");
  EXPECT_EQ(r.mapping.site_column, "hospital");
  EXPECT_THAT(names(r.left_out), ElementsAre("hr", "admitted"));
  EXPECT_THAT(r.doubts, Contains(HasSubstr("has no zone")));
}

TEST_F(RolesTest, AFileWithTimesAndNoPatientsIsOne) {
  const Roles r = roles_of("time,hr\n2026-01-01T00:00:00Z,70\n2026-01-01T01:00:00Z,71\n");
  EXPECT_FALSE(r.mapping.patient_column);
  EXPECT_FALSE(r.mapping.row_is_patient);
  EXPECT_EQ(r.mapping.time_column, "time");
  EXPECT_THAT(r.doubts, ElementsAre(HasSubstr("the whole file is read as one")));
}

TEST_F(RolesTest, SeveralRowsWithoutATimeAreADoubt) {
  std::string text = "id,hr\n";
  for (int i = 0; i < 60; ++i) text += std::to_string(i / 3) + "," + std::to_string(70 + i) + "\n";
  EXPECT_THAT(roles_of(text).doubts, Contains(HasSubstr("no column tells their time")));
}

}  // namespace
}  // namespace lacuna::daemon
