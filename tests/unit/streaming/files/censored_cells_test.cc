// Goal: results that a laboratory tells as a limit ("<5") are read as limits, whole, and what is no limit is counted and not guessed.
// Method: small files as laboratories, SQL clients and data frames write them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "streaming/files/input_files.h"
#include "tests/unit/streaming/messages/message_fixture.h"

namespace lacuna::streaming {
namespace {

using namespace lacuna::streaming::testing;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
namespace fs = std::filesystem;

constexpr FeatureId kTroponin = 0, kGfr = 1, kCrp = 2, kExcess = 3, kColonies = 4, kStage = 5;

Schema laboratory() {
  Schema::ModalitySpec spec;
  spec.modality.name = "chemistry";
  spec.features = {feature("troponin", "ng/L", Likelihood::log_normal, 0, 100'000),
                   feature("gfr", "mL/min", Likelihood::normal, 1, 200),
                   feature("crp", "mg/L", Likelihood::log_normal, 0, 600),
                   feature("base_excess", "mmol/L", Likelihood::normal, -40, 40),
                   feature("colonies", "", Likelihood::negative_binomial, 0, 1'000'000),
                   feature("stage", "", Likelihood::categorical)};
  spec.features[kStage].categories = {"1", "2"};
  Attribute age;
  age.name = "age";
  age.low = 0;
  age.high = 120;
  return Schema::make({spec}, {age}).value();
}

class CensoredCells : public ::testing::Test {
 protected:
  CensoredCells() {
    mapping_.format = FileFormat::long_csv;
    mapping_.patient_column = "id";
    mapping_.time_column = "t";
    mapping_.parameter_column = "test";
    mapping_.value_column = "result";
    mapping_.columns["TNT"] = {"chemistry", "troponin", 1, 0, {}};
    mapping_.columns["EGFR"] = {"chemistry", "gfr", 1, 0, {}};
    mapping_.columns["CRP"] = {"chemistry", "crp", 1, 0, {}};
    mapping_.columns["BD"] = {"chemistry", "base_excess", -1, 0, {}};
    mapping_.columns["CFU"] = {"chemistry", "colonies", 1, 0, {}};
    mapping_.columns["CKD"] = {"chemistry", "stage", 1, 0, {}};
    mapping_.columns["AGE"] = {"", "age", 1, 0, {}};
  }
  ~CensoredCells() override { fs::remove(path()); }
  static std::string path() {
    const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
    return (fs::temp_directory_path() / ("lacuna_censored_" + std::string(info->name()) + std::to_string(::getpid()) + ".csv")).string();
  }
  std::vector<Event> read(const std::string& text) {
    std::ofstream(path(), std::ios::binary) << text;
    std::vector<Event> events;
    report_ = {};
    const Status status = read_patients(
        schema_, mapping_, path(), 0,
        [&](std::vector<Event> some) {
          for (Event& e : some) events.push_back(std::move(e));
          return Status();
        },
        {}, report_);
    EXPECT_TRUE(status.ok()) << status.to_string();
    return events;
  }
  /// Rows of one patient, an hour apart: what each became.
  std::vector<FeatureValue> values(const std::vector<std::string>& rows, const std::string& header = "id,t,test,result") {
    std::string text = header + "\n";
    for (std::size_t i = 0; i < rows.size(); ++i)
      text += "h,2026-01-01T" + std::string(i < 10 ? "0" : "") + std::to_string(i) + ":00:00Z," + rows[i] + "\n";
    std::vector<FeatureValue> out;
    for (const Event& e : read(text)) out.insert(out.end(), e.values.begin(), e.values.end());
    return out;
  }

  const Schema schema_ = laboratory();
  FileMapping mapping_;
  FileReport report_;
};

// Case 09: results beyond the analyser's range went lost as rows that cannot be read.
TEST_F(CensoredCells, BeyondTheAnalysersRange) {
  const auto taken = values({"TNT,<5", "TNT,14", "TNT,>10000", "TNT,\"1,250\"", "TNT,hemolysed", "TNT,8+", "TNT,+8", "TNT,999999"});
  EXPECT_THAT(taken, ElementsAre(FeatureValue{kTroponin, 5, Comparator::less}, FeatureValue{kTroponin, 14},
                                 FeatureValue{kTroponin, 10'000, Comparator::greater}, FeatureValue{kTroponin, 8}));
  EXPECT_EQ(report_.censored, 2U);
  EXPECT_EQ(report_.values, 4U);
  EXPECT_EQ(report_.unreadable.at("TNT").count, 3U);
  EXPECT_EQ(report_.out_of_range.at("TNT").count, 1U);
  EXPECT_FALSE(report_.lossless());
}

TEST_F(CensoredCells, AsPeopleWriteThem) {
  const auto taken =
      values({"TNT,< 5", "TNT,<= 5", "EGFR,>=60", "EGFR,≥ 60", "EGFR,≤15", "TNT,=<5", "CRP,LESS THAN 0.3", "CRP,Greater than 500"});
  EXPECT_THAT(taken, ElementsAre(FeatureValue{kTroponin, 5, Comparator::less}, FeatureValue{kTroponin, 5, Comparator::at_most},
                                 FeatureValue{kGfr, 60, Comparator::at_least}, FeatureValue{kGfr, 60, Comparator::at_least},
                                 FeatureValue{kGfr, 15, Comparator::at_most}, FeatureValue{kTroponin, 5, Comparator::at_most},
                                 FeatureValue{kCrp, 0.3, Comparator::less}, FeatureValue{kCrp, 500, Comparator::greater}));
  EXPECT_TRUE(report_.lossless());
  EXPECT_EQ(report_.censored, 8U);
}

// An export with decimal commas; a unit that stands behind the number.
TEST_F(CensoredCells, DecimalCommasAndUnitsInTheCell) {
  mapping_.decimal = ',';
  mapping_.separator = ';';
  const std::string text =
      "id;t;test;result\nh;2026-01-01T00:00:00Z;CRP;<0,3\nh;2026-01-01T01:00:00Z;CRP;> 150 mg/L\n"
      "h;2026-01-01T02:00:00Z;CRP;<0,5 mg/dL\nh;2026-01-01T03:00:00Z;CRP;12,5 bottles\nh;2026-01-01T04:00:00Z;CRP;12,5mg/L\n";
  std::vector<FeatureValue> taken;
  for (const Event& e : read(text)) taken.push_back(e.values.front());
  EXPECT_THAT(taken, ElementsAre(FeatureValue{kCrp, 0.3, Comparator::less}, FeatureValue{kCrp, 150, Comparator::greater},
                                 FeatureValue{kCrp, 5, Comparator::less}, FeatureValue{kCrp, 12.5}));
  EXPECT_EQ(report_.unreadable.at("CRP").count, 1U);
}

TEST_F(CensoredCells, AUnitInTheCellMustBeTheRows) {
  mapping_.unit_column = "unit";
  const auto taken = values({"CRP,>150 mg/L,mg/L", "CRP,>150 mg/L,mg/dL", "CRP,<5,mg/dL"}, "id,t,test,result,unit");
  EXPECT_THAT(taken, ElementsAre(FeatureValue{kCrp, 150, Comparator::greater}, FeatureValue{kCrp, 50, Comparator::less}));
  EXPECT_EQ(report_.units.at("CRP").count, 1U);
}

// Whoever has to mend the table or the schema needs both units; what is no unit is not said again, since it may be anything.
TEST_F(CensoredCells, AUnitInTheCellThatDoesNotConvertIsNamed) {
  EXPECT_THAT(values({"CRP,12 mmHg", "CRP,12 bottles"}), IsEmpty());
  ASSERT_TRUE(report_.units.contains("CRP"));
  EXPECT_THAT(report_.units.at("CRP").first, AllOf(HasSubstr("'mmHg'"), HasSubstr("cannot be converted to 'mg/L'")));
  EXPECT_EQ(report_.unreadable.at("CRP").count, 1U);
  EXPECT_THAT(report_.unreadable.at("CRP").first, Not(HasSubstr("bottles")));
}

// A titre's "1:20" is neither 1 nor 20, and a range is no limit.
TEST_F(CensoredCells, WhatIsNoLimitIsCounted) {
  EXPECT_THAT(values({"TNT,<1:20", "TNT,<", "TNT,<>5", "TNT,5<", "TNT,<5-10", "TNT,<<5", "TNT,5-10", "CKD,<2"}), IsEmpty());
  EXPECT_EQ(report_.unreadable.at("TNT").count, 7U);
  EXPECT_EQ(report_.out_of_range.at("CKD").count, 1U);
}

// SQL exports have the operator beside the number.
TEST_F(CensoredCells, AColumnOfComparators) {
  mapping_.comparator_column = "op";
  const auto taken = values({"TNT,5,<", "TNT,14,", "TNT,15,=", "EGFR,60,>=", "EGFR,>=60,>=", "EGFR,>60,<", "TNT,3,~", "EGFR,>90,="},
                            "id,t,test,result,op");
  EXPECT_THAT(taken, ElementsAre(FeatureValue{kTroponin, 5, Comparator::less}, FeatureValue{kTroponin, 14}, FeatureValue{kTroponin, 15},
                                 FeatureValue{kGfr, 60, Comparator::at_least}, FeatureValue{kGfr, 60, Comparator::at_least},
                                 FeatureValue{kGfr, 90, Comparator::greater}));
  EXPECT_EQ(report_.unreadable.at("EGFR").count, 1U);
  EXPECT_EQ(report_.unreadable.at("TNT").count, 1U);
}

// A base deficit is a base excess with the sign turned.
TEST_F(CensoredCells, WhatTurnsTheOrderTurnsTheComparator) {
  EXPECT_THAT(values({"BD,<2", "BD,>=10"}),
              ElementsAre(FeatureValue{kExcess, -2, Comparator::greater}, FeatureValue{kExcess, -10, Comparator::at_most}));
}

TEST_F(CensoredCells, TheLimitIsHeldAgainstTheRange) {
  EXPECT_THAT(values({"TNT,<0.01", "TNT,<0", "TNT,<=0", "CFU,<1", "CFU,>100000", "CFU,<0.5", "EGFR,<0.5", "EGFR,>300", "EGFR,<1"}),
              ElementsAre(FeatureValue{kTroponin, 0.01, Comparator::less}, FeatureValue{kTroponin, 0, Comparator::at_most},
                          FeatureValue{kColonies, 1, Comparator::less}, FeatureValue{kColonies, 100'000, Comparator::greater},
                          FeatureValue{kGfr, 1, Comparator::less}));
  EXPECT_EQ(total(report_.out_of_range), 4U);
}

// Registers tell the oldest as "> 89". An attribute has no place for a limit; the mapping may say what to take.
TEST_F(CensoredCells, AttributesHaveNone) {
  EXPECT_THAT(read("id,t,test,result\nh,2026-01-01T00:00:00Z,AGE,> 89\n"), IsEmpty());
  EXPECT_THAT(report_.unreadable.at("AGE").first, HasSubstr("attributes.age is an attribute"));
  mapping_.columns["AGE"].categories["> 89"] = "90";
  const auto events = read("id,t,test,result\nh,2026-01-01T00:00:00Z,AGE,> 89\n");
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].attributes, (std::vector<AttributeValue>{{0, 90}}));
}

TEST_F(CensoredCells, ALimitIsAnotherValueThanTheSameNumber) {
  const auto events =
      read("id,t,test,result\nh,2026-01-01T00:00:00Z,TNT,<5\nh,2026-01-01T00:00:00Z,TNT,5\nh,2026-01-01T00:00:00Z,TNT,<5\n");
  ASSERT_EQ(events.size(), 2U) << "the third says what the first did";
  EXPECT_NE(events[0].event_id, events[1].event_id);
  EXPECT_EQ(report_.duplicates, 1U);
}

TEST_F(CensoredCells, NdjsonTellsThemAsWell) {
  mapping_ = {};
  const auto events = read(
      R"({"schema_version":1,"event_id":"h-1","patient_id":"h","modality":"chemistry","time":"2026-01-01T00:00:00Z","values":{"troponin":"<5"}}
{"schema_version":1,"event_id":"h-2","patient_id":"h","modality":"chemistry","time":"2026-01-01T01:00:00Z","values":{"troponin":{"value":5,"unit":"ng/L","comparator":"<"}}}
{"schema_version":1,"event_id":"h-3","patient_id":"h","modality":"chemistry","time":"2026-01-01T02:00:00Z","values":{"troponin":"14"}}
)");
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(events[0].values, events[1].values);
  EXPECT_EQ(events[0].values.front(), (FeatureValue{kTroponin, 5, Comparator::less}));
  EXPECT_EQ(report_.censored, 2U);
  EXPECT_EQ(total(report_.unreadable), 1U);
}

}  // namespace
}  // namespace lacuna::streaming
