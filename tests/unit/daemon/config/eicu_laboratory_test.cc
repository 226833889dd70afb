// Goal: a laboratory's export is read with a mapping that a person writes in an hour, and each of its rows is accounted for. Method: eICU's
// demo as the laboratories sent it (LACUNA_TEST_DATA), under configs/eicu-laboratory.yaml; rows counted by the plain reader beside.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include "streaming/files/csv_reader.h"
#include "streaming/files/input_files.h"
#include "tests/unit/daemon/config/config_helpers.h"

namespace lacuna::daemon {
namespace {

namespace fs = std::filesystem;
using streaming::CsvReader;
using streaming::LineReader;

const std::string kConfig = "configs/eicu-laboratory.yaml";

class EicuLaboratory : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* data = std::getenv("LACUNA_TEST_DATA");
    file_ = (fs::path(data != nullptr ? data : "../shared/data") / "icu-demo" / "eicu-lab.csv.xz").string();
    if (!fs::exists(file_)) GTEST_SKIP() << "no real data: " << file_ << " (set LACUNA_TEST_DATA)";
    const ConfigOutcome outcome = load_config(kConfig);
    ASSERT_TRUE(outcome.config) << told(outcome.problems);
    config_ = *outcome.config;
  }
  /// Values by feature.
  std::map<std::string, std::vector<double>> read(const streaming::FileMapping& mapping) {
    std::map<std::string, std::vector<double>> values;
    report_ = {};
    const Status status = streaming::read_patients(
        *config_.schema, mapping, file_, 0,
        [&](const std::vector<Event>& events) {
          ++patients_;
          for (const Event& e : events) {
            for (const FeatureValue& v : e.values) values[config_.schema->features()[v.feature].name].push_back(v.value);
          }
          return Status();
        },
        {}, report_);
    EXPECT_TRUE(status.ok()) << status.to_string();
    return values;
  }
  /// Rows by local name.
  std::map<std::string, std::uint64_t> rows() const {
    auto lines = LineReader::open(file_);
    EXPECT_TRUE(lines.ok());
    CsvReader reader(std::move(*lines), ',');
    std::vector<std::string_view> cells;
    std::map<std::string, std::uint64_t> out;
    for (bool header = true; reader.next(cells) == CsvReader::Outcome::row; header = false) {
      if (!header) ++out[std::string(cells.at(4))];
    }
    return out;
  }
  static std::uint64_t lost(const streaming::FileReport& r) {
    return total(r.out_of_range) + total(r.units) + total(r.unreadable) + total(r.unmapped) + total(r.repeated);
  }

  static std::string first_losses(const streaming::FileReport& r) {
    std::string out;
    for (const streaming::Losses* losses : {&r.out_of_range, &r.units, &r.unreadable, &r.unmapped, &r.repeated}) {
      for (const auto& [name, loss] : *losses) out += name + ": " + std::to_string(loss.count) + ", " + loss.first + "\n";
    }
    return out;
  }

  std::string file_;
  Config config_;
  streaming::FileReport report_;
  int patients_ = 0;
};

TEST_F(EicuLaboratory, TheMappingIsShort) {
  std::ifstream in(kConfig);
  int lines = 0;
  for (std::string line; std::getline(in, line);) lines += lines > 0 || line == "input:" ? 1 : 0;
  EXPECT_GT(lines, 20);
  EXPECT_LE(lines, 60);
}

TEST_F(EicuLaboratory, EveryRowIsAccountedFor) {
  const auto values = read(*config_.mapping);
  const std::set<std::string> ignored(config_.mapping->ignored.begin(), config_.mapping->ignored.end());
  std::uint64_t all = 0, left_out = 0;
  for (const auto& [name, count] : rows()) {
    all += count;
    left_out += ignored.contains(name) ? count : 0;
  }
  EXPECT_EQ(all, 17'051U);
  EXPECT_EQ(report_.rows, all);
  EXPECT_EQ(patients_, 90);
  EXPECT_EQ(report_.values + report_.duplicates + report_.missing + lost(report_) + left_out, all);
  EXPECT_EQ(lost(report_), 0U) << first_losses(report_);
  EXPECT_GT(report_.censored, 15U) << "limits are in the text alone";
  EXPECT_GT(total(report_.twice), 0U) << "revisions";
  // What the laboratories call K/uL, K/MM3, THS/uL, 10E3/mcL or K/CMM is one unit; so are mmol/L and MEQ/L of sodium.
  for (const double v : values.at("platelets")) EXPECT_GT(v, 5);
  for (const double v : values.at("sodium")) EXPECT_GT(v, 100);
  for (const double v : values.at("calcium_ionized")) EXPECT_LT(v, 2) << "some of it came in mg/dL";
}

// eICU's own units beside those of the laboratories: where they are not the same, labresult is not taken on trust.
TEST_F(EicuLaboratory, TwoUnitsThatDisagreeAreTold) {
  streaming::FileMapping mapping = *config_.mapping;
  mapping.value_column = "labresult";
  mapping.unit_column = "labmeasurenamesystem";
  mapping.second_unit_column = "labmeasurenameinterface";
  std::erase(mapping.ignored, "labresult");
  std::erase(mapping.ignored, "labmeasurenamesystem");
  mapping.ignored.push_back("labresulttext");
  const auto values = read(mapping);
  EXPECT_EQ(report_.units.at("ionized calcium").count, 40U);
  EXPECT_EQ(report_.told.at("ionized calcium"), 48U);
  EXPECT_EQ(values.at("calcium_ionized").size(), 8U);
  EXPECT_FALSE(report_.units.contains("sodium"));
  EXPECT_FALSE(report_.units.contains("platelets x 1000"));
}

}  // namespace
}  // namespace lacuna::daemon
