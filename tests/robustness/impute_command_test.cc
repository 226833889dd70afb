// `lacuna impute` as a data scientist meets it: from a table to a table, with the two commands that the manual prints.
//
// Goal: what init writes is learned from and imputed unedited; every row comes back with its cells; the model is better than the mean and
// its intervals hold; the forms of output, a trained model, a mask of one's own; what cannot be done is refused. Method: the real binary on
// made-up tables.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/robustness/table_command_fixture.h"
#include "tests/unit/daemon/table_imputation/made_up_ward.h"

namespace lacuna::daemon {
namespace {

using lacuna::testing::DaemonProcess;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class ImputeCommand : public TableCommand {
 protected:
  std::vector<std::string> lines(const std::string& name) const {
    std::istringstream text(DaemonProcess::read(files_.path(name)));
    std::vector<std::string> out;
    for (std::string line; std::getline(text, line);) out.push_back(line);
    return out;
  }
  std::string visits_config() {
    return files_.write("visits.yaml", "data_dir: " + files_.path("data") +
                                           "\nlog: {kind: embedded, partitions: 1}\nhttp: {enabled: false}\n" +
                                           std::string(testing::kVisits));
  }
};

/// By a parser that is not ours.
void expect_pictures(const std::string& folder, const std::vector<std::string>& names) {
  std::string script = "import sys, xml.etree.ElementTree as e\nfor f in sys.argv[1:]: assert e.parse(f).getroot().tag.endswith(\"svg\")";
  std::string command = "python3 -c '" + script + "'";
  for (const std::string& name : names) command += " " + folder + "/" + name;
  EXPECT_EQ(std::system(command.c_str()), 0) << command;
}

TEST_F(ImputeCommand, AfterInitATableComesBackImputed) {
  const std::string table = files_.write("visits.csv", testing::frame_of_visits()), config = files_.path("lacuna.yaml");
  ASSERT_EQ(lacuna({"init", table, "-o", config}), 0) << output_;
  ASSERT_EQ(lacuna({"impute", table, "--config", config, "--epochs", "3", "-o", files_.path("out.csv")}), 0) << output_;
  EXPECT_THAT(output_, HasSubstr("below the mean's"));
  EXPECT_THAT(output_, HasSubstr("inside their intervals"));
  const auto before = lines("visits.csv"), after = lines("out.csv");
  ASSERT_EQ(before.size(), after.size());
  EXPECT_THAT(after[0], HasSubstr("chol,chol_median,chol_mean,chol_low,chol_high,chol_reason"));
  for (std::size_t i = 1; i < before.size(); ++i) {
    EXPECT_THAT(after[i], StartsWith(before[i].substr(0, before[i].find(',', 5)))) << "row " << i << " is where it was";
    EXPECT_EQ(before[i].find("NA") != std::string::npos, after[i].find("NA") != std::string::npos) << "and its gaps are gaps";
  }
  EXPECT_FALSE(std::filesystem::exists("lacuna-data")) << "nothing is kept";
}

TEST_F(ImputeCommand, WhatIsMissingIsFoundWithinItsInterval) {
  const auto cells = testing::made_up_visits(500, 0.15);
  const std::string table = files_.write("t.csv", testing::to_csv(cells));
  ASSERT_EQ(lacuna({"impute", table, "--config", visits_config(), "--epochs", "12", "--long", "-o", files_.path("out.csv")}), 0) << output_;
  double error = 0, of_mean = 0;
  std::size_t inside = 0, count = 0;
  for (const std::string& line : lines("out.csv")) {  // patient,time,feature,unit,value,median,mean,low,high,likeliest,probability,reason
    std::vector<std::string> c;
    std::istringstream in(line);
    for (std::string cell; std::getline(in, cell, ',');) c.push_back(cell);
    if (c.size() != 12 || c[2] != "second.y" || c[11] != "never_measured") continue;
    const auto truth =
        std::ranges::find_if(cells, [&](const testing::MadeUpCell& m) { return m.patient == c[0] && std::to_string(m.day) == c[1]; });
    ASSERT_NE(truth, cells.end());
    if (!truth->has_x) continue;
    count += 1;
    error += std::abs(std::stod(c[5]) - truth->y);
    of_mean += std::abs(truth->y);
    inside += truth->y >= std::stod(c[7]) && truth->y <= std::stod(c[8]) ? 1 : 0;
  }
  ASSERT_GT(count, 60u);
  EXPECT_LT(error, 0.5 * of_mean);
  EXPECT_GT(static_cast<double>(inside) / static_cast<double>(count), 0.8);
}

TEST_F(ImputeCommand, EveryForm) {
  const std::string table = files_.write("t.csv", testing::to_csv(testing::made_up_visits(60, 0.2))), config = visits_config();
  ASSERT_EQ(lacuna({"impute", table, "--config", config, "--epochs", "1", "--draws", "3", "-o", files_.path("copies.csv")}), 0) << output_;
  const auto copies = lines("copies.csv");
  EXPECT_EQ(copies[0], "draw,row,id,day,x,y,z,group,drawn");
  EXPECT_EQ(copies.size(), 1 + 3 * 180u);
  EXPECT_TRUE(std::ranges::none_of(copies, [](const std::string& line) { return line.find("NA") != std::string::npos; }));
  ASSERT_EQ(lacuna({"impute", table, "--config", config, "--epochs", "1", "--both-sides", "--draws", "2", "-o", files_.path("later.csv")}),
            0)
      << output_;
  EXPECT_EQ(lines("later.csv").size(), 1 + 2 * 180u);
  ASSERT_EQ(lacuna({"impute", table, "--config", config, "--epochs", "1", "--both-sides", "-o", files_.path("out.ndjson")}), 0) << output_;
  for (const std::string& line : lines("out.ndjson")) EXPECT_TRUE(nlohmann::json::parse(line).at("imputed"));
  // As an event it is refused.
  EXPECT_EQ(lacuna({"replay", "--config", config, "--dry-run", files_.path("out.ndjson")}), 1) << output_;
}

TEST_F(ImputeCommand, UsesWhatADaemonHasLearned) {
  const std::string table = files_.write("t.csv", testing::to_csv(testing::made_up_visits(150, 0.2))), config = visits_config();
  EXPECT_EQ(lacuna({"impute", table, "--config", config, "--model", files_.path("")}), 4) << output_;
  ASSERT_EQ(lacuna({"replay", "--config", config, table}), 0) << output_;
  ASSERT_EQ(lacuna({"run", "--config", config, "--until-idle", "--epochs", "3"}), 0) << output_;
  ASSERT_EQ(lacuna({"impute", table, "--config", config, "--model", files_.path("data"), "-o", files_.path("out.csv"), "--plot",
                    files_.path("plots")}),
            0)
      << output_;
  EXPECT_THAT(output_, HasSubstr("no errors and no calibration, since --model holds no value back"));
  EXPECT_FALSE(std::filesystem::exists(files_.path("plots") + "/errors.svg"));
  EXPECT_EQ(lines("out.csv").size(), 451u);
  EXPECT_EQ(lacuna({"impute", table, "--config", config, "--model", files_.path("data"), "--both-sides"}), 2);
  EXPECT_THAT(output_, HasSubstr("looks back only"));
}

TEST_F(ImputeCommand, AMaskOfOnesOwnIsComparedWithPlainMethods) {
  const std::string table = files_.write("t.csv", testing::to_csv(testing::made_up_visits(300, 0)));
  std::string mask = "id,day,feature\n";
  for (int p = 0; p < 300; p += 4) mask += "p" + std::to_string(p) + ",180,y\n";
  ASSERT_EQ(lacuna({"evaluate", "--config", visits_config(), "--data", table, "--mask", files_.write("mask.csv", mask), "--epochs", "8",
                    "--plot", files_.path("plots")}),
            0)
      << output_;
  EXPECT_THAT(output_, HasSubstr("75 cells are masked"));
  expect_pictures(files_.path("plots"), {"errors.svg", "calibration.svg"});
  EXPECT_THAT(output_, HasSubstr("chained equations"));
  EXPECT_THAT(output_, HasSubstr("second.y"));
  EXPECT_EQ(lacuna({"evaluate", "--config", visits_config(), "--mask", files_.path("mask.csv")}), 2);
}

TEST_F(ImputeCommand, PicturesOfCoursesErrorsAndCalibration) {
  auto cells = testing::made_up_visits(60, 0.2);
  for (auto& c : cells) c.patient = c.patient == "p0" ? "../../p<0>&" : c.patient == "p1" ? "/etc/passwd" : c.patient;
  const std::string table = files_.write("t.csv", testing::to_csv(cells)), config = visits_config(), plots = files_.path("a/plots");
  ASSERT_EQ(lacuna({"impute", table, "--config", config, "--epochs", "2", "-o", files_.path("out.csv"), "--plot", plots}), 0) << output_;
  std::vector<std::string> there;
  for (const auto& entry : std::filesystem::directory_iterator(plots)) there.push_back(entry.path().filename());
  EXPECT_EQ(there.size(), 14u) << "twelve courses, errors, calibration";
  expect_pictures(plots, there);
  const std::string first = DaemonProcess::read(plots + "/patient-1.svg");
  EXPECT_THAT(first, HasSubstr("Patient ../../p&lt;0&gt;&amp;: measured and imputed"));
  EXPECT_THAT(first, HasSubstr(">mg/L<")) << "in the table's unit";
  EXPECT_THAT(first, HasSubstr(">100 d<")) << "the days that the table tells";
  const auto y = std::ranges::find_if(cells, [](const auto& c) { return c.has_y; });
  EXPECT_THAT(first, HasSubstr("day " + std::to_string(y->day) + ": ")) << "a tip has the moment as the table tells it";
  EXPECT_THAT(DaemonProcess::read(plots + "/errors.svg"), HasSubstr("chained equations"));
  EXPECT_THAT(output_, HasSubstr("pictures in " + plots));

  // One that is named; one that is not there; a disk that is full.
  // What an earlier run drew is none of this one's; what somebody else put there stays.
  const std::string one = files_.path("one");
  files_.write("one/patient-9.svg", "old");
  files_.write("one/patient-notes.svg", "mine");
  ASSERT_EQ(lacuna({"impute", table, "--config", config, "--epochs", "1", "-o", files_.path("out.csv"), "--plot", one, "--plot-patient",
                    "/etc/passwd"}),
            0)
      << output_;
  EXPECT_TRUE(std::filesystem::exists(one + "/patient-2.svg"));
  EXPECT_FALSE(std::filesystem::exists(one + "/patient-1.svg"));
  EXPECT_FALSE(std::filesystem::exists(one + "/patient-9.svg"));
  EXPECT_EQ(DaemonProcess::read(one + "/patient-notes.svg"), "mine");
  EXPECT_EQ(lacuna({"impute", table, "--config", config, "--plot", one, "--plot-patient", "nobody"}), 2);
  EXPECT_THAT(output_, AllOf(HasSubstr("no such patient (1 of 1)"), Not(HasSubstr("nobody"))));
  EXPECT_EQ(lacuna({"impute", table, "--config", config, "--plot-patient", "p3"}), 2);
  std::filesystem::remove(one + "/errors.svg");
  std::filesystem::create_symlink("/dev/full", one + "/errors.svg");
  EXPECT_EQ(lacuna({"impute", table, "--config", config, "--epochs", "1", "-o", files_.path("out.csv"), "--plot", one}), 1);
  EXPECT_THAT(output_, HasSubstr("errors.svg: No space left on device"));
  EXPECT_EQ(lacuna({"impute", table, "--config", config, "--plot", files_.write("file", "")}), 1) << "a file is no folder";
}

TEST_F(ImputeCommand, WhatCannotBeDoneIsRefused) {
  const std::string table = files_.write("t.csv", testing::to_csv(testing::made_up_visits(20, 0.2))), config = visits_config();
  EXPECT_EQ(lacuna({"impute", table, "--config", config, "-o", table}), 2);
  EXPECT_THAT(output_, HasSubstr("is one of the files that are read"));
  EXPECT_EQ(DaemonProcess::read(table), testing::to_csv(testing::made_up_visits(20, 0.2))) << "untouched";
  EXPECT_EQ(lacuna({"impute", files_.write("empty.csv", "row,id,day,x,y,z,group\n0,a,0,,,,\n"), "--config", config}), 4);
  EXPECT_EQ(lacuna({"impute", table, "--config", config, "--causal", "--both-sides"}), 2);
  EXPECT_EQ(lacuna({"impute", table, "--config", config, "-o", files_.path("no/such/folder.csv"), "--epochs", "1"}), 1) << output_;
}

}  // namespace
}  // namespace lacuna::daemon
