// Protects that a table comes back as it was: its rows, columns and cells, byte for byte, with what is imputed beside them and in the
// table's own words.
#include "daemon/table_imputation/wide_rows.h"

#include <gmock/gmock.h>

#include <sstream>

#include "tests/unit/daemon/table_imputation/answering_version.h"
#include "tests/unit/daemon/table_imputation/made_up_ward.h"

namespace lacuna::daemon {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class WideTable : public ::testing::Test {
 protected:
  std::vector<std::string> write(const std::vector<std::string>& paths, std::size_t draws = 0) {
    const PatientTable table = testing::table_of(config_, paths);
    const testing::AnsweringVersion version(*config_.schema);
    const model::Calibrator calibrator(*config_.schema, 0.9);
    const TableImputer imputer(config_, table, version, calibrator, {draws, false, true});
    std::ostringstream out;
    counts_ = {};
    status_ = write_table(
        {*config_.schema, *config_.mapping, paths, table, imputer, TableForm::wide, draws, 0.9, version.id()}, out, [](auto, auto) {},
        counts_);
    std::vector<std::string> lines;
    std::istringstream text(out.str());
    for (std::string line; std::getline(text, line);) lines.push_back(line);
    return lines;
  }
  testing::TableFiles files_;
  const Config config_ = testing::make_config(testing::kVisits);
  OutputCounts counts_;
  Status status_;
};

TEST_F(WideTable, KeepsTheRowsAndSaysWhatIsMissingBesideThem) {
  // Rows of a patient lie apart; a quoted cell, one that no key names, and an empty line.
  const std::string path =
      files_.write("t.csv", "id,day,x,y,note,group\nb,10,,3000,\"said \"\"no\"\"\",1\na,0,2.50,NA,\"a,b\",\n\nb,0,1,,,0\n");
  EXPECT_THAT(
      write({path}),
      ElementsAre("id,day,x,x_median,x_mean,x_low,x_high,x_reason,y,y_median,y_mean,y_low,y_high,y_reason,note,group,group_likeliest,"
                  "group_probability,group_reason,based_on",
                  "b,10,,7,7,5.35515,8.64485,measured_before,3000,,,,,observed,\"said \"\"no\"\"\",1,,,observed,first second",
                  "a,0,2.50,,,,,observed,NA,7000,7000,5355.15,8644.85,never_measured,\"a,b\",,1,0.75,never_measured,first",
                  "b,0,1,,,,,observed,,7000,7000,5355.15,8644.85,never_measured,,0,,,observed,first"));
  EXPECT_TRUE(status_.ok());
  EXPECT_EQ(counts_.rows, 3u);
  EXPECT_EQ(counts_.gaps[testing::feature(config_, "second", "y")], 2u);
  EXPECT_EQ(counts_.imputed[testing::feature(config_, "second", "y")], 2u);
}

TEST_F(WideTable, WhatCannotBePlacedStaysAsItIs) {
  const std::string path = files_.write("t.csv", "id,day,x\na,soon,\na,0,1,1\na,0,\n");
  EXPECT_THAT(write({path}), ElementsAre("id,day,x,x_median,x_mean,x_low,x_high,x_reason,based_on", "a,soon,,,,,,,",
                                         "a,0,,7,7,5.35515,8.64485,never_measured,"));
  EXPECT_EQ(counts_.unplaced, 1u);
  EXPECT_EQ(counts_.broken, 1u);
}

TEST_F(WideTable, CompletedCopiesHaveTheTablesColumns) {
  const std::string path = files_.write("t.csv", "id,day,x,y,group\na,0,2.50,NA,\nb,0,1,2,0\n");
  EXPECT_THAT(write({path}, 2), ElementsAre("draw,id,day,x,y,group,drawn", "1,a,0,2.50,0,1,y group", "2,a,0,2.50,10000,1,y group",
                                            "1,b,0,1,2,0,", "2,b,0,1,2,0,"));
}

TEST_F(WideTable, FilesOfOneHeaderAreOneTable) {
  const std::string one = files_.write("1.csv", "id,day,x\na,0,\n"), two = files_.write("2.csv", "id,day,x\nb,0,1\n"),
                    other = files_.write("3.csv", "id,x,day\nc,1,0\n");
  EXPECT_EQ(write({one, two}).size(), 3u);
  write({one, other});
  EXPECT_EQ(status_.code(), Code::invalid);
  EXPECT_THAT(status_.message(), HasSubstr("--long"));
}

TEST_F(WideTable, AColumnThatWouldBeAddedIsNotThere) {
  write({files_.write("t.csv", "id,day,x,x_low\na,0,,\n")});
  EXPECT_EQ(status_.code(), Code::invalid);
  EXPECT_THAT(status_.message(), HasSubstr("'x_low'"));
}

}  // namespace
}  // namespace lacuna::daemon
