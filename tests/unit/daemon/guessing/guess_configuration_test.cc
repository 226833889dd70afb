// Goal: a table goes in, and a configuration comes out under which reading all of it loses nothing, and in which each column is accounted
// for. Method: made-up tables of the forms that people have; the reader and the configuration of the daemon judge the outcome.
#include "daemon/guessing/guess_configuration.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "daemon/config/config.h"
#include "daemon/guessing/table_sample.h"
#include "tests/unit/daemon/guessing/made_up_tables.h"

namespace lacuna::daemon {
namespace {

using namespace lacuna::daemon::testing;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr Time kNow = std::chrono::sys_days(std::chrono::year(2026) / 6 / 1);

class GuessConfiguration : public ::testing::Test {
 protected:
  /// Guesses, and holds the outcome against what must be true of every table.
  Config guess(const std::string& path, bool lossless = true) {
    auto guessed = guess_configuration({path}, kNow, {});
    EXPECT_TRUE(guessed.ok()) << guessed.status().message();
    if (!guessed.ok()) return {};
    guessed_ = *guessed;
    const ConfigOutcome outcome = parse_config(guessed_.yaml, "guessed.yaml");
    EXPECT_TRUE(outcome.config) << guessed_.yaml;
    EXPECT_EQ(guessed_.lossless, lossless) << ::testing::PrintToString(guessed_.doubts) << guessed_.yaml;
    EXPECT_THAT(open_ranges(*outcome.config->schema), IsEmpty()) << guessed_.yaml;
    return *outcome.config;
  }
  Config guess_text(const std::string& text, bool lossless = true) { return guess(files_.write("table.csv", text), lossless); }

  /// Every column of the header is a role, mapped or ignored.
  static void expect_all_accounted_for(const Config& config, const std::vector<std::string>& header) {
    const streaming::FileMapping& m = *config.mapping;
    std::set<std::string> known(m.ignored.begin(), m.ignored.end());
    for (const auto& [name, target] : m.columns) known.insert(name);
    for (const auto& role :
         {m.patient_column, m.time_column, m.parameter_column, m.value_column, m.unit_column, m.second_unit_column, m.site_column}) {
      if (role) known.insert(*role);
    }
    for (const std::string& name : header) EXPECT_TRUE(known.contains(name)) << name;
  }
  static const Feature* feature(const Config& config, const std::string& name) {
    for (const Feature& f : config.schema->features()) {
      if (f.name == name) return &f;
    }
    ADD_FAILURE() << "no feature " << name;
    static const Feature kNone;
    return &kNone;
  }

  Files files_;
  GuessedConfiguration guessed_;
};

TEST_F(GuessConfiguration, ADataFrameOfPatients) {
  const Config config = guess_text(frame_of_patients());
  expect_all_accounted_for(config, {"", "age", "sex", "cp", "trestbps", "chol", "restecg", "oldpeak", "diagnosis", "visit_no", "remark"});
  EXPECT_EQ(guessed_.patients, 400u);
  EXPECT_EQ(feature(config, "chol")->unit, "mg/dL");
  EXPECT_EQ(feature(config, "chol")->low, 20) << "0 is a mark there";
  EXPECT_EQ(config.mapping->columns.at("chol").missing_texts, std::vector<std::string>{"0"});
  EXPECT_EQ(feature(config, "cp")->likelihood, Likelihood::categorical);
  EXPECT_EQ(feature(config, "diagnosis")->categories, (std::vector<std::string>{"angina", "infarct, old", "none"}));
  EXPECT_EQ(config.mapping->ignored, (std::vector<std::string>{"visit_no", "remark"}));
  EXPECT_TRUE(config.schema->find_attribute("age"));
  EXPECT_GE(config.schema->modality_count(), 2u);
  EXPECT_GT(guessed_.epochs, 10);
  EXPECT_THAT(guessed_.doubts, Contains(HasSubstr("left out")));
  for (const std::string& doubt : guessed_.doubts) EXPECT_THAT(doubt, Not(HasSubstr("remark number"))) << "no patient's value";
}

TEST_F(GuessConfiguration, RowsWithoutAnId) {
  const Config config = guess_text("hr,temp\n80,36.5\n90,37\n70,36\n85,36.8\n");
  EXPECT_TRUE(config.mapping->row_is_patient);
  EXPECT_EQ(guessed_.patients, 4u);
}

TEST_F(GuessConfiguration, VisitsOfPatients) {
  const Config config = guess_text(frame_of_visits());
  expect_all_accounted_for(config, {"rownames", "id", "trt", "age", "day", "ascites", "edema", "bili", "albumin", "chol"});
  EXPECT_EQ(config.mapping->time_form, streaming::FileMapping::TimeForm::days);
  EXPECT_EQ(config.mapping->missing_texts, std::vector<std::string>{"NA"});
  EXPECT_TRUE(config.schema->find_attribute("trt"));
  EXPECT_EQ(feature(config, "edema")->likelihood, Likelihood::ordinal);
  EXPECT_EQ(feature(config, "bili")->likelihood, Likelihood::log_normal);
  EXPECT_EQ(config.schema->modality_of(*config.schema->find_feature(config.schema->find_modality("liver"), "bili")).stale_after,
            std::chrono::days(365));
}

TEST_F(GuessConfiguration, AFolderOfStays) {
  stays(files_, "set");
  const Config config = guess(files_.path("set"));
  EXPECT_EQ(guessed_.patients, 40u);
  expect_all_accounted_for(config, {"Time", "Parameter", "Value", "RecordID", "Age", "Gender", "Height", "HR", "SysABP", "pH", "PaCO2",
                                    "Creatinine", "BUN", "MechVent"});
  EXPECT_EQ(config.mapping->columns.at("pH").missing_texts, std::vector<std::string>{"735"});
  EXPECT_EQ(config.mapping->columns.at("Height").missing_texts, std::vector<std::string>{"-1"});
  EXPECT_THAT(config.mapping->ignored, Contains("RecordID"));
  EXPECT_THAT(config.mapping->ignored, Contains("MechVent")) << "imputed, it would be 1 for everybody";
  const Schema& schema = *config.schema;
  EXPECT_EQ(feature(config, "hr")->modality, feature(config, "sys_abp")->modality);
  EXPECT_EQ(feature(config, "ph")->modality, feature(config, "paco2")->modality);
  EXPECT_NE(feature(config, "ph")->modality, feature(config, "hr")->modality);
  EXPECT_EQ(schema.modalities()[feature(config, "hr")->modality].stale_after, std::chrono::hours(2));
  EXPECT_TRUE(schema.find_attribute("gender"));
}

TEST_F(GuessConfiguration, AGermanExport) {
  std::string text = "Fallnummer;Zeitpunkt;Puls;Temperatur;Größe\n";
  for (std::size_t i = 0; i < 200; ++i) {
    text += std::to_string(i / 10) + ";" + std::to_string(1 + i % 10) + ".03.2026 14:00;" + fixed(80 + 9 * bell(1, i), 0) + ";";
    std::string temp = fixed(36.7 + 0.5 * bell(2, i), 1);
    temp[temp.find('.')] = ',';
    text += temp + ";170\n";
  }
  const Config config = guess_text(text);
  EXPECT_EQ(config.mapping->decimal, ',');
  EXPECT_EQ(config.mapping->time_pattern, "%d.%m.%Y %H:%M");
  EXPECT_EQ(config.mapping->patient_column, "Fallnummer");
  EXPECT_EQ(feature(config, "temperatur")->unit, "Cel");
  EXPECT_THAT(config.mapping->ignored, Contains("Größe")) << "always the same";
}

TEST_F(GuessConfiguration, ALaboratoryWithTwoUnits) {
  std::string text = "subject_id,charttime,label,valuenum,valueuom\n";
  for (std::size_t i = 0; i < 300; ++i) {
    const double mg = std::exp(4.7 + 0.3 * bell(1, i));
    text += std::to_string(i / 10) + ",2026-01-0" + std::to_string(1 + i % 9) + " 06:00:00,Glucose," +
            (i % 5 == 0 ? fixed(mg / 18.0156, 2) + ",mmol/L" : fixed(mg, 0) + ",mg/dL") + "\n";
    text += std::to_string(i / 10) + ",2026-01-0" + std::to_string(1 + i % 9) + " 06:00:00,Potassium," + fixed(4 + 0.4 * bell(2, i), 1) +
            ",MEQ/L\n";
  }
  const Config config = guess_text(text);
  EXPECT_EQ(config.mapping->unit_column, "valueuom");
  EXPECT_EQ(feature(config, "glucose")->unit, "mg/dL");
}

// eICU's laboratories: the system's unit beside the interface's. It fills what the first leaves empty, until it names another one.
TEST_F(GuessConfiguration, ALaboratoryWithTwoColumnsOfUnits) {
  std::string text = "patientunitstayid,labresultoffset,labname,labresult,labmeasurenamesystem,labmeasurenameinterface\n";
  for (std::size_t i = 0; i < 300; ++i) {
    const std::string stay = std::to_string(i / 10) + "," + std::to_string(i % 10 * 60);
    text += stay + ",calcium," + fixed(9 + 0.5 * bell(1, i), 1) + (i % 3 == 0 ? ",mg/dL,MG/DL\n" : i % 3 == 1 ? ",mg/dL,\n" : ",,mg/dl\n");
    text += stay + ",potassium," + fixed(4 + 0.4 * bell(2, i), 1) + ",mmol/L,MEQ/L\n";
  }
  const Config config = guess_text(text);
  EXPECT_EQ(config.mapping->unit_column, "labmeasurenamesystem");
  EXPECT_EQ(config.mapping->second_unit_column, "labmeasurenameinterface");
  text += "1,700,calcium,1.2,mg/dL,mmol/L\n";
  const Config disagree = guess_text(text);
  EXPECT_FALSE(disagree.mapping->second_unit_column);
  EXPECT_THAT(disagree.mapping->ignored, Contains("labmeasurenameinterface"));
  EXPECT_THAT(guessed_.doubts, Contains(HasSubstr("names another unit than 'labmeasurenamesystem' in some rows (calcium)")));
}

// Cells as a laboratory prints them. Each was a class of its own: "<5 mg/L" beside "12 mg/L".
TEST_F(GuessConfiguration, CellsThatHaveTheirUnitBehindTheNumber) {
  std::string text = "id,day,CRP,Temp,Weight,stage,dose,remark\n";
  for (std::size_t i = 0; i < 400; ++i) {
    const double crp = std::exp(2.5 + bell(1, i));
    text += std::to_string(i / 8) + "," + std::to_string(i % 8) + ",";
    text += (crp < 5 ? "<5 mg/L" : i % 7 == 3 ? fixed(crp / 10, 2) + " mg/dl" : fixed(crp, 0) + (i % 2 ? "mg/L" : " mg/l")) + ",";
    text += (i % 9 == 4 ? fixed(37 + 0.4 * bell(2, i), 1) : fixed(37 + 0.4 * bell(2, i), 1) + " °C") + ",";
    text += fixed(75 + 9 * bell(3, i / 8), 0) + " kg," + std::to_string(1 + i % 3) + (i % 2 ? "a" : "b") + ",";
    text += std::to_string(10 * (1 + i % 3)) + " mg," + std::to_string(i) + (i % 2 ? " of them" : " mg given") + "\n";
  }
  const Config config = guess_text(text);
  EXPECT_EQ(feature(config, "crp")->unit, "mg/L");
  EXPECT_EQ(feature(config, "crp")->likelihood, Likelihood::log_normal);
  EXPECT_EQ(feature(config, "temp")->unit, "Cel");
  EXPECT_EQ(feature(config, "dose")->unit, "mg");
  EXPECT_EQ(feature(config, "stage")->likelihood, Likelihood::categorical) << "a and b are units in UCUM";
  const auto weight = config.schema->find_attribute("weight");
  ASSERT_TRUE(weight) << "the same in each patient";
  EXPECT_EQ(config.schema->attributes()[*weight].unit, "kg");
  EXPECT_THAT(config.mapping->ignored, Contains("remark"));
}

TEST_F(GuessConfiguration, Events) {
  std::string text;
  for (std::size_t i = 0; i < 300; ++i) {
    text += "{\"schema_version\":1,\"event_id\":\"" + std::to_string(i) + "\",\"patient_id\":\"p" + std::to_string(i / 10) +
            "\",\"modality\":\"" + (i % 2 ? "lab" : "vitals") + "\",\"time\":\"2026-01-01T0" + std::to_string(i % 10) +
            ":00:00Z\",\"values\":{" +
            (i % 2 ? "\"crea\":" + fixed(std::exp(0.5 * bell(1, i)), 2)
                   : "\"hr\":{\"value\":" + (i == 70 ? "0" : fixed(80 + 9 * bell(2, i), 0)) + ",\"unit\":\"bpm\"}") +
            "},\"attributes\":{\"sex\":\"" + (i / 10 % 2 ? "f" : "m") + "\"}}\n";
  }
  const Config config = guess(files_.write("e.ndjson", text));
  EXPECT_EQ(config.schema->modality_of(*config.schema->find_feature(config.schema->find_modality("lab"), "crea")).name, "lab");
  EXPECT_EQ(feature(config, "hr")->unit, "/min");
  EXPECT_THAT(guessed_.doubts, Contains(HasSubstr("a narrower `range` refuses them: hr 1")));
  EXPECT_EQ(config.schema->attributes()[0].categories, (std::vector<std::string>{"f", "m"}));
}

TEST_F(GuessConfiguration, WhatStaysLostIsSaid) {
  std::string text = frame_of_visits();
  text.insert(text.find('\n', 400) + 1, "999,777,0,50,someday,0,0,1,3.5,300\n");
  (void)guess_text(text + "1000,777,0,50,900,0\n", false);
  EXPECT_THAT(guessed_.doubts.front(), HasSubstr("lost, since not readable: rows: "));
}

TEST_F(GuessConfiguration, WhatIsNoTableIsRefused) {
  const auto refused = [&](const std::string& text) { return guess_configuration({files_.write("x.csv", text)}, kNow, {}).status(); };
  EXPECT_EQ(refused("id,remark\n1,one\n2,two\n3,three\n").code(), Code::invalid);
  EXPECT_THAT(refused("%PDF-1.7").message(), HasSubstr("PDF"));
}

TEST_F(GuessConfiguration, TheSameTableGivesTheSameConfiguration) {
  const std::string path = files_.write("table.csv", frame_of_patients());
  const auto now = guess_configuration({path}, kNow, {}), later = guess_configuration({path}, kNow + std::chrono::days(700), {});
  EXPECT_EQ(now->yaml, later->yaml);
}

}  // namespace
}  // namespace lacuna::daemon
