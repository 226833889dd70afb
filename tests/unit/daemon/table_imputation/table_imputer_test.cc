// Protects what is said of a gap: that what was measured is left alone, that nothing of later is used, the reason, and that draws of one
// row belong together.
#include "daemon/table_imputation/table_imputer.h"

#include <gmock/gmock.h>

#include "daemon/table_imputation/table_learning.h"
#include "tests/unit/daemon/table_imputation/made_up_ward.h"

namespace lacuna::daemon {
namespace {

/// One model for all tests of this file.
class Imputer : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    config_ = new Config(testing::make_config(testing::kVisits));
    testing::TableFiles files;
    const PatientTable table = testing::table_of(*config_, {files.write("t.csv", testing::to_csv(testing::made_up_visits(600, 0.15)))});
    auto learned = learn_table(*config_, table, {10, false}, [](auto, auto) {});
    ASSERT_TRUE(learned.ok()) << learned.status().to_string();
    learned_ = new LearnedTable(std::move(*learned));
  }
  static void TearDownTestSuite() {
    delete learned_;
    delete config_;
  }
  static std::vector<ImputedMoment> impute(const std::string& rows, const std::vector<MomentPlace>& places, TableImputer::Options options) {
    testing::TableFiles files;
    const PatientTable table = testing::table_of(*config_, {files.write("t.csv", "row,id,day,x,y,z,group\n" + rows)});
    const TableImputer imputer(*config_, table, *learned_->version, learned_->calibrator, options);
    auto made = imputer.impute(places);
    EXPECT_TRUE(made.ok()) << made.status().to_string();
    return std::move(*made);
  }
  static const ImputedCell& cell(const ImputedMoment& moment, const char* modality, const char* name) {
    return *std::ranges::find(moment.cells, testing::feature(*config_, modality, name), &ImputedCell::feature);
  }

  static Config* config_;
  static LearnedTable* learned_;
};
Config* Imputer::config_ = nullptr;
LearnedTable* Imputer::learned_ = nullptr;

TEST_F(Imputer, SaysWhatIsMissingAndWhy) {
  const auto made = impute("0,a,0,2,,1,1\n1,a,10,,,,\n2,a,1000,,,,1\n", {{0, 0}, {0, 1}, {0, 2}}, {});
  const ImputedCell& x = cell(made[0], "first", "x");
  EXPECT_EQ(x.reason, CellReason::observed);
  EXPECT_EQ(x.value, 2);
  const ImputedCell& y = cell(made[0], "second", "y");
  EXPECT_EQ(y.reason, CellReason::never_measured);
  EXPECT_NEAR(y.median, 4, 1.2) << "2 x";
  EXPECT_LT(y.low, y.median);
  EXPECT_GT(y.high, y.median);
  EXPECT_LT(y.high - y.low, 8) << "of a column with an sd of 6";
  EXPECT_EQ(cell(made[1], "first", "x").reason, CellReason::measured_before);
  EXPECT_EQ(cell(made[2], "first", "x").reason, CellReason::stale);
  const ImputedCell& group = cell(made[1], "first", "group");
  ASSERT_EQ(group.probabilities.size(), 2u);
  EXPECT_NEAR(group.probabilities[0] + group.probabilities[1], 1, 1e-4F);
  EXPECT_EQ(made[0].based_on.size(), 2u);
  EXPECT_EQ(made[2].based_on.size(), 1u);
}

TEST_F(Imputer, NothingOfLaterIsUsed) {
  const std::string first = "0,a,0,2,,,1\n";
  const auto alone = impute(first, {{0, 0}}, {}), with_later = impute(first + "1,a,10,2,9000,9,1\n", {{0, 0}}, {});
  EXPECT_EQ(cell(alone[0], "second", "z").median, cell(with_later[0], "second", "z").median);
}

TEST_F(Imputer, WhatIsFreshIsKnownUnlessAllIsAsked) {
  const auto made = impute("0,a,0,2,,1,1\n1,a,10,,,,\n", {{0, 1}}, {0, false, false});
  EXPECT_EQ(made[0].cells.size(), 1u) << "y alone was never measured";
  EXPECT_EQ(made[0].cells[0].feature, testing::feature(*config_, "second", "y"));
}

TEST_F(Imputer, DrawsOfARowBelongTogether) {
  const auto made = impute("0,a,0,,,,\n", {{0, 0}}, {2000, false, true});
  const ImputedCell &x = cell(made[0], "first", "x"), &y = cell(made[0], "second", "y"), &z = cell(made[0], "second", "z");
  const auto correlation = [](const std::vector<double>& a, const std::vector<double>& b) {
    double ma = 0, mb = 0, ab = 0, aa = 0, bb = 0;
    for (std::size_t i = 0; i < a.size(); ++i) ma += a[i] / static_cast<double>(a.size()), mb += b[i] / static_cast<double>(b.size());
    for (std::size_t i = 0; i < a.size(); ++i) {
      ab += (a[i] - ma) * (b[i] - mb);
      aa += (a[i] - ma) * (a[i] - ma);
      bb += (b[i] - mb) * (b[i] - mb);
    }
    return ab / std::sqrt(aa * bb);
  };
  ASSERT_EQ(x.draws.size(), 2000u);
  EXPECT_GT(correlation(x.draws, y.draws), 0.7) << "0.986 in the table";
  EXPECT_LT(std::abs(correlation(x.draws, z.draws)), 0.3) << "0 in the table";
}

TEST_F(Imputer, OfWhatTooLittleWasLearnedNothingIsSaid) {
  Config strict = *config_;
  strict.observations_min = 1'000'000;
  testing::TableFiles files;
  const PatientTable table = testing::table_of(strict, {files.write("t.csv", "row,id,day,x,y,z,group\n0,a,0,2,,,1\n")});
  const auto made = TableImputer(strict, table, *learned_->version, learned_->calibrator, {}).impute(std::vector<MomentPlace>{{0, 0}});
  ASSERT_TRUE(made.ok());
  EXPECT_EQ((*made)[0].cells[testing::feature(strict, "first", "x")].reason, CellReason::observed);
  EXPECT_EQ((*made)[0].cells[testing::feature(strict, "second", "y")].reason, CellReason::warming_up);
}

TEST_F(Imputer, TheOrderOfAskingChangesNothing) {
  const std::string rows = "0,a,0,2,,,1\n1,b,0,-1,,,0\n";
  const auto forward = impute(rows, {{0, 0}, {1, 0}}, {3, false, true}), back = impute(rows, {{1, 0}, {0, 0}}, {3, false, true});
  EXPECT_NEAR(cell(forward[1], "second", "y").median, cell(back[0], "second", "y").median, 1e-3);
  EXPECT_NEAR(cell(forward[0], "second", "y").draws[2], cell(back[1], "second", "y").draws[2], 1e-3);
}

}  // namespace
}  // namespace lacuna::daemon
