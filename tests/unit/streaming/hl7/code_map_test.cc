// A code leads to the row that says most of it, whatever is wrong with a map is said with its key, and codes that lead nowhere are counted
// in bounded memory.
#include "streaming/hl7/code_map.h"

#include "streaming/hl7/trigger.h"
#include "streaming/hl7/unmapped_codes.h"
#include "tests/support/scratch_folder.h"
#include "tests/unit/streaming/hl7/feed_fixture.h"

namespace lacuna::streaming::hl7 {
namespace {

class Codes : public ::testing::Test {
 protected:
  std::vector<CodeMap::Problem> problems_of(const FeedOptions& options) {
    std::vector<CodeMap::Problem> out;
    const CodeMap map(index_, options, out);
    return out;
  }
  const Schema schema_ = hospital_schema();
  const SchemaIndex index_{schema_};
};

TEST_F(Codes, TheRowThatSaysMostHolds) {
  FeedOptions options;
  options.codes["A"] = {"lab.glucose", "", {}, {}};
  options.codes["A^LN"] = {"lab.crp", "", {}, {}};
  options.codes["A^^/min"] = {"vitals.hr", "", {}, {}};
  options.codes["A^LN^Cel"] = {"vitals.temp", "", {}, {}};
  options.ignored_codes = {"A^X"};
  std::vector<CodeMap::Problem> problems;
  CodeMap map(index_, options, problems);
  ASSERT_TRUE(problems.empty()) << problems[0].second;
  const auto path = [&](const char* system, const char* unit) {
    const CodeRow* row = map.find("A", system, unit);
    return row == nullptr ? "none" : row->ignored ? "ignored" : row->field->path;
  };
  EXPECT_EQ(path("L", "mg/dL"), "lab.glucose");
  EXPECT_EQ(path("LN", "mg/dL"), "lab.crp");
  EXPECT_EQ(path("L", "/min"), "vitals.hr");
  EXPECT_EQ(path("LN", "/min"), "vitals.hr") << "a unit says more than a system";
  EXPECT_EQ(path("LN", "Cel"), "vitals.temp");
  EXPECT_EQ(path("X", "mg/dL"), "ignored");
  EXPECT_EQ(map.find("B", "", ""), nullptr);
}

TEST_F(Codes, WhatIsWrongIsSaidWithItsKey) {
  const auto problem = [&](const std::string& key, const CodeTarget& target) {
    FeedOptions options;
    options.codes[key] = target;
    const auto found = problems_of(options);
    return found.size() == 1 ? found[0].first + ": " + found[0].second : std::to_string(found.size()) + " problems";
  };
  EXPECT_EQ(problem("A", {"lab.glucos", "", {}, {}}), "codes.A: the schema has no feature lab.glucos; did you mean lab.glucose?");
  EXPECT_EQ(problem("A", {"", "", {}, {}}), "codes.A: needs `to`: modality.feature, or a modality of payloads");
  EXPECT_TRUE(problem("A", {"lab", "", {}, {}}).starts_with("codes.A: leads to 'lab'"));
  EXPECT_TRUE(problem("A", {"lab.glucose", "furlong", {}, {}}).starts_with("codes.A: "));
  EXPECT_TRUE(problem("A^L^mm[Hg]", {"lab.glucose", "", {}, {}}).starts_with("codes.A^L^mm[Hg]: "));
  EXPECT_EQ(problem("A", {"lab.culture", "mg/dL", {}, {}}), "codes.A: has a unit, and leads to no number");
  EXPECT_EQ(problem("A", {"lab.culture", "", {}, {{"P", "positve"}}}),
            "codes.A: 'lab.culture' has no category positve; did you mean positive?");
  EXPECT_EQ(problem("A", {"report", "", {}, {{"P", "x"}}}), "codes.A: has categories, and leads to a modality of payloads");
  EXPECT_EQ(problem("", {"lab.glucose", "", {}, {}}), "codes.: names no code");
  FeedOptions twice;
  twice.codes["A"] = {"lab.glucose", "", {}, {}};
  twice.ignored_codes = {"A"};
  ASSERT_EQ(problems_of(twice).size(), 1U);
  FeedOptions others;
  others.attributes["weight"] = {"PID-8", {}, {}};
  others.attributes["age"] = {"PID", {}, {}};
  others.attributes["sex"] = {"age", {}, {}};
  others.site = "OBX-3";
  others.time_zone = "Europe/Berlim";
  others.sender_zones["LIS"] = "Nowhere";
  others.character_set = "KLINGON";
  std::vector<std::string> keys;
  for (const auto& one : MessageDecoder::check(schema_, others)) keys.push_back(one.key);
  std::sort(keys.begin(), keys.end());
  EXPECT_EQ(keys, (std::vector<std::string>{"attributes.age", "attributes.sex", "attributes.weight", "character_set",
                                            "senders.LIS.time_zone", "site", "time_zone"}));
  const auto made = MessageDecoder::make(schema_, others, {});
  EXPECT_EQ(made.code(), Code::invalid);
}

class CodesFile : public Codes {
 protected:
  std::string read(const std::string& text, std::map<std::string, CodeTarget>& codes) {
    const Status status = read_codes(folder_.write("codes.csv", text), codes);
    return status.ok() ? "" : status.message().substr(folder_.path().size() + 1);
  }
  testing::ScratchFolder folder_;
};

TEST_F(CodesFile, AddsItsRows) {
  std::map<std::string, CodeTarget> codes;
  codes["OLD"] = {"lab.crp", "", {}, {}};
  EXPECT_EQ(read("code,system,when_unit,to,unit,missing,categories,name\nGLU,,,lab.glucose,mg/dL,TNP|QNS,,Glucose\n"
                 "CULT,L,,lab.culture,,,NEG=negative|POS=positive,\nA,,/min,vitals.hr,,,,\nUNMAPPED,,,,,,,later\n",
                 codes),
            "");
  ASSERT_EQ(codes.size(), 4U);
  EXPECT_EQ(codes["GLU"].to, "lab.glucose");
  EXPECT_EQ(codes["GLU"].unit, "mg/dL");
  EXPECT_EQ(codes["GLU"].missing, (std::vector<std::string>{"TNP", "QNS"}));
  EXPECT_EQ(codes["CULT^L"].categories.at("POS"), "positive");
  EXPECT_EQ(codes["A^^/min"].to, "vitals.hr");
}

TEST_F(CodesFile, SaysWhichLineIsWrong) {
  std::map<std::string, CodeTarget> codes;
  codes["OLD"] = {"lab.crp", "", {}, {}};
  EXPECT_EQ(read("code,system\n", codes), "codes.csv:1: the header has no column 'to'");
  EXPECT_EQ(read("code,to\nA,x.y\nOLD,x.z\n", codes), "codes.csv:3: the code is there already");
  EXPECT_EQ(read("code,to\n,x.y\n", codes), "codes.csv:2: it names no code");
  EXPECT_EQ(read("code,to,categories\nA,x.y,P\n", codes), "codes.csv:2: categories: text=category, parted by |");
  EXPECT_EQ(codes.size(), 1U) << "and nothing of the file was taken";
}

TEST(UnmappedCodesTest, AreCountedInBoundedMemory) {
  UnmappedCodes codes(3);
  for (int i = 0; i < 5; ++i) {
    for (int k = 0; k <= i; ++k) codes.add("C" + std::to_string(i), "L", "Name", "u" + std::to_string(k), "NM");
  }
  for (int i = 0; i < 20; ++i) codes.add("C2", "L", "Another", "v" + std::to_string(i), "ST");
  EXPECT_EQ(codes.values(), 35U);
  EXPECT_EQ(codes.beyond(), 9U);
  const auto found = codes.by_volume();
  ASSERT_EQ(found.size(), 3U);
  EXPECT_EQ(found[0].code, "C2");
  EXPECT_EQ(found[0].values, 23U);
  EXPECT_EQ(found[0].name, "Name");
  EXPECT_LE(found[0].units.size(), UnmappedCode::kUnitsMax + 1);
  EXPECT_EQ(found[0].units.at("..."), 15U);
  EXPECT_EQ(found[0].types.at("NM"), 3U);
}

TEST(UnmappedCodesTest, AreShownWithoutControlCharacters) {
  UnmappedCodes codes;
  codes.add("A\x1b[2J", "", std::string(300, 'n'), "\xff", "");
  const auto found = codes.by_volume();
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].code, "A?[2J");
  EXPECT_EQ(found[0].name.size(), 96U);
  EXPECT_EQ(found[0].units.begin()->first, "?");
}

TEST(Triggers, OfNoAdministrationAreNone) {
  EXPECT_EQ(trigger_rule("R01").trigger, Trigger::none);
  EXPECT_EQ(trigger_rule("").trigger, Trigger::none);
  EXPECT_EQ(trigger_rule("A99").trigger, Trigger::none);
  EXPECT_FALSE(trigger_rule("A29").problem.empty());
}

}  // namespace
}  // namespace lacuna::streaming::hl7
