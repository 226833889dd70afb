// Goal: a file of ten million rows that lie anyhow is read in bounded memory. Method: rows of 20,000 patients in an order that has nothing
// to do with them, read in a program of its own, whose greatest size the system tells.
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <string>

#include "state/records/hash.h"
#include "streaming/files/input_files.h"
#include "tests/support/scratch_folder.h"
#include "tests/unit/streaming/messages/message_fixture.h"

namespace lacuna::streaming {
namespace {

constexpr std::uint64_t kRows = 10'000'000, kPatients = 20'000;

/// In KiB: the most that this process had in memory so far.
std::uint64_t greatest_size() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::stoull(line.substr(6));
  }
  return UINT64_MAX;
}

TEST(UnsortedRows, TenMillionWithin256MiB) {
  lacuna::testing::ScratchFolder scratch;
  const std::string path = scratch / "rows.csv";
  {
    std::FILE* const out = std::fopen(path.c_str(), "w");
    ASSERT_NE(out, nullptr);
    std::fputs("patient,minute,parameter,value\n", out);
    // Row i is one more of its patient; numbers count the patient's rows, so that no two of them are at one time.
    for (std::uint64_t i = 0; i < kRows; ++i) {
      const std::uint64_t round = i / kPatients, patient = mix64(mix64(round) ^ (i % kPatients)) % kPatients;
      std::fprintf(out, "p%05llu,%llu,HR,%llu\n", static_cast<unsigned long long>(patient), static_cast<unsigned long long>(i),
                   static_cast<unsigned long long>(50 + i % 100));
    }
    ASSERT_EQ(std::fclose(out), 0);
  }
  const Schema schema = testing::make_schema();
  FileMapping mapping;
  mapping.format = FileFormat::long_csv;
  mapping.patient_column = "patient";
  mapping.time_column = "minute";
  mapping.time_form = FileMapping::TimeForm::minutes;
  mapping.parameter_column = "parameter";
  mapping.value_column = "value";
  mapping.columns["HR"] = {"vitals", "hr", 1, 0, {}};
  FileReport report;
  std::uint64_t events = 0, patients = 0;
  const Status status = read_events(
      schema, mapping, path, 0,
      [&](const std::vector<Event>& some) {
        events += some.size();
        ++patients;
        for (std::size_t i = 1; i < some.size(); ++i) EXPECT_LT(some[i - 1].time, some[i].time);
        return Status();
      },
      {}, report);
  ASSERT_TRUE(status.ok()) << status.to_string();
  EXPECT_EQ(report.rows, kRows);
  EXPECT_EQ(events, kRows);
  EXPECT_EQ(patients, kPatients) << "each in one piece";
  EXPECT_TRUE(report.lossless());
  std::printf("greatest size %llu KiB\n", static_cast<unsigned long long>(greatest_size()));
  EXPECT_LE(greatest_size(), 256U << 10);
}

}  // namespace
}  // namespace lacuna::streaming
