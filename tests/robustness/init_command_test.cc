// `lacuna init` as a newcomer meets it: from a table to something learned, with the commands that it prints and nothing else.
//
// Goal: what init writes is taken by check, read by replay without a loss, and learned from by run; an existing file is not overwritten;
// the answer is one screen. Method: the real binary on made-up tables.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/robustness/table_command_fixture.h"

namespace lacuna::daemon {
namespace {

using lacuna::testing::DaemonProcess;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class InitCommand : public TableCommand {
 protected:
  void expect_learns(const std::string& data) {
    const std::string config = files_.path("lacuna.yaml"), in = "data_dir=" + files_.path("data");
    ASSERT_EQ(lacuna({"init", data, "-o", config}), 0) << output_;
    EXPECT_THAT(output_, HasSubstr("--until-idle"));
    EXPECT_LT(std::ranges::count(output_, '\n'), 25) << "one screen: " << output_;
    EXPECT_EQ(lacuna({"check", "--config", config}), 0) << output_;
    EXPECT_EQ(lacuna({"replay", "--config", config, "--strict", "--dry-run", data}), 0) << output_;
    EXPECT_EQ(lacuna({"replay", "--config", config, "--set", in, data}), 0) << output_;
    EXPECT_EQ(lacuna({"run", "--config", config, "--set", in, "--until-idle", "--epochs", "2"}), 0) << output_;
    EXPECT_THAT(output_, HasSubstr("dead letters")) << "its last lines";
    EXPECT_THAT(output_, HasSubstr(" 0 dead letters")) << output_;
  }
};

TEST_F(InitCommand, ATableOfPatientsIsLearned) { expect_learns(files_.write("patients.csv", testing::frame_of_patients())); }

TEST_F(InitCommand, ATableOfVisitsIsLearned) { expect_learns(files_.write("visits.csv", testing::frame_of_visits())); }

TEST_F(InitCommand, AFolderOfStaysIsLearned) {
  testing::stays(files_, "stays");
  expect_learns(files_.path("stays"));
}

TEST_F(InitCommand, WithoutAFileItGoesToStandardOutput) {
  const std::string data = files_.write("patients.csv", testing::frame_of_patients(50));
  EXPECT_EQ(lacuna({"init", data}), 0);
  EXPECT_THAT(output_, HasSubstr("# Guessed by `lacuna init` from patients.csv"));
  EXPECT_THAT(output_, HasSubstr("To write it to a file:\n"));
  EXPECT_THAT(output_, HasSubstr(" init "));
}

TEST_F(InitCommand, AFileThatIsThereStays) {
  const std::string data = files_.write("patients.csv", testing::frame_of_patients(50)), config = files_.write("mine.yaml", "mine");
  EXPECT_EQ(lacuna({"init", data, "-o", config}), 2);
  EXPECT_THAT(output_, HasSubstr("is there already; --force overwrites it"));
  EXPECT_EQ(DaemonProcess::read(config), "mine");
  EXPECT_EQ(lacuna({"init", data, "-o", config, "--force"}), 0);
  EXPECT_THAT(DaemonProcess::read(config), StartsWith("# Guessed"));
}

TEST_F(InitCommand, WhatIsReadIsNotWrittenOver) {
  const std::string table = testing::frame_of_patients(50), data = files_.write("patients.csv", table);
  EXPECT_EQ(lacuna({"init", data, "-o", data, "--force"}), 2);
  EXPECT_THAT(output_, HasSubstr("is the table itself"));
  EXPECT_EQ(DaemonProcess::read(data), table);
  testing::stays(files_, "stays");
  EXPECT_EQ(lacuna({"init", files_.path("stays"), "-o", files_.path("stays") + "/lacuna.yaml"}), 2);
  EXPECT_THAT(output_, HasSubstr("lies in the folder that is read"));
}

TEST_F(InitCommand, LimitsAreNumbers) {
  std::string table = "id,crp,hr\n";
  for (int i = 0; i < 200; ++i) {
    table +=
        std::to_string(i) + "," + (i % 8 == 0 ? "<5" : std::to_string(5 + i * 37 % 211)) + "," + std::to_string(60 + i * 13 % 47) + "\n";
  }
  const std::string data = files_.write("labs.csv", table), config = files_.path("lacuna.yaml");
  ASSERT_EQ(lacuna({"init", data, "-o", config}), 0) << output_;
  EXPECT_THAT(DaemonProcess::read(config), ::testing::Not(HasSubstr("<5"))) << "neither missing nor a class";
  EXPECT_EQ(lacuna({"replay", "--config", config, "--strict", "--dry-run", data}), 0) << output_;
  EXPECT_THAT(output_, HasSubstr("25 values told as a limit"));
}

TEST_F(InitCommand, WhatIsNoTableIsRefused) {
  EXPECT_EQ(lacuna({"init", files_.write("a.csv", "PK\x03\x04 and so on")}), 2);
  EXPECT_THAT(output_, HasSubstr("Excel"));
  EXPECT_EQ(lacuna({"init", files_.path("absent.csv")}), 2);
}

}  // namespace
}  // namespace lacuna::daemon
