// Goal: what hospitals export is read as it is, and what cannot be is told by column with its place. Method: small files of the kinds that
// laboratories, monitors, SQL clients and data frames write.
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
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using TimeForm = FileMapping::TimeForm;
namespace fs = std::filesystem;

class CsvExport : public ::testing::Test {
 protected:
  CsvExport() {
    mapping_.format = FileFormat::wide_csv;
    mapping_.patient_column = "id";
    mapping_.time_column = "t";
  }
  ~CsvExport() override { fs::remove(path()); }
  static std::string path() {
    const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
    return (fs::temp_directory_path() / ("lacuna_export_" + std::string(info->name()) + std::to_string(::getpid()) + ".csv")).string();
  }
  std::vector<Event> read(const std::string& text) {
    std::ofstream(path(), std::ios::binary) << text;
    std::vector<Event> events;
    report_ = {};
    status_ = read_patients(
        schema_, mapping_, path(), 0,
        [&](std::vector<Event> some) {
          for (Event& e : some) events.push_back(std::move(e));
          return Status();
        },
        {}, report_);
    return events;
  }
  std::vector<std::string> times(const std::string& text) {
    std::vector<std::string> out;
    for (const Event& e : read(text)) out.push_back(format_rfc3339(e.time));
    return out;
  }

  const Schema schema_ = make_schema();
  FileMapping mapping_;
  FileReport report_;
  Status status_;
};

// Case 04: bilirubin 17 umol/L went out as 17 mg/dL.
TEST_F(CsvExport, AUnitStandsInAColumnOfItsOwn) {
  mapping_.format = FileFormat::long_csv;
  mapping_.parameter_column = "label";
  mapping_.value_column = "valuenum";
  mapping_.columns["Glucose"] = {"laboratory", "glucose", 1, 0, {}};
  const std::string text =
      "id,t,label,valuenum,valueuom\n"
      "d,2026-01-01T00:00:00Z,Glucose,99,mg/dL\n"
      "d,2026-01-01T06:00:00Z,Glucose,20,mmol/L\n"
      "d,2026-01-01T07:00:00Z,Glucose,10,MMOL/L\n"
      "d,2026-01-01T08:00:00Z,Glucose,90,\n"
      "d,2026-01-01T09:00:00Z,Glucose,90,bottles\n";
  EXPECT_EQ(read(text).size(), 5U);
  EXPECT_FALSE(report_.lossless()) << "a column that nothing names";
  EXPECT_EQ(report_.unmapped.at("valueuom").count, 4U);
  EXPECT_THAT(report_.unmapped.at("valueuom").first, HasSubstr(".csv:2"));
  mapping_.unit_column = "valueuom";
  const auto events = read(text);
  ASSERT_EQ(events.size(), 4U);
  EXPECT_EQ(events[0].values[0].value, 99);
  EXPECT_NEAR(events[1].values[0].value, 360.312, 1e-9);
  EXPECT_NEAR(events[2].values[0].value, 180.156, 1e-9);
  EXPECT_EQ(events[3].values[0].value, 90);
  EXPECT_EQ(report_.units.at("Glucose").count, 1U);
  EXPECT_THAT(report_.units.at("Glucose").first, HasSubstr(".csv:6: its unit is no UCUM code"));
  EXPECT_EQ(total(report_.unmapped), 0U);
}

// A cell with its unit behind the number, and a column with the same one in another spelling: refused as if they were two.
TEST_F(CsvExport, OneUnitInTwoSpellingsIsOne) {
  mapping_.format = FileFormat::long_csv;
  mapping_.parameter_column = "label";
  mapping_.value_column = "value";
  mapping_.unit_column = "unit";
  mapping_.columns["Glucose"] = {"laboratory", "glucose", 1, 0, {}};
  const auto events =
      read("id,t,label,value,unit\nd,2026-01-01T00:00:00Z,Glucose,99 mg/dl,MG/DL\nd,2026-01-01T01:00:00Z,Glucose,5.5 mmol/L,mg/dL\n");
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].values[0].value, 99);
  EXPECT_THAT(report_.units.at("Glucose").first, HasSubstr(".csv:3: the cell names another unit than its row"));
}

TEST_F(CsvExport, AColumnHasAUnit) {
  mapping_.columns["Temp"] = {"vitals", "temp", 1, 0, {}, "degF"};
  const auto events = read("id,t,Temp\nf,2026-01-01T00:00:00Z,98.6\n");
  ASSERT_EQ(events.size(), 1U);
  EXPECT_NEAR(events[0].values[0].value, 37, 1e-9);
}

// Case 05: of two columns to one feature one value was dropped, and nothing said so.
TEST_F(CsvExport, TwoColumnsToOneFeatureAreBothKeptAndTold) {
  mapping_.columns["ABPs"] = mapping_.columns["NBPs"] = {"vitals", "hr", 1, 0, {}};
  const auto events = read("id,t,ABPs,NBPs\ne,2026-01-01T00:00:00Z,92,131\ne,2026-01-01T01:00:00Z,95,\n");
  ASSERT_EQ(events.size(), 3U);
  EXPECT_EQ(events[0].values[0].value, 92);
  EXPECT_EQ(events[1].values[0].value, 131);
  EXPECT_EQ(report_.twice.at("NBPs").count, 1U);
  EXPECT_THAT(report_.twice.at("NBPs").first, HasSubstr(".csv:2"));
  EXPECT_TRUE(report_.lossless());
}

TEST_F(CsvExport, ANameTwiceInTheHeaderIsALoss) {
  mapping_.columns["HR"] = {"vitals", "hr", 1, 0, {}};
  const auto events = read("id,t,HR,HR\ne,2026-01-01T00:00:00Z,92,131\ne,2026-01-01T01:00:00Z,95,\n");
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(events[0].values, (std::vector<FeatureValue>{{kHr, 92}}));
  EXPECT_EQ(report_.repeated.at("HR").count, 1U);
  EXPECT_FALSE(report_.lossless());
}

// A join that keeps the key of both sides (pandas#14704 loses one): what is the same twice is no loss.
TEST_F(CsvExport, ANameTwiceWithTheSameCellsLosesNothing) {
  mapping_.columns["HR"] = {"vitals", "hr", 1, 0, {}};
  EXPECT_EQ(read("id,t,HR,id,HR\ne,2026-01-01T00:00:00Z,92,e,92\ne,2026-01-01T01:00:00Z,93,,\n").size(), 2U);
  EXPECT_TRUE(report_.lossless());
  EXPECT_EQ(report_.duplicates, 2U);
  read("id,t,HR,id\ne,2026-01-01T00:00:00Z,92,f\n");
  EXPECT_EQ(report_.repeated.at("id").count, 1U) << "whose is it?";
}

// Case 06: a whole column in Fahrenheit passed --dry-run --strict.
TEST_F(CsvExport, WhatIsOutOfRangeIsTheLossOfItsColumn) {
  mapping_.columns["Temp"] = {"vitals", "temp", 1, 0, {}};
  mapping_.columns["HR"] = {"vitals", "hr", 1, 0, {}};
  read("id,t,Temp,HR\nf,2026-01-01T00:00:00Z,98.0,80\nf,2026-01-01T01:00:00Z,98.1,81\n");
  EXPECT_EQ(report_.out_of_range.size(), 1U);
  EXPECT_EQ(report_.out_of_range.at("Temp").count, 2U);
  EXPECT_THAT(report_.out_of_range.at("Temp").first, HasSubstr(".csv:2"));
  EXPECT_FALSE(report_.lossless());
}

TEST_F(CsvExport, NumbersAreClassesByValue) {
  mapping_.columns["Edema"] = {"laboratory", "edema", 1, 0, {{"0", "none"}, {"1", "mild"}}};
  mapping_.columns["Sex"] = {"", "sex", 1, 0, {{"0", "female"}, {"1", "male"}}};
  const auto events = read("id,t,Edema,Sex\nf,2026-01-01T00:00:00Z,0.0,1.0\nf,2026-01-01T01:00:00Z,1.00,1\nf,2026-01-01T02:00:00Z,2.0,1\n");
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(events[0].values[0].value, 0);
  EXPECT_EQ(events[1].values[0].value, 1);
  EXPECT_EQ(events[0].attributes, (std::vector<AttributeValue>{{1, 1}}));
  EXPECT_EQ(report_.out_of_range.at("Edema").count, 1U);
}

// A data frame's index has no name: 9,105 patients became one.
TEST_F(CsvExport, AnEmptyNameIsAName) {
  mapping_.patient_column = "";
  mapping_.time_column.reset();
  mapping_.time_form = TimeForm::none;
  mapping_.start = at("2026-01-01T00:00:00Z");
  mapping_.columns["hr"] = {"vitals", "hr", 1, 0, {}};
  const auto events = read(",hr\n0,70\n1,71\n2,72\n");
  ASSERT_EQ(events.size(), 3U);
  EXPECT_EQ(events[2].patient_id, "2");
  EXPECT_EQ(events[2].time, at("2026-01-01T00:00:00Z"));
}

// Case 29: a patient is moved, and the file says in each row where the value was taken.
TEST_F(CsvExport, TheSiteIsTheRowsAndAttributesAreOfTheirTime) {
  mapping_.site_column = "unit";
  mapping_.columns["HR"] = {"vitals", "hr", 1, 0, {}};
  mapping_.columns["Age"] = {"", "age", 1, 0, {}};
  const auto events = read(
      "id,unit,t,HR,Age\n"
      "v,WARD,2026-01-01T04:00:00Z,88,61\n"
      "v,ED,2026-01-01T00:00:00Z,120,\n"
      "v,,2026-01-01T01:00:00Z,118,60\n"
      "v,MICU,2026-01-01T02:00:00Z,,60\n"
      "v,MICU,2026-01-01T03:00:00Z,99,60\n");
  ASSERT_EQ(events.size(), 4U);
  std::vector<std::string> sites;
  for (const Event& e : events) sites.push_back(e.site);
  EXPECT_THAT(sites, ElementsAre("ED", "ED", "MICU", "WARD"));
  EXPECT_TRUE(events[0].attributes.empty()) << "not known yet";
  EXPECT_EQ(events[1].attributes, (std::vector<AttributeValue>{{0, 60}}));
  EXPECT_TRUE(events[2].attributes.empty()) << "known already";
  EXPECT_EQ(events[3].attributes, (std::vector<AttributeValue>{{0, 61}}));
  const auto last = read("id,unit,t,HR,Age\nv,ED,2026-01-01T00:00:00Z,80,\nv,ICU,2026-01-01T09:00:00Z,,70\n");
  ASSERT_EQ(last.size(), 2U) << "what no event follows is one of its own";
  EXPECT_EQ(last[1].site, "ICU");
  EXPECT_EQ(last[1].time, at("2026-01-01T09:00:00Z"));
}

// Case 13: 38,4 was unreadable, and 1.080 a heart rate of 1.08.
TEST_F(CsvExport, DecimalCommas) {
  mapping_.separator = ';';
  mapping_.columns["Temp"] = {"vitals", "temp", 1, 0, {}};
  mapping_.columns["HF"] = {"vitals", "hr", 1, 0, {}};
  const std::string text =
      "id;t;Temp;HF\nm;2026-01-01T00:00:00Z;38,4;80\nm;2026-01-01T01:00:00Z;37,9;1.080\nm;2026-01-01T02:00:00Z;38;8.1\n";
  read(text);
  EXPECT_THAT(report_.unreadable.at("Temp").first, HasSubstr("with a decimal comma"));
  mapping_.decimal = ',';
  const auto events = read(text);
  ASSERT_EQ(events.size(), 3U);
  EXPECT_EQ(events[0].values, (std::vector<FeatureValue>{{kHr, 80}, {kTemp, 38.4}}));
  EXPECT_EQ(events[1].values, (std::vector<FeatureValue>{{kTemp, 37.9}}));
  EXPECT_EQ(report_.out_of_range.at("HF").count, 1U) << "1.080 is a thousand and eighty";
  EXPECT_EQ(report_.unreadable.at("HF").count, 1U) << "8.1 is no number of theirs";
  for (const char* wrong : {"0.123", "0.500", "-0.250", "1e.100", "1.0800", "1..080", ".080", "1.08,", "1,0,8"}) {
    read("id;t;HF\nm;2026-01-01T00:00:00Z;" + std::string(wrong) + "\n");
    EXPECT_EQ(total(report_.unreadable), 1U) << wrong;
  }
}

// Signs and groups as blood gas analysers, spreadsheets and people of other countries write them (PapaParse#282, jasp-desktop#403,
// FlexMeasures#141): each was unreadable.
TEST_F(CsvExport, NumbersAsPeopleWriteThem) {
  mapping_.separator = ';';
  mapping_.columns["X"] = {"laboratory", "unbounded", 1, 0, {}};
  const auto one = [this](char decimal, const std::string& text) {
    mapping_.decimal = decimal;
    const auto events = read("id;t;X\nm;2026-01-01T00:00:00Z;" + text + "\n");
    return events.empty() ? std::string("none") : std::to_string(events[0].values[0].value);
  };
  EXPECT_EQ(one('.', "+2.5"), "2.500000");
  EXPECT_EQ(one(',', "+2,5"), "2.500000");
  EXPECT_EQ(one('.', "\u22122.5"), "-2.500000") << "the minus of typesetters";
  EXPECT_EQ(one('.', "1,250.5"), "1250.500000");
  EXPECT_EQ(one('.', "1,250,000"), "1250000.000000");
  EXPECT_EQ(one('.', "1,50,000"), "150000.000000") << "as in India";
  EXPECT_EQ(one('.', "1 250"), "1250.000000");
  EXPECT_EQ(one('.', "1'250.5"), "1250.500000");
  EXPECT_EQ(one(',', "1\u202f250,5"), "1250.500000") << "a space that does not break";
  EXPECT_EQ(one('.', "\u00a038.5\u00a0"), "38.500000");
  EXPECT_EQ(one('.', "150,000"), "none") << "or a hundred and fifty?";
  EXPECT_THAT(report_.unreadable.at("X").first, HasSubstr("commas that group thousands: `decimal: \"1,000.5\"`"));
  EXPECT_EQ(one('g', "150,000"), "150000.000000");
  EXPECT_EQ(one('g', "-1,250.5"), "-1250.500000");
  for (const char* wrong : {"1,25", "0,250", "1,2500", "12,50,00", "+-1", "+", "-", "1 25", "1 2500", "250,", ",250", "1'250 000"}) {
    EXPECT_EQ(one('g', wrong), "none") << wrong;
    EXPECT_EQ(one('.', wrong), "none") << wrong;
  }
}

// Files that were put behind one another (whitfin/s3-concat#3), with the mark of byte order that a spreadsheet leaves.
TEST_F(CsvExport, TheHeaderAgainIsNoRow) {
  mapping_.columns["HR"] = {"vitals", "hr", 1, 0, {}};
  const auto events = read(
      "id,t,HR\na,2026-01-01T00:00:00Z,80\nid,t,HR\na,2026-01-01T01:00:00Z,81\n\ufeffid, t,HR\nb,2026-01-01T00:00:00Z,82\n"
      "\"id\",t,HR\na,2026-01-01T02:00:00Z,83\n");
  EXPECT_EQ(events.size(), 4U);
  EXPECT_EQ(report_.rows, 4U);
  EXPECT_TRUE(report_.lossless());
}

// A separator at the end of each line (pandas#14124 shifts the columns): the cell behind it is empty, and of no column.
TEST_F(CsvExport, ASeparatorAtTheEndOfALineMakesNoCell) {
  mapping_.columns["HR"] = {"vitals", "hr", 1, 0, {}};
  const auto events = read(
      "id,t,HR\na,2026-01-01T00:00:00Z,80,\nb,2026-01-01T00:00:00Z,81,, \na,2026-01-01T01:00:00Z,82,\na,2026-01-01T02:00:00Z,83,x\n"
      "a,2026-01-01T03:00:00Z\n");
  EXPECT_EQ(events.size(), 3U);
  EXPECT_EQ(report_.unreadable.at("").count, 2U) << "what has no name, and what is short";
  EXPECT_THAT(report_.unreadable.at("").first, HasSubstr(".csv:5: 4 cells where the header has 3"));
}

TEST_F(CsvExport, BlanksThatDoNotBreakAreNoPartOfAName) {
  mapping_.columns["HR"] = {"vitals", "hr", 1, 0, {}};
  EXPECT_EQ(read("id,t,HR\u00a0\na,2026-01-01T00:00:00Z,80\n").size(), 1U);
  EXPECT_TRUE(report_.lossless());
}

// pandas#11482 fills forward in the order of the rows. Here the row before in the file was taken after the one that says no site.
TEST_F(CsvExport, ASiteIsNotKnownBeforeItsTime) {
  mapping_.site_column = "unit";
  mapping_.columns["HR"] = {"vitals", "hr", 1, 0, {}};
  const auto events = read(
      "id,unit,t,HR\n"
      "v,MICU,2026-01-01T05:00:00Z,105\n"
      "v,,2026-01-01T02:00:00Z,102\n"
      "v,ED,2026-01-01T01:00:00Z,101\n"
      "v,,2026-01-01T03:00:00Z,103\n"
      "v,,2026-01-01T06:00:00Z,106\n"
      "v,WARD,2026-01-01T07:00:00Z,\n"
      "v,,2026-01-01T07:00:00Z,107\n"
      "v,ED,2026-01-01T05:30:00Z,\n"
      "v,,2026-01-01T00:00:00Z,100\n"
      "v,MICU,2026-01-01T05:45:00Z,110\n");
  std::vector<std::string> sites;
  for (const Event& e : events) sites.push_back(e.site + std::to_string(static_cast<int>(e.values[0].value)));
  EXPECT_THAT(sites, ElementsAre("100", "ED101", "ED102", "ED103", "MICU105", "MICU110", "MICU106", "WARD107"));
}

TEST_F(CsvExport, FormsOfTime) {
  mapping_.columns["HR"] = {"vitals", "hr", 1, 0, {}};
  const auto one = [this](TimeForm form, const std::string& text) {
    mapping_.time_form = form;
    const auto found = times("id,t,HR\np,\"" + text + "\",70\n");
    return found.empty() ? std::string("none") : found[0];
  };
  mapping_.start = at("2026-01-01T00:00:00Z");
  EXPECT_EQ(one(TimeForm::local, "2026-07-23 14:00:00"), "none") << "in no zone";
  EXPECT_EQ(one(TimeForm::local, "2026-07-23 14:00:00+02:00"), "2026-07-23T12:00:00Z");
  EXPECT_EQ(one(TimeForm::local, "2026-07-23T14:00Z"), "2026-07-23T14:00:00Z");
  mapping_.time_zone = "Europe/Berlin";
  EXPECT_EQ(one(TimeForm::local, "2026-07-23 14:00:00"), "2026-07-23T12:00:00Z");
  EXPECT_EQ(one(TimeForm::local, "2026-01-23 14:00:00.250"), "2026-01-23T13:00:00.250Z");
  EXPECT_EQ(one(TimeForm::local, "2026-01-23"), "2026-01-22T23:00:00Z");
  EXPECT_EQ(one(TimeForm::local, "2026-02-30 10:00:00"), "none");
  EXPECT_EQ(one(TimeForm::local, "2026-01-23 24:00:00"), "none");
  EXPECT_EQ(one(TimeForm::hl7, "202607231400"), "2026-07-23T12:00:00Z");
  EXPECT_EQ(one(TimeForm::hl7, "20260723140000.5-0500"), "2026-07-23T19:00:00.500Z");
  EXPECT_EQ(one(TimeForm::hl7, "20260723"), "2026-07-22T22:00:00Z");
  EXPECT_EQ(one(TimeForm::hl7, "20260101-1000"), "2026-01-01T10:00:00Z");
  EXPECT_EQ(one(TimeForm::hl7, "2026010114-1000"), "2026-01-02T00:00:00Z");
  EXPECT_EQ(one(TimeForm::local, "2180-07-23 14:00:00"), "2180-07-23T12:00:00Z") << "beyond the tables of zones";
  EXPECT_EQ(one(TimeForm::local, "2180-01-23 14:00:00"), "2180-01-23T13:00:00Z");
  EXPECT_EQ(one(TimeForm::hours_minutes, "4294967296:05"), "none");
  EXPECT_EQ(one(TimeForm::hl7, "2026"), "none") << "some time of that year";
  EXPECT_EQ(one(TimeForm::epoch_seconds, "1784808000"), "2026-07-23T12:00:00Z");
  EXPECT_EQ(one(TimeForm::epoch_seconds, "1784808000.5"), "2026-07-23T12:00:00.500Z");
  EXPECT_EQ(one(TimeForm::epoch_millis, "1784808000250"), "2026-07-23T12:00:00.250Z");
  EXPECT_EQ(one(TimeForm::offset, "1 days 03:00:00"), "2026-01-02T03:00:00Z");
  EXPECT_EQ(one(TimeForm::offset, "-1 days +23:00:00"), "2025-12-31T23:00:00Z");
  EXPECT_EQ(one(TimeForm::offset, "0 days 00:00:01.500000"), "2026-01-01T00:00:01.500Z");
  EXPECT_EQ(one(TimeForm::offset, "2 days"), "2026-01-03T00:00:00Z");
  EXPECT_EQ(one(TimeForm::offset, "03:30:00"), "2026-01-01T03:30:00Z");
  EXPECT_EQ(one(TimeForm::offset, "1 day 25"), "none");
  // Python's, ISO 8601's, and BigQuery's time (bxparks/bigquery-schema-generator#19).
  EXPECT_EQ(one(TimeForm::offset, "1 day, 3:00:00"), "2026-01-02T03:00:00Z");
  EXPECT_EQ(one(TimeForm::offset, "3:05:00.5"), "2026-01-01T03:05:00.500Z");
  EXPECT_EQ(one(TimeForm::offset, "P1DT3H"), "2026-01-02T03:00:00Z");
  EXPECT_EQ(one(TimeForm::offset, "-PT90M"), "2025-12-31T22:30:00Z");
  EXPECT_EQ(one(TimeForm::offset, "PT0.5S"), "2026-01-01T00:00:00.500Z");
  for (const char* wrong : {"P", "PT", "P1M2D", "PT1D", "P1H", "P1D1D", "P-1D", "P1", "PD"})
    EXPECT_EQ(one(TimeForm::offset, wrong), "none") << wrong;
  EXPECT_EQ(one(TimeForm::local, "2026-07-23 14:00:00 UTC"), "2026-07-23T14:00:00Z");
  EXPECT_EQ(one(TimeForm::local, "2026-07-23 14:00:00.123456 UTC"), "2026-07-23T14:00:00.123Z");
  EXPECT_EQ(one(TimeForm::local, "2026-07-23 14:00:00 CEST"), "none") << "a clock's name is not one zone's";
  EXPECT_EQ(one(TimeForm::epoch_millis, "3600000"), "1970-01-01T01:00:00Z") << "since admission (AmsterdamUMCdb)";
  mapping_.time_pattern = "%d.%m.%Y %H:%M";
  EXPECT_EQ(one(TimeForm::pattern, "23.07.2026 14:00"), "2026-07-23T12:00:00Z");
  EXPECT_EQ(one(TimeForm::pattern, "23.07.2026 14:00 Uhr"), "none");
  mapping_.time_pattern = "%m/%d/%Y %I:%M %p %z";
  EXPECT_EQ(one(TimeForm::pattern, "07/23/2026 02:00 PM +0200"), "2026-07-23T12:00:00Z");
  mapping_.time_zone = "Nowhere/Land";
  one(TimeForm::local, "2026-07-23 14:00:00");
  EXPECT_THAT(status_.message(), HasSubstr("'Nowhere/Land' is not in this machine's time zones"));
}

// A clock that is put back shows an hour twice, one that is put forward leaves one out: told, with the place.
TEST_F(CsvExport, ClocksThatAreSet) {
  mapping_.columns["HR"] = {"vitals", "hr", 1, 0, {}};
  mapping_.time_form = TimeForm::local;
  mapping_.time_zone = "America/New_York";
  EXPECT_THAT(times("id,t,HR\np,2026-03-08 01:30:00,70\np,2026-03-08 02:30:00,71\np,2026-03-08 03:30:00,72\n"
                    "p,2026-11-01 00:30:00,73\np,2026-11-01 01:30:00,74\np,2026-11-01 02:30:00,75\n"),
              ElementsAre("2026-03-08T06:30:00Z", "2026-03-08T07:30:00Z", "2026-03-08T07:30:00Z", "2026-11-01T04:30:00Z",
                          "2026-11-01T05:30:00Z", "2026-11-01T07:30:00Z"));
  EXPECT_EQ(report_.clocks.at("t").count, 2U);
  EXPECT_THAT(report_.clocks.at("t").first, HasSubstr(".csv:3: the clock never shows it"));
  EXPECT_TRUE(report_.lossless());
}

// Protects: exports that overlap. Which attributes ride on an event depends on where an export begins.
TEST_F(CsvExport, IdsDoNotDependOnWhereAnExportBegins) {
  mapping_.source = "monitor";
  mapping_.columns["HR"] = {"vitals", "hr", 1, 0, {}};
  mapping_.columns["Age"] = {"", "age", 1, 0, {}};
  const auto first = read("id,t,HR,Age\nv,2026-01-01T00:00:00Z,80,60\nv,2026-01-01T01:00:00Z,81,60\n");
  const auto second = read("id,t,HR,Age\nv,2026-01-01T01:00:00Z,81,60\nv,2026-01-01T02:00:00Z,82,60\n");
  ASSERT_EQ(first.size() + second.size(), 4U);
  EXPECT_EQ(first[1].event_id, second[0].event_id);
}

TEST_F(CsvExport, WhatSaysNothingIsNoResultAndNoSite) {
  mapping_.missing_texts = {"NA"};
  mapping_.result_column = "order";
  mapping_.site_column = "unit";
  mapping_.columns["HR"] = {"vitals", "hr", 1, 0, {}};
  mapping_.columns["unit"] = {"", "sex", 1, 0, {{"ED", "male"}}};
  const auto events = read("id,t,HR,order,unit,spare\nv,2026-01-01T00:00:00Z,80,NA,ED,\nv,2026-01-01T01:00:00Z,81,NA,NA,\n");
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(events[0].result_id + events[1].result_id, "");
  EXPECT_EQ(events[1].site, "ED");
  EXPECT_EQ(events[0].attributes, (std::vector<AttributeValue>{{1, 1}})) << "a column may be both";
  EXPECT_TRUE(report_.unmapped.empty()) << "an empty column loses nothing";
}

TEST_F(CsvExport, WhatIsTooFarBackIsNoTime) {
  mapping_.columns["HR"] = {"vitals", "hr", 1, 0, {}};
  mapping_.earliest = at("1926-01-01T00:00:00Z");
  EXPECT_THAT(times("id,t,HR\np,1900-01-01T00:00:00Z,70\np,2026-01-01T00:00:00Z,71\n"), ElementsAre("2026-01-01T00:00:00Z"));
  EXPECT_THAT(report_.unreadable.at("").first, HasSubstr(".csv:2: the time is further back than limits.past_max"));
}

// -9 is a mark in one column and a measurement in the other.
TEST_F(CsvExport, AColumnHasItsOwnMarksForMissing) {
  mapping_.columns["HR"] = {"vitals", "hr", 1, 0, {}, "", {"-9", "999"}};
  mapping_.columns["X"] = {"laboratory", "unbounded", 1, 0, {}};
  const auto events = read("id,t,HR,X\nf,2026-01-01T00:00:00Z,-9.0,-9\nf,2026-01-01T01:00:00Z,999,999\nf,2026-01-01T02:00:00Z,80,\n");
  ASSERT_EQ(events.size(), 3U);
  EXPECT_EQ(events[0].values[0].value, -9);
  EXPECT_EQ(events[2].values[0].value, 80);
  EXPECT_EQ(report_.missing, 3U);
  EXPECT_TRUE(report_.lossless());
}

TEST_F(CsvExport, ARowIsAPatientWhereNoColumnNamesOne) {
  mapping_.patient_column.reset();
  mapping_.time_column.reset();
  mapping_.time_form = TimeForm::none;
  mapping_.row_is_patient = true;
  mapping_.stagger = std::chrono::minutes(1);
  mapping_.columns["HR"] = {"vitals", "hr", 1, 0, {}};
  const auto events = read("HR\n80\n80\n\n81\n");
  ASSERT_EQ(events.size(), 3U);
  EXPECT_TRUE(events[0].patient_id.ends_with("-2")) << events[0].patient_id;
  EXPECT_TRUE(events[2].patient_id.ends_with("-5")) << "an empty line counts: it is the file's number";
  EXPECT_EQ(events[1].time - events[0].time, std::chrono::minutes(1));
  EXPECT_NE(events[0].event_id, events[1].event_id);
}

TEST_F(CsvExport, AMissingColumnIsNamedWithThoseThatAreThere) {
  mapping_.columns["HR"] = {"vitals", "hr", 1, 0, {}};
  read("subject;t;HR\nx;y;z\n");
  EXPECT_THAT(status_.message(), HasSubstr("no column 'id', 't'; the header has 1: 'subject;t;HR'"));
}

}  // namespace
}  // namespace lacuna::streaming
