// Goal: every cell of a file ends in an event or in a count, and the events are the same each time. Method: a random ward
// is written as long CSV, as a folder of files and as wide CSV, and must read as the same events; examples for the rest.
#include "streaming/files/input_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <random>
#include <set>

#include "streaming/messages/encoders.h"
#include "streaming/messages/event_decoder.h"
#include "tests/unit/streaming/messages/message_fixture.h"

namespace lacuna::streaming {
namespace {

using namespace lacuna::streaming::testing;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

class InputFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
    root_ = fs::temp_directory_path() / ("lacuna_files_" + std::string(info->name()) + std::to_string(::getpid()));
    fs::create_directories(root_);
    mapping_.format = FileFormat::long_csv;
    mapping_.patient_column = "patient";
    mapping_.time_column = "time";
    mapping_.parameter_column = "what";
    mapping_.value_column = "value";
    mapping_.time_form = FileMapping::TimeForm::hours_minutes;
    mapping_.start = at("2026-01-01T00:00:00Z");
    mapping_.columns["HR"] = {"vitals", "hr", 1, 0, {}};
    mapping_.columns["TempF"] = {"vitals", "temp", 5.0 / 9, -160.0 / 9, {}};
    mapping_.columns["Vent"] = {"vitals", "ventilated", 1, 0, {{"yes", "true"}, {"no", "false"}}};
    mapping_.columns["Rhythm"] = {"laboratory", "rhythm", 1, 0, {{"AF", "atrial fibrillation"}}};
    mapping_.columns["Edema"] = {"laboratory", "edema", 1, 0, {{"0", "none"}, {"2+", "severe"}}};
    mapping_.columns["Glucose"] = {"laboratory", "glucose", 1, 0, {}};
    mapping_.columns["Age"] = {"", "age", 1, 0, {}};
    mapping_.columns["Gender"] = {"", "sex", 1, 0, {{"0", "female"}, {"1", "male"}}};
    mapping_.missing_texts = {"-1", "NA"};
  }
  void TearDown() override { fs::remove_all(root_); }

  std::string write(const std::string& name, const std::string& text) {
    fs::create_directories((root_ / name).parent_path());
    std::ofstream(root_ / name, std::ios::binary) << text;
    return (root_ / name).string();
  }
  std::vector<Event> read(const std::string& path, std::size_t limit = 0) {
    std::vector<Event> events;
    std::set<std::string> patients;
    report_ = {};
    status_ = read_patients(
        schema_, mapping_, path, limit,
        [&](std::vector<Event> some) {
          EXPECT_FALSE(some.empty());
          if (some.empty()) return Status();
          EXPECT_TRUE(patients.insert(some.front().patient_id).second) << "all of a patient in one call";
          for (const Event& event : some) EXPECT_EQ(event.patient_id, some.front().patient_id) << "one patient at a time";
          EXPECT_TRUE(std::is_sorted(some.begin(), some.end(), [](const Event& a, const Event& b) { return a.time < b.time; }));
          for (Event& event : some) events.push_back(std::move(event));
          return Status();
        },
        {}, report_);
    return events;
  }
  /// Through the entry that keeps the files' order; `calls_` gets the size of each call.
  std::vector<Event> read_in_order(const std::string& path, std::size_t limit = 0) {
    std::vector<Event> events;
    calls_.clear();
    report_ = {};
    status_ = read_events(
        schema_, mapping_, path, limit,
        [&](std::vector<Event> some) {
          calls_.push_back(some.size());
          for (Event& event : some) events.push_back(std::move(event));
          return Status();
        },
        {}, report_);
    EXPECT_TRUE(status_.ok()) << status_.message();
    return events;
  }
  std::vector<Event> read_ok(const std::string& path, std::size_t limit = 0) {
    std::vector<Event> events = read(path, limit);
    EXPECT_TRUE(status_.ok()) << status_.message();
    return events;
  }

  const Schema schema_ = make_schema();
  FileMapping mapping_;
  FileReport report_;
  Status status_;
  std::vector<std::size_t> calls_;
  fs::path root_;
};

/// The first in any column.
std::string first_of(const Losses& losses) { return losses.empty() ? "" : losses.begin()->second.first; }

/// An event message of patient `p`, measured `minute` minutes into the year.
std::string line(int p, int minute, const std::string& content) {
  return R"({"schema_version":1,"event_id":"p)" + std::to_string(p) + "-" + std::to_string(minute) + R"(","patient_id":"p)" +
         std::to_string(p) + R"(","time":")" + format_rfc3339(at("2026-01-01T00:00:00Z") + std::chrono::minutes(minute)) + "\"," + content +
         "}\n";
}
std::string heart_rate(int p, int minute, int hr) {
  return line(p, minute, R"("modality":"vitals","values":{"hr":)" + std::to_string(hr) + "}");
}

TEST_F(InputFiles, LongRowsBecomeEvents) {
  const auto events = read_ok(write("a.csv",
                                    "patient,time,what,value\n"
                                    "7,00:00,Age,54\n"
                                    "7,00:00,Gender,1\n"
                                    "7,25:07,Glucose,99\n"
                                    "7,00:07,HR,73\n"
                                    "7,00:07,TempF,98.6\n"
                                    "7,00:07,Rhythm,AF\n"
                                    "7,00:07,HR,74\n"
                                    "8,00:00,Age,60\n"));
  ASSERT_EQ(events.size(), 5U);
  EXPECT_EQ(events[0].time, at("2026-01-01T00:07:00Z"));
  ASSERT_EQ(events[0].values.size(), 2U);
  EXPECT_EQ(events[0].values[0], (FeatureValue{kHr, 73}));
  EXPECT_NEAR(events[0].values[1].value, 37, 1e-12);
  EXPECT_EQ(events[0].attributes, (std::vector<AttributeValue>{{0, 54}, {1, 1}})) << "ride on the first event at or after their time";
  EXPECT_EQ(events[1].values, (std::vector<FeatureValue>{{kHr, 74}})) << "another one of the same minute";
  EXPECT_EQ(events[1].time, events[0].time);
  EXPECT_EQ(events[2].values, (std::vector<FeatureValue>{{kRhythm, 1}}));
  EXPECT_EQ(events[3].time, at("2026-01-02T01:07:00Z"));
  EXPECT_EQ(events[4].patient_id, "8");
  EXPECT_EQ(events[4].modality, kNoModality);
  EXPECT_EQ(report_.rows, 8U);
  EXPECT_EQ(report_.values, 8U);
  EXPECT_EQ(report_.duplicates, 0U);
}

std::vector<std::string> ids_of(const std::vector<Event>& events) {
  std::vector<std::string> out;
  for (const Event& event : events) out.push_back(event.event_id);
  return out;
}

// Protects: what is read again is a second delivery, whatever has become of the file around it, and nothing else is one.
TEST_F(InputFiles, IdsBindTheSourceAndTheContent) {
  const std::string head = "patient,time,what,value\n";
  const std::string rows = "7,00:07,HR,73\n7,00:07,Rhythm,AF\n7,00:09,HR,73\n8,00:07,HR,73\n";
  const auto ids = ids_of(read_ok(write("old/a.csv", head + rows)));
  ASSERT_EQ(ids.size(), 4U);
  EXPECT_EQ(std::set<std::string>(ids.begin(), ids.end()).size(), 4U) << "patient, time, modality and value";
  for (const std::string& id : ids) EXPECT_THAT(id, ::testing::MatchesRegex("csv-[0-9a-f]+-[0-9a-f]+"));
  EXPECT_EQ(ids[0], "csv-fcd63d278c418fba-9ac1db15892f932c") << "they are in stores: none may change";
  mapping_.stagger = std::chrono::hours(1);
  EXPECT_EQ(ids_of(read_ok(write("moved/a.csv", head + "8,00:07,HR,73.0\n9,00:01,HR,60\n")))[0], ids[3]) << "in another folder and place";
  const auto other = ids_of(read_ok(write("old/b.csv", head + rows)));
  for (const std::string& id : other) EXPECT_THAT(ids, ::testing::Not(::testing::Contains(id))) << "another source";
  mapping_.source = "a.csv";
  EXPECT_EQ(ids_of(read_ok((root_ / "old/b.csv").string())), ids) << "the name that was given counts";
  const auto corrected = ids_of(read_ok(write("old/b.csv", head + "7,00:07,HR,37\n7,00:07,Rhythm,AF\n")));
  EXPECT_THAT(ids, ::testing::Not(::testing::Contains(corrected[0])));
  EXPECT_EQ(corrected[1], ids[1]);
}

// Protects: of two rows of one patient, modality and minute both are kept, and the same row twice is one.
TEST_F(InputFiles, RowsOfOneMinuteAllSurvive) {
  const auto events =
      read_ok(write("a.csv",
                    "patient,time,what,value\n"
                    "7,00:07,HR,73\n7,00:07,HR,74\n7,00:07,TempF,98.6\n7,00:07,HR,73\n7,00:07,HR,75\n7,00:07,TempF,100.4\n"));
  ASSERT_EQ(events.size(), 3U);
  EXPECT_EQ(events[0].values[0], (FeatureValue{kHr, 73}));
  EXPECT_NEAR(events[0].values[1].value, 37, 1e-9);
  EXPECT_EQ(events[1].values[0], (FeatureValue{kHr, 74}));
  EXPECT_NEAR(events[1].values[1].value, 38, 1e-9);
  EXPECT_EQ(events[2].values, (std::vector<FeatureValue>{{kHr, 75}}));
  EXPECT_EQ(report_.values, 5U);
  EXPECT_EQ(report_.duplicates, 1U);
  EXPECT_EQ(report_.rows, report_.values + report_.duplicates);
}

// Protects: two files of one patient that share a minute are two sources, and no value of either is lost.
TEST_F(InputFiles, FilesOfOnePatientAreSourcesOfTheirOwn) {
  const std::string head = "patient,time,what,value\n";
  write("both/bedside.csv", head + "7,00:07,HR,73\n");
  write("both/monitor.csv", head + "7,00:07,HR,73\n7,00:07,Glucose,99\n");
  const auto events = read_ok((root_ / "both").string());
  ASSERT_EQ(events.size(), 3U);
  EXPECT_EQ(events[0].values, events[1].values);
  EXPECT_NE(events[0].event_id, events[1].event_id);
  EXPECT_EQ(report_.values, 3U);
}

// Protects: rows that name their result are corrected by a higher revision, wherever they stand.
TEST_F(InputFiles, ResultsAndRevisionsHaveColumns) {
  mapping_.result_column = "order";
  mapping_.revision_column = "version";
  const auto events = read_ok(write("a.csv",
                                    "patient,time,what,value,order,version\n"
                                    "7,00:07,HR,73,r1,1\n"
                                    "7,00:07,Glucose,99,r2,2026-01-01T06:00:00Z\n"
                                    "7,00:07,HR,74,r3,\n"
                                    "7,00:07,TempF,98.6,r1,1\n"
                                    "7,00:07,HR,75,,\n"
                                    "7,00:07,HR,76,r1,2\n"
                                    "7,00:07,HR,77,,3\n"      // a revision of nothing
                                    "7,00:07,HR,77,r1,two\n"  // none that can be read
                                    ));
  const auto of = [&events](const std::string& result, double revision) -> const Event* {
    for (const Event& e : events) {
      if (e.result_id == result && e.revision.value == revision) return &e;
    }
    return nullptr;
  };
  ASSERT_EQ(events.size(), 5U);
  ASSERT_TRUE(of("r1", 1) && of("r1", 2) && of("r3", 0) && of("", 0));
  EXPECT_EQ(of("r1", 1)->values.size(), 2U) << "rows of one result are one event";
  EXPECT_EQ(of("r1", 2)->values, (std::vector<FeatureValue>{{kHr, 76}}));
  EXPECT_EQ(of("r1", 2)->revision.kind, Revision::Kind::number);
  EXPECT_EQ(of("r3", 0)->revision.kind, Revision::Kind::none);
  EXPECT_EQ(of("", 0)->values, (std::vector<FeatureValue>{{kHr, 75}}));
  EXPECT_TRUE(std::ranges::any_of(events, [](const Event& e) { return e.revision.kind == Revision::Kind::time; }));
  EXPECT_EQ(total(report_.unreadable), 2U);
  EXPECT_THAT(first_of(report_.unreadable), HasSubstr("a.csv:8: the result's id"));
  std::vector<std::string> ids = ids_of(events);
  EXPECT_EQ(std::set<std::string>(ids.begin(), ids.end()).size(), ids.size());
  mapping_.result_column.reset();
  read((root_ / "a.csv").string());
  EXPECT_THAT(status_.message(), HasSubstr("result_column is missing"));
}

// Protects: cells of an ordinal are names, after translation; a bare number is nobody's category.
TEST_F(InputFiles, OrdinalsAreTranslatedToTheirNames) {
  const auto events = read_ok(write("a.csv",
                                    "patient,time,what,value\n"
                                    "7,00:00,Edema,2+\n"
                                    "7,01:00,Edema,mild\n"
                                    "7,02:00,Edema,0\n"
                                    "7,03:00,Edema,1\n"));
  ASSERT_EQ(events.size(), 3U);
  EXPECT_EQ(events[0].values, (std::vector<FeatureValue>{{kEdema, 2}}));
  EXPECT_EQ(events[1].values, (std::vector<FeatureValue>{{kEdema, 1}}));
  EXPECT_EQ(events[2].values, (std::vector<FeatureValue>{{kEdema, 0}}));
  EXPECT_EQ(total(report_.out_of_range), 1U);
}

TEST_F(InputFiles, EveryRowIsAccountedFor) {
  const std::string path = write("a.csv",
                                 "patient,time,what,value\r\n"
                                 "7,00:00,Age,-1\r\n"     // missing
                                 "7,00:00,HR,\r\n"        // missing
                                 "7,00:00,HR,4711\r\n"    // out of range
                                 "7,00:00,Rhythm,VF\r\n"  // out of range: no such category
                                 "7,00:00,Vent,yes\r\n"
                                 "7,00:00,Vent,1\r\n"   // the same again
                                 "7,00:00,Pulse,3\r\n"  // unmapped
                                 "7,00:00,Pulse,4\r\n"
                                 "7,00:00,,4\r\n"
                                 "7,00:00,RecordID,7\r\n"  // left out on purpose
                                 "7,00:00,HR,fast\r\n"     // unreadable
                                 "7,0:60,HR,70\r\n"
                                 "7,noon,HR,70\r\n"
                                 "7,00:00,HR\r\n"
                                 ",00:00,HR,70\r\n"
                                 "7,00:00,\"HR\"x,70\r\n");
  mapping_.ignored = {"RecordID"};
  const auto events = read_ok(path);
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].values, (std::vector<FeatureValue>{{kVentilated, 1}}));
  EXPECT_EQ(report_.rows, 16U);
  EXPECT_EQ(report_.missing, 2U);
  EXPECT_EQ(total(report_.out_of_range), 2U);
  EXPECT_EQ(report_.values, 1U);
  EXPECT_EQ(report_.duplicates, 1U);
  EXPECT_EQ(report_.unmapped.at("(empty)").count, 1U);
  EXPECT_EQ(report_.unmapped.at("Pulse").count, 2U);
  EXPECT_THAT(report_.unmapped.at("Pulse").first, HasSubstr("a.csv:8"));
  EXPECT_EQ(total(report_.unreadable), 6U);
  EXPECT_THAT(report_.unreadable.at("HR").first, HasSubstr("a.csv:12: vitals.hr"));
  EXPECT_EQ(report_.rows,
            report_.missing + total(report_.out_of_range) + report_.values + report_.duplicates + 3U + total(report_.unreadable) + 1U);
}

TEST_F(InputFiles, RowsSayWhereTheyLie) {
  const std::string path = write("a.csv", "patient,time,what,value\n7,00:00,HR,70\n8,00:10,HR,\n7,noon,HR,70\n7,00:05,HR,71\n");
  std::vector<std::string> seen;
  const Status done = read_patients(
      schema_, mapping_, path, 0, [](std::vector<Event>) { return Status(); }, {}, report_,
      [&](const FileRow& row) {
        EXPECT_EQ(row.path, path);
        seen.push_back(std::string(row.patient) + "@" + std::string(row.time_text) + ":" + std::to_string(row.line));
      });
  ASSERT_TRUE(done.ok()) << done.to_string();
  EXPECT_THAT(seen, ::testing::UnorderedElementsAre("7@00:00:2", "8@00:10:3", "7@00:05:5")) << "with a value or without; with a time";
}

TEST_F(InputFiles, OneWardInThreeForms) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const auto below = [&](unsigned n) { return std::uniform_int_distribution<unsigned>(0, n - 1)(random); };
  const std::vector<std::string> names{"HR", "Vent", "Glucose", "Rhythm"};
  std::string long_text = "value,time,patient,what\n";
  std::string wide_text = "patient,time,HR,Vent,Glucose,Rhythm\n";
  std::size_t written = 0;
  for (int p = 0; p < 20; ++p) {
    const std::string patient = "p" + std::to_string(100 + p);
    std::string file_text = "time,what,value\n";
    for (unsigned minute = below(5); minute < 300; minute += 1 + below(60)) {
      char time[16];
      std::snprintf(time, sizeof time, "%02u:%02u", minute / 60, minute % 60);
      std::vector<std::string> cells(4);
      cells[below(4)] = "x";
      for (std::string& cell : cells) {
        if (cell.empty() && below(2) == 0) continue;
        const auto i = static_cast<std::size_t>(&cell - cells.data());
        cell = i == 0   ? std::to_string(40 + below(100))
               : i == 1 ? (below(2) == 0 ? "yes" : "0")
               : i == 2 ? std::to_string(below(900)) + ".5"
                        : "AF";
        long_text += cell + "," + time + "," + patient + "," + names[i] + "\n";
        file_text += std::string(time) + "," + names[i] + "," + cell + "\n";
        ++written;
      }
      wide_text += patient + "," + time;
      for (const std::string& cell : cells) wide_text += "," + (below(2) == 0 ? "\"" + cell + "\"" : cell);
      wide_text += "\n";
    }
    write("folder/" + patient + ".txt", file_text);
  }
  mapping_.stagger = std::chrono::hours(5);
  mapping_.source = "ward";
  const auto from_long = read_ok(write("long.csv", long_text));
  EXPECT_EQ(report_.values, written);
  EXPECT_EQ(total(report_.unreadable) + total(report_.out_of_range) + report_.missing, 0U) << first_of(report_.unreadable);
  mapping_.format = FileFormat::wide_csv;
  const auto from_wide = read_ok(write("wide.csv", wide_text));
  EXPECT_EQ(report_.values, written);
  EXPECT_EQ(from_long, from_wide);
  mapping_.format = FileFormat::long_csv;
  mapping_.patient_column.reset();
  write("folder/.hidden", "nonsense");
  const auto from_folder = read_ok((root_ / "folder").string());
  EXPECT_EQ(from_long, from_folder);

  std::set<std::string> ids;
  for (const Event& event : from_long) EXPECT_TRUE(ids.insert(event.event_id).second) << event.event_id;
  // What a file gives, a log can carry.
  EventDecoder decoder(schema_, {});
  for (const Event& event : from_long) {
    const auto outcome = decoder.decode(encode_event(schema_, event), at("2027-01-01T00:00:00Z"));
    ASSERT_TRUE(outcome.decoded && outcome.decoded->refused.empty() && outcome.decoded->event == event);
  }
  // The same events as messages, one a line.
  std::string lines;
  for (const Event& event : from_long) lines += encode_event(schema_, event) + "\n\n";
  mapping_ = {};
  EXPECT_EQ(read_ok(write("events.ndjson", lines)), from_long);
  EXPECT_EQ(report_.rows, from_long.size());
  const auto three = read_ok((root_ / "events.ndjson").string(), 3);
  EXPECT_EQ(three, (std::vector<Event>(from_long.begin(), from_long.begin() + static_cast<std::ptrdiff_t>(three.size()))));
  EXPECT_EQ(three.back().patient_id, "p102");
  EXPECT_NE(from_long[three.size()].patient_id, "p102");
}

TEST_F(InputFiles, TimeForms) {
  using TimeForm = FileMapping::TimeForm;
  const auto time_of = [&](TimeForm form, const std::string& text) {
    mapping_.time_form = form;
    const auto events = read_ok(write("a.csv", "patient,time,what,value\n7," + text + ",HR,70\n"));
    return events.empty() ? std::string() : format_rfc3339(events[0].time);
  };
  EXPECT_EQ(time_of(TimeForm::minutes, "7"), "2026-01-01T00:07:00Z");
  EXPECT_EQ(time_of(TimeForm::minutes, "7.5"), "2026-01-01T00:07:30Z");
  EXPECT_EQ(time_of(TimeForm::hours, "1.5"), "2026-01-01T01:30:00Z");
  EXPECT_EQ(time_of(TimeForm::days, "-1"), "2025-12-31T00:00:00Z");
  EXPECT_EQ(time_of(TimeForm::rfc3339, "1970-01-01T01:00:00+00:00"), "1970-01-01T01:00:00Z");
  EXPECT_EQ(time_of(TimeForm::hours, "nan"), "");
  EXPECT_EQ(time_of(TimeForm::hours, "1e300"), "");
  EXPECT_EQ(time_of(TimeForm::rfc3339, "2026-01-01T00:00:00"), "");
}

TEST_F(InputFiles, SitesAndLongPatientNames) {
  mapping_.site_column = "ward";
  const std::string name(120, 'n');
  const auto events = read_ok(write("a.csv", "patient,time,what,value,ward\n" + name + ",0:01,HR,70,icu-4\n"));
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].site, "icu-4");
  EXPECT_EQ(events[0].patient_id, name);
  EXPECT_LE(events[0].event_id.size(), CodecLimits{}.id_bytes_max);
}

TEST_F(InputFiles, PatientsAreLimitedAndStaggered) {
  mapping_.stagger = std::chrono::hours(2);
  const std::string path = write("a.csv", "patient,time,what,value\na,0:00,HR,70\nb,0:00,HR,71\nc,0:00,HR,72\n");
  EXPECT_EQ(read_ok(path).size(), 3U);
  const auto two = read_ok(path, 2);
  ASSERT_EQ(two.size(), 2U);
  EXPECT_EQ(two[1].time - two[0].time, std::chrono::hours(2));
}

TEST_F(InputFiles, WhatCannotBeReadAtAll) {
  read((root_ / "nothing").string());
  EXPECT_EQ(status_.code(), Code::not_found);
  read(root_.string());
  EXPECT_EQ(status_.code(), Code::not_found) << "an empty folder";
  read(write("columns.csv", "patient,zeit,what,value\n"));
  EXPECT_EQ(status_.code(), Code::invalid);
  EXPECT_THAT(status_.message(), HasSubstr("no column 'time'"));
  read(write("empty.csv", ""));
  EXPECT_EQ(status_.code(), Code::invalid);
  mapping_.columns["Pulse"] = {"vitals", "pulse", 1, 0, {}};
  mapping_.columns["Height"] = {"", "height", 1, 0, {}};
  read(write("a.csv", "patient,time,what,value\na,0:00,HR,70\n"));
  EXPECT_EQ(status_.code(), Code::invalid);
  EXPECT_THAT(status_.message(), HasSubstr("vitals.pulse"));
  EXPECT_THAT(status_.message(), HasSubstr("height"));
}

TEST_F(InputFiles, ASinkThatFailsEndsTheReading) {
  const std::string path = write("a.csv", "patient,time,what,value\na,0:00,HR,70\nb,0:00,HR,71\n");
  int calls = 0;
  const Status status = read_patients(
      schema_, mapping_, path, 0,
      [&](std::vector<Event>) {
        ++calls;
        return Status(Code::unavailable, "full");
      },
      {}, report_);
  EXPECT_EQ(status.code(), Code::unavailable);
  EXPECT_EQ(calls, 1);
}

TEST_F(InputFiles, ProgressEndsAtAll) {
  std::string text = "patient,time,what,value\n";
  for (int i = 0; i < 20'000; ++i) text += std::to_string(i) + ",0:00,HR,70\n";
  std::uint64_t done = 0, total = 0;
  int calls = 0;
  const Status status = read_patients(
      schema_, mapping_, write("a.csv", text), 0, [](std::vector<Event>) { return Status(); },
      [&](std::uint64_t bytes, std::uint64_t all) {
        EXPECT_GE(bytes, done);
        done = bytes;
        total = all;
        ++calls;
      },
      report_);
  EXPECT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(done, text.size());
  EXPECT_EQ(total, text.size());
  EXPECT_GT(calls, 2);
}

TEST_F(InputFiles, BadMessagesAreCounted) {
  const std::string good = R"({"schema_version":1,"event_id":"e","patient_id":"p","modality":"vitals","time":"2999-01-01T00:00:00Z",)";
  mapping_ = {};
  std::string text = good + "\"values\":{\"hr\":70,\"temp\":99,\"pulse\":1}}\n" + "nonsense\n" + good + "\"values\":{\"hr\":0}}\n" +
                     std::string(2 * (1 << 20), 'x') + "\n";
  text.replace(text.find("2999"), 4, "2199");
  text.replace(text.find("2999"), 4, "2199");
  const auto events = read_ok(write("a.ndjson", text));
  EXPECT_EQ(events.size(), 1U);
  EXPECT_EQ(report_.rows, 4U);
  EXPECT_EQ(total(report_.out_of_range), 2U);
  EXPECT_EQ(report_.unmapped.at("vitals.pulse").count, 1U);
  EXPECT_EQ(total(report_.unreadable), 2U);
  EXPECT_THAT(first_of(report_.unreadable), HasSubstr("a.ndjson:2: "));
}

// Protects: a stream's lines, patients mixed and times out of order, over two files and more than a chunk, are whole patients to
// whoever asks for patients; a line that cannot be read takes none of them away.
TEST_F(InputFiles, MixedLinesBecomeWholePatients) {
  constexpr int kPatients = 25, kEvents = 120;
  std::string first, second;
  for (int e = 0; e < kEvents; ++e) {
    // The second file goes back in time.
    const int minute = e < kEvents / 2 ? kEvents + e : e - kEvents / 2;
    for (int p = 0; p < kPatients; ++p) (e < kEvents / 2 ? first : second) += heart_rate(p, 10 + minute, 60 + e);
  }
  first += "nonsense\n";
  second += heart_rate(3, 10, 40);  // the same moment once more
  for (int p = 0; p < kPatients; ++p) second += line(p, 0, R"("attributes":{"age":)" + std::to_string(50 + p) + "}");
  write("stream/a.ndjson", first);
  write("stream/b.ndjson", second);
  mapping_ = {};
  const auto events = read_ok((root_ / "stream").string());
  ASSERT_EQ(events.size(), static_cast<std::size_t>(kPatients * (kEvents + 1) + 1));
  for (int p = 0, i = 0; p < kPatients; ++p) {
    const Event& begin = events[static_cast<std::size_t>(i)];
    EXPECT_EQ(begin.patient_id, "p" + std::to_string(p)) << "by first appearance";
    EXPECT_EQ(begin.modality, kNoModality) << "attributes alone, last in the file and first in time";
    EXPECT_EQ(begin.attributes, (std::vector<AttributeValue>{{0, 50.0 + p}}));
    i += kEvents + (p == 3 ? 2 : 1);
  }
  const auto moment = static_cast<std::size_t>(3 * (kEvents + 1) + 1);
  EXPECT_EQ(events[moment].time, events[moment + 1].time);
  EXPECT_EQ(events[moment + 1].values, (std::vector<FeatureValue>{{kHr, 40}})) << "the later line comes later";
  EXPECT_EQ(total(report_.unreadable), 1U);
  EXPECT_EQ(report_.rows, events.size() + 1);
}

// Protects: the first patients, each with all of its lines, not the first lines.
TEST_F(InputFiles, LimitedPatientsOfMixedLinesAreWhole) {
  std::string text;
  for (int e = 0; e < 50; ++e) {
    for (int p = 0; p < 5; ++p) text += heart_rate(p, e, 70);
  }
  mapping_ = {};
  const auto events = read_ok(write("a.ndjson", text), 2);
  ASSERT_EQ(events.size(), 100U);
  EXPECT_EQ(events.front().patient_id, "p0");
  EXPECT_EQ(events.back().patient_id, "p1");
  EXPECT_EQ(report_.values, 100U) << "what was not asked for is not counted";
}

// Protects: a stream is replayed in its own order and in little memory.
TEST_F(InputFiles, EventsComeInTheirFilesOrder) {
  const std::string csv = write("a.csv", "patient,time,what,value\na,0:09,HR,70\na,0:00,HR,71\nb,0:00,HR,72\n");
  EXPECT_EQ(read_in_order(csv), read_ok(csv)) << "rows of a patient stand together: patients all the same";
  EXPECT_THAT(calls_, ElementsAre(2U, 1U));
  std::string text;
  for (int i = 0; i < 2100; ++i) text += heart_rate(i % 7, 3000 - i, 70);
  mapping_ = {};
  const auto events = read_in_order(write("a.ndjson", text));
  ASSERT_EQ(events.size(), 2100U);
  for (int i = 0; i < 2100; ++i) {
    ASSERT_EQ(events[static_cast<std::size_t>(i)].event_id, "p" + std::to_string(i % 7) + "-" + std::to_string(3000 - i));
  }
  EXPECT_THAT(calls_, ElementsAre(1000U, 1000U, 100U));
  EXPECT_EQ(read_in_order((root_ / "a.ndjson").string(), 2).size(), 600U);
}

}  // namespace
}  // namespace lacuna::streaming
