// What is shown of a dry run: what would become of messages, by where it goes and why not, without a value and without an identifier; and a
// code map that can be filled in and read.
#include "daemon/tables/feed_table.h"

#include <gtest/gtest.h>

#include "streaming/hl7/code_map.h"
#include "tests/support/scratch_folder.h"

namespace lacuna::daemon {
namespace {

namespace hl7 = streaming::hl7;

Schema schema() {
  std::vector<Schema::ModalitySpec> specs(1);
  specs[0].modality.name = "lab";
  for (const char* name : {"glucose", "sodium"}) {
    Feature f;
    f.name = name;
    f.unit = std::string(name) == "glucose" ? "mg/dL" : "mmol/L";
    specs[0].features.push_back(f);
  }
  return *Schema::make(std::move(specs), {});
}

std::string oru(const std::string& patient, const std::string& order, const std::string& obx, const std::string& sent = "20260102100000") {
  return "MSH|^~\\&|LIS|HOSP|||" + sent + "+0000||ORU^R01|1|P|2.5\rPID|1||" + patient + "^^^HOSP^MR~99887^^^STATE^PI\rOBR|1||" + order +
         "|CHEM|||20260102080000\rOBX|1|" + obx + "\r";
}

class FeedTable : public ::testing::Test {
 protected:
  FeedTable() {
    options_.codes["GLU"] = {"lab.glucose", "", {}, {}};
    auto made = hl7::DryRun::make(schema_, options_, {}, *parse_rfc3339("2026-01-03T00:00:00Z"));
    run_ = std::make_unique<hl7::DryRun>(std::move(*made));
  }
  std::string shown() const { return feed_table(*run_, schema_, options_); }
  const Schema schema_ = schema();
  hl7::FeedOptions options_;
  std::unique_ptr<hl7::DryRun> run_;
};

TEST_F(FeedTable, SaysWhatWouldBecomeOfMessages) {
  run_->add("day.hl7", oru("77001", "L1", "NM|GLU||123.75|mg/dL|||||P") +
                           oru("77001", "L1", "NM|GLU||124.5|mg/dL|||||F", "20260102110000") +
                           oru("77002", "L2", "NM|GLU||oops|mg/dL|||||F") + oru("77002", "L2", "NM|NA^Sodium^L||140|mmol/L|||||F") +
                           "MSH|^~\\&|ADT|HOSP|||20260102100000+0000||ADT^A03|1|P|2.5\rPID|1||77001^^^HOSP^MR\r");
  EXPECT_EQ(run_->changes().facts, 1U);
  EXPECT_EQ(run_->changes().replaced, 1U);
  EXPECT_EQ(run_->targets().at("lab.glucose").values, 2U);
  EXPECT_EQ(run_->targets().at("lab.glucose").preliminary, 1U);
  EXPECT_EQ(run_->people().at("discharge"), 1U);
  EXPECT_EQ(run_->patients(), 1U);
  const std::string text = shown();
  for (const char* part : {"5 messages", "ORU^R01 4", "LIS, HOSP 4", "lab.glucose", "OBX (lab.glucose): OBX-5 is not a number", "day.hl7:3",
                           "Sodium", "identifier: {authority: \"HOSP\", type: \"MR\"}", "\"NA^L\": {to: lab.sodium}"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  }
  for (const char* secret : {"77001", "99887", "123.75", "124.5", "oops"}) EXPECT_EQ(text.find(secret), std::string::npos) << secret;
}

TEST_F(FeedTable, ResultsThatTakeEachOthersPlaceAreNoticed) {
  std::string text;
  for (const char* minute : {"10", "20", "30"}) {
    text += "MSH|^~\\&|MON||||202601021000+0000||ORU^R01|1|P|2.5\rPID|1||1\rOBR|1||STAY9|VS|||2026010208" + std::string(minute) +
            "00\rOBX|1|NM|GLU||5|mg/dL|||||F\r";
  }
  run_->add("f", text);
  EXPECT_EQ(run_->changes().moved, 2U);
  EXPECT_NE(shown().find("2 of those that are told again are final as before"), std::string::npos);
}

TEST_F(FeedTable, TheDraftCanBeFilledInAndRead) {
  run_->add("f", oru("1", "L1", "NM|NA^Sodium^L||140|mmol/L") + oru("1", "L1", "NM|Q,1^Odd \"name\"^||1|furlong") +
                     oru("1", "L2", "NM|SOD^sodium||140|mg"));
  const std::string draft = codes_draft(*run_, schema_);
  EXPECT_NE(draft.find("NA,L,lab.sodium,,Sodium,1,mmol/L\n"), std::string::npos) << draft;
  EXPECT_NE(draft.find("\"Q,1\",,,,\"Odd \"\"name\"\"\",1,furlong\n"), std::string::npos) << draft;
  EXPECT_NE(draft.find("SOD,,,,sodium,1,mg\n"), std::string::npos) << "a unit that does not convert is no hint: " << draft;
  const lacuna::testing::ScratchFolder folder;
  std::map<std::string, hl7::CodeTarget> codes;
  const Status read = hl7::read_codes(folder.write("codes.csv", draft), codes);
  ASSERT_TRUE(read.ok()) << read.message();
  EXPECT_EQ(codes.size(), 1U);
  EXPECT_EQ(codes.at("NA^L").to, "lab.sodium");
}

TEST_F(FeedTable, WhatIsNoMessageIsSaid) {
  run_->add("x.txt", "hello");
  EXPECT_NE(shown().find("it holds no MSH"), std::string::npos) << shown();
  const lacuna::testing::ScratchFolder folder;
  EXPECT_EQ(hl7::add_files(*run_, folder.path() + "/none").code(), Code::not_found);
  folder.write("a.hl7", oru("1", "L1", "NM|GLU||1|mg/dL"));
  ASSERT_TRUE(hl7::add_files(*run_, folder.path()).ok());
  EXPECT_EQ(run_->counts().taken, 1U);
}

}  // namespace
}  // namespace lacuna::daemon
