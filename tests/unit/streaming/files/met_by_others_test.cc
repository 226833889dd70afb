// Goal: units and ranges of exports, in situations that people reported of other readers (docs/input-formats.md#met-by-others names each).
// Method: the situation on made-up patients, as a small file.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "streaming/files/input_files.h"
#include "tests/support/scratch_folder.h"
#include "tests/unit/streaming/messages/message_fixture.h"

namespace lacuna::streaming {
namespace {

using namespace lacuna::streaming::testing;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class MetByOthers : public ::testing::Test {
 protected:
  MetByOthers() {
    mapping_.format = FileFormat::long_csv;
    mapping_.patient_column = "id";
    mapping_.time_form = FileMapping::TimeForm::minutes;
    mapping_.time_column = "t";
    mapping_.parameter_column = "test";
    mapping_.value_column = "result";
    mapping_.columns["Glucose"] = {"laboratory", "glucose", 1, 0, {}};
    mapping_.columns["Temp"] = {"vitals", "temp", 1, 0, {}};
  }
  /// The values, in order of time.
  std::vector<double> read(const std::string& text, const std::string& name = "e.csv") {
    report_ = {};
    std::vector<double> out;
    const Status status = read_patients(
        schema_, mapping_, scratch_.write(name, text), 0,
        [&](const std::vector<Event>& events) {
          for (const Event& e : events) {
            for (const FeatureValue& v : e.values) out.push_back(v.value);
          }
          return Status();
        },
        {}, report_);
    EXPECT_TRUE(status.ok()) << status.to_string();
    return out;
  }

  const Schema schema_ = make_schema();
  lacuna::testing::ScratchFolder scratch_;
  FileMapping mapping_;
  FileReport report_;
};

// MIT-LCP/eicu-code#247: the interface's unit beside the system's, mostly another spelling of it, at times another unit. Which one is right
// the row does not say: such a value is not taken, and is told.
TEST_F(MetByOthers, TwoColumnsOfUnitsMustAgree) {
  mapping_.unit_column = "system";
  mapping_.second_unit_column = "interface";
  const auto values = read(
      "id,t,test,result,system,interface\n"
      "d,0,Glucose,99,mg/dL,MG/DL\n"
      "d,1,Glucose,5,,mmol/L\n"
      "d,2,Glucose,5.5,mg/dL,mmol/L\n"
      "d,3,Glucose,98,,\n"
      "d,4,Glucose,97,mg/dL,bottles\n"
      "d,5,Glucose,5 mmol/L,,mg/dL\n");
  ASSERT_EQ(values.size(), 3U);
  EXPECT_EQ(values[0], 99);
  EXPECT_NEAR(values[1], 90.078, 1e-9);
  EXPECT_EQ(values[2], 98);
  EXPECT_EQ(report_.units.at("Glucose").count, 3U);
  EXPECT_THAT(report_.units.at("Glucose").first, HasSubstr("e.csv:4: the row names two units that are not the same"));
  EXPECT_EQ(report_.told.at("Glucose"), 6U);
  EXPECT_TRUE(report_.unmapped.empty());
}

// Medical-Event-Data-Standard/meds_etl#35: OMOP's unit_source_value is left empty lest it tell more than it should, and the unit stands in
// unit_concept_id alone, as a number of OMOP's.
TEST_F(MetByOthers, AUnitIsANumberOfAVocabulary) {
  mapping_.unit_column = "unit_source_value";
  mapping_.second_unit_column = "unit_concept_id";
  mapping_.units = {{"8840", "mg/dL"}, {"8753", "mmol/L"}, {"0", ""}};
  const auto values = read(
      "id,t,test,result,unit_source_value,unit_concept_id\n"
      "d,0,Glucose,99,,8840\n"
      "d,1,Glucose,5,,8753\n"
      "d,2,Glucose,98,MG/DL,8840\n"
      "d,3,Glucose,97,mg/dL,0\n"
      "d,4,Glucose,96,,\n"
      "d,5,Glucose,95,,9999\n");
  ASSERT_EQ(values.size(), 5U);
  EXPECT_NEAR(values[1], 90.078, 1e-9);
  EXPECT_THAT(std::vector(values.begin() + 2, values.end()), ElementsAre(98, 97, 96));
  EXPECT_EQ(report_.units.at("Glucose").count, 1U);
}

// AmsterdamUMC/AmsterdamUMCdb#5: an amount was written where a concentration was meant. It does not convert, until somebody says so.
TEST_F(MetByOthers, AUnitThatIsWrongThroughoutIsNamed) {
  mapping_.unit_column = "unit";
  const std::string text = "id,t,test,result,unit\nd,0,Glucose,5,mmol\nd,1,Glucose,5 mmol,\n";
  EXPECT_TRUE(read(text).empty());
  EXPECT_EQ(report_.units.at("Glucose").count, 2U);
  mapping_.units["mmol"] = "mmol/L";
  EXPECT_EQ(read(text).size(), 2U);
  EXPECT_TRUE(report_.lossless());
}

// MIT-LCP/mimic-code#749: a comparator in words, the number and its unit in one cell, and the unit once more in its own column.
TEST_F(MetByOthers, ALimitInWordsWithItsUnit) {
  mapping_.unit_column = "valueuom";
  EXPECT_THAT(read("id,t,test,result,valueuom\nd,0,Glucose,LESS THAN 10 mg/dL,MG/DL\nd,1,Glucose,GREATER THAN 600 mg/dl,\n"),
              ElementsAre(10, 600));
  EXPECT_EQ(report_.censored, 2U);
}

// MIT-LCP/mimic-code#2168: a handful among millions, or a whole column: the count alone does not tell which.
TEST_F(MetByOthers, HowManyOfAColumnAreOutOfRange) {
  std::string text = "id,t,test,result\n";
  for (int i = 0; i < 40; ++i) text += "d," + std::to_string(i) + ",Temp," + (i < 3 ? "98.6" : "37") + "\n";
  text += "d,41,Glucose,\nd,42,Glucose,102102\n";
  EXPECT_EQ(read(text).size(), 37U);
  EXPECT_EQ(report_.out_of_range.at("Temp").count, 3U);
  EXPECT_EQ(report_.told.at("Temp"), 40U);
  EXPECT_EQ(report_.told.at("Glucose"), 1U) << "an empty cell says no value";
  // The same of event messages, over files.
  mapping_.format = FileFormat::ndjson;
  text.clear();
  for (const char* value : {"37", "98.6", "36"}) {
    text += R"({"schema_version":1,"event_id":"e)" + std::string(value) +
            R"(","patient_id":"d","modality":"vitals","time":"2026-01-01T00:00:00Z","values":{"hr":70,"temp":)" + value + "}}\n";
  }
  read(text, "e.ndjson");
  EXPECT_EQ(report_.out_of_range.at("vitals.temp").count, 1U);
  EXPECT_EQ(report_.told.at("vitals.temp"), 3U);
}

// OHDSI/DataQualityDashboard#69: one range, values in two units. It holds after the conversion, and its ends are inside in either: 113
// degrees Fahrenheit are 45 Celsius, which a rounding error put beyond them.
TEST_F(MetByOthers, TheEndsOfARangeAreInsideInEachUnit) {
  mapping_.unit_column = "unit";
  for (int high = 30; high <= 45; ++high) {
    Schema::ModalitySpec vitals;
    vitals.modality.name = "vitals";
    vitals.features = {feature("temp", "Cel", Likelihood::normal, 28, high)};
    const auto schema = Schema::make({vitals}, {});
    ASSERT_TRUE(schema.ok());
    mapping_.columns = {{"Temp", {"vitals", "temp", 1, 0, {}}}};
    const int tenths = high * 18 + 320;
    const auto written = [](int t) { return std::to_string(t / 10) + "." + std::to_string(t % 10); };
    report_ = {};
    std::vector<double> values;
    const Status status = read_patients(
        *schema, mapping_,
        scratch_.write("e.csv", "id,t,test,result,unit\nd,0,Temp,82.4,F\nd,1,Temp," + written(tenths) + ",F\nd,2,Temp," +
                                    written(tenths + 1) + ",F\nd,3,Temp," + std::to_string(high) + ",C\n"),
        0,
        [&](const std::vector<Event>& events) {
          for (const Event& e : events) values.push_back(e.values[0].value);
          return Status();
        },
        {}, report_);
    ASSERT_TRUE(status.ok());
    ASSERT_EQ(values.size(), 3U) << high;
    EXPECT_NEAR(values[0], 28, 1e-12);
    EXPECT_GE(values[0], 28);
    EXPECT_NEAR(values[1], high, 1e-12);
    EXPECT_LE(values[1], high);
    EXPECT_EQ(report_.out_of_range.at("Temp").count, 1U);
  }
}

}  // namespace
}  // namespace lacuna::streaming
