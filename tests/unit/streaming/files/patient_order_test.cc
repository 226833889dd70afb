// Goal: rows that lie anyhow read as if they lay by patient, and with the places that they have. Method: a random ward, its rows mixed over
// files with other headers, is held against the same rows sorted by hand; the sort against one in memory.
#include "streaming/files/patient_order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <signal.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <set>

#include "streaming/files/row_sort.h"
#include "tests/support/scratch_folder.h"
#include "tests/unit/streaming/messages/message_fixture.h"

namespace lacuna::streaming {
namespace {

using namespace lacuna::streaming::testing;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

TEST(RowSortTest, SortsAsAStableSortInMemoryDoes) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const auto below = [&](unsigned n) { return std::uniform_int_distribution<unsigned>(0, n - 1)(random); };
  for (const unsigned run_bytes : {1U, 3000U, 1U << 20}) {
    const unsigned rows = run_bytes == 1 ? 300 : 5000;
    std::vector<std::pair<SortedRow, std::string>> expected;
    RowSort sort(run_bytes);
    for (unsigned i = 0; i < rows; ++i) {
      const std::string text(below(100) == 0 ? below(20'000) : below(60), static_cast<char>('a' + below(26)));
      expected.push_back({{below(50), below(3), i, below(2) == 0, below(9) == 0, {}}, text});
      SortedRow row = expected.back().first;
      row.text = text;
      ASSERT_TRUE(sort.add(row).ok());
    }
    std::stable_sort(expected.begin(), expected.end(), [](const auto& a, const auto& b) { return a.first.key < b.first.key; });
    ASSERT_TRUE(sort.finish().ok());
    EXPECT_EQ(sort.rows(), rows);
    for (const auto& [row, text] : expected) {
      SortedRow got;
      const auto more = sort.next(got);
      ASSERT_TRUE(more.ok() && *more);
      ASSERT_EQ(std::tuple(got.key, got.file, got.line, got.quoted, got.malformed, got.text),
                std::tuple(row.key, row.file, row.line, row.quoted, row.malformed, std::string_view(text)));
    }
    SortedRow none;
    EXPECT_FALSE(*sort.next(none));
  }
  RowSort empty;
  SortedRow none;
  EXPECT_TRUE(empty.finish().ok());
  EXPECT_FALSE(*empty.next(none));
}

/// The folder for temporary files, while it lives.
class TemporaryFolder {
 public:
  explicit TemporaryFolder(const std::string& path) {
    if (const char* before = std::getenv("TMPDIR"); before != nullptr) before_ = before;
    ::setenv("TMPDIR", path.c_str(), 1);
  }
  ~TemporaryFolder() {
    if (before_.empty()) ::unsetenv("TMPDIR");
    else ::setenv("TMPDIR", before_.c_str(), 1);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

 private:
  std::string before_;
};

class PatientOrder : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::create_directory(scratch_ / "tmp");
    temporary_.emplace(scratch_ / "tmp");
    mapping_.format = FileFormat::long_csv;
    mapping_.source = "ward";
    mapping_.patient_column = "patient";
    mapping_.time_column = "time";
    mapping_.parameter_column = "what";
    mapping_.value_column = "value";
    mapping_.time_form = FileMapping::TimeForm::minutes;
    mapping_.start = at("2026-01-01T00:00:00Z");
    mapping_.stagger = std::chrono::hours(3);
    mapping_.columns["HR"].modality = "vitals";
    mapping_.columns["HR"].feature = "hr";
  }
  std::vector<Event> read(const std::string& path, std::size_t limit = 0) {
    std::vector<Event> events;
    std::set<std::string> patients;
    report_ = {};
    status_ = read_patients(
        schema_, mapping_, path, limit,
        [&](std::vector<Event> some) {
          EXPECT_TRUE(patients.insert(some.front().patient_id).second) << "all of a patient in one call";
          EXPECT_TRUE(fs::is_empty(scratch_ / "tmp")) << "what an end of the process would leave";
          for (Event& event : some) events.push_back(std::move(event));
          return Status();
        },
        [&](std::uint64_t done, std::uint64_t all) {
          progress_ = {done, all};
        },
        report_);
    EXPECT_TRUE(fs::is_empty(scratch_ / "tmp"));
    return events;
  }
  std::vector<Event> read_ok(const std::string& path, std::size_t limit = 0) {
    auto events = read(path, limit);
    EXPECT_TRUE(status_.ok()) << status_.message();
    return events;
  }

  const Schema schema_ = make_schema();
  lacuna::testing::ScratchFolder scratch_;
  std::optional<TemporaryFolder> temporary_;
  FileMapping mapping_;
  FileReport report_;
  Status status_;
  std::pair<std::uint64_t, std::uint64_t> progress_;
};

// Protects: rows that lie anyhow, in several files whose columns lie anyhow too, give the events of the same rows by patient.
TEST_F(PatientOrder, MixedRowsReadAsSortedOnes) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const auto below = [&](unsigned n) { return std::uniform_int_distribution<unsigned>(0, n - 1)(random); };
  const std::string heads[] = {"patient,time,what,value,note\n", "value,note,what,patient,time\n", "\"time\",what,value,note, patient \n"};
  std::vector<std::string> patients;          // by first appearance
  std::map<std::string, std::string> sorted;  // rows of each, as in the first file
  std::string mixed[3] = {heads[0], heads[1], heads[2]};
  for (unsigned file = 0; file < 3; ++file) {
    for (unsigned i = 0; i < 700; ++i) {
      const std::string patient = "p" + std::to_string(below(40) * (file + 1)), time = std::to_string(below(3000));
      const std::string value = below(30) == 0 ? "fast" : std::to_string(40 + below(100));
      const std::string note = below(5) == 0 ? "\"two\nlines, \"\"quoted\"\"\"" : "none";
      if (!sorted.contains(patient)) patients.push_back(patient);
      sorted[patient] += patient + "," + time + ",HR," + value + "," + note + "\n";
      mixed[file] += file == 0   ? patient + "," + time + ",HR," + value + "," + note
                     : file == 1 ? value + "," + note + ",HR," + patient + "," + time
                                 : time + ",HR," + value + "," + note + ",\"" + patient + "\"";
      mixed[file] += below(3) == 0 ? "\r\n" : "\n";
    }
  }
  std::string by_hand = heads[0];
  for (const std::string& patient : patients) by_hand += sorted[patient];
  const auto expected = read_ok(scratch_.write("sorted.csv", by_hand));
  const FileReport report = report_;
  ASSERT_GT(expected.size(), 1500U);
  ASSERT_GT(total(report.unreadable), 0U);
  fs::create_directory(scratch_ / "mixed");
  std::uint64_t bytes = 0;
  for (int file = 0; file < 3; ++file) {
    scratch_.write("mixed/" + std::to_string(file) + ".csv", mixed[file]);
    bytes += mixed[file].size();
  }
  EXPECT_EQ(read_ok(scratch_ / "mixed"), expected);
  EXPECT_EQ(progress_, std::pair(bytes, bytes));
  EXPECT_EQ(report_.rows, report.rows);
  EXPECT_EQ(report_.values, report.values);
  EXPECT_EQ(total(report_.unreadable), total(report.unreadable));
  EXPECT_EQ(report_.duplicates, report.duplicates);

  const auto three = read_ok(scratch_ / "mixed", 3);
  EXPECT_EQ(three, (std::vector<Event>(expected.begin(), expected.begin() + static_cast<std::ptrdiff_t>(three.size()))));
  EXPECT_EQ(three.back().patient_id, patients[2]);
  EXPECT_NE(expected[three.size()].patient_id, patients[2]) << "the first to appear, with all of their rows";
}

// Protects: whoever looks for a bad row finds it where the file has it; rows that are no patient's are counted once and keep nothing away.
TEST_F(PatientOrder, PlacesAreThoseOfTheFile) {
  std::string text = "patient,time,what,value\n,9,HR,70\na,0,HR,70\nb,0,HR,71\n";  // no patient at all, in line 2
  read_ok(scratch_.write("a.csv", text));
  EXPECT_THAT(report_.unreadable.at("").first, HasSubstr("a.csv:2: "));
  text = "patient,time,what,value\na,0,HR,70\nb,0,HR,71\n\nb,1,HR,\"x\"y\na,1,HR\n\xFF,2,HR,70\na,2,HR,72\n\"b,3,HR,73\n";
  EXPECT_EQ(read_ok(scratch_.write("a.csv", text)).size(), 3U);
  EXPECT_EQ(report_.rows, 7U);
  EXPECT_EQ(total(report_.unreadable), 4U);
  EXPECT_THAT(report_.unreadable.at("").first, HasSubstr("a.csv:9: ")) << "the first by patient: behind a row of the first one";
  text = "patient,time,what,value\na,0,HR,70\nb,0,HR,71\nb,1,HR,\"x\"y\na,1,HR,72\n";
  read_ok(scratch_.write("a.csv", text));
  EXPECT_THAT(report_.unreadable.at("").first, HasSubstr("a.csv:4: "));
  std::string long_line = "patient,time,what,value\na,0,HR,70\nb,0,HR,71\n" + std::string(2 * kLineBytesMax, 'x') + "\na,1,HR,72\n";
  EXPECT_EQ(read_ok(scratch_.write("a.csv", long_line)).size(), 3U);
  EXPECT_THAT(report_.unreadable.at("").first, HasSubstr("a.csv:4: "));
}

TEST_F(PatientOrder, WhatCannotBeReadIsSaid) {
  fs::create_directory(scratch_ / "two");
  scratch_.write("two/1.csv", "patient,time,what,value\na,0,HR,70\nb,0,HR,71\na,1,HR,72\n");
  scratch_.write("two/2.csv", "patient,zeit,what,value\n");
  EXPECT_TRUE(read(scratch_ / "two").empty()) << "before anything is taken";
  EXPECT_EQ(status_.code(), Code::invalid);
  EXPECT_THAT(status_.message(), HasSubstr("2.csv: no column 'time'"));
  scratch_.write("two/2.csv", "nobody\n");
  EXPECT_TRUE(read(scratch_ / "two").empty());
  EXPECT_THAT(status_.message(), HasSubstr("2.csv: no column 'patient'"));
}

TEST_F(PatientOrder, AFullDiskIsSaid) {
  std::string text = "patient,time,what,value\n";
  for (int i = 0; i < 20'000; ++i) text += std::to_string(i % 7) + "," + std::to_string(i) + ",HR,70\n";
  const std::string path = scratch_.write("a.csv", text);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit small{100'000, before.rlim_max};
  const auto handler = ::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const auto events = read(path);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  ::signal(SIGXFSZ, handler);
  EXPECT_TRUE(events.empty());
  EXPECT_EQ(status_.code(), Code::unavailable);
  EXPECT_THAT(status_.message(), HasSubstr(scratch_ / "tmp"));
  EXPECT_THAT(status_.message(), HasSubstr("TMPDIR"));
  EXPECT_EQ(read_ok(path).size(), 20'000U);

  const TemporaryFolder none(scratch_ / "nowhere");
  EXPECT_TRUE(read(path).empty());
  EXPECT_EQ(status_.code(), Code::unavailable);
  EXPECT_THAT(status_.message(), HasSubstr("TMPDIR"));
}

}  // namespace
}  // namespace lacuna::streaming
