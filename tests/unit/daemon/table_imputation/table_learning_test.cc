// Protects that a table teaches what is in it: a relation within a row and one across visits are found on cells that were not learned from,
// the intervals hold, learning stops, and the same table gives the same weights.
#include "daemon/table_imputation/table_learning.h"

#include <gmock/gmock.h>

#include "tests/unit/daemon/table_imputation/made_up_ward.h"

namespace lacuna::daemon {
namespace {

LearnedTable learn(const Config& config, const PatientTable& table, TableLearningOptions options) {
  auto learned = learn_table(config, table, options, [](auto, auto) {});
  EXPECT_TRUE(learned.ok()) << learned.status().to_string();
  return std::move(*learned);
}

class TableLearning : public ::testing::Test {
 protected:
  PatientTable visits(std::size_t patients) {
    return testing::table_of(config_, {files_.write("t.csv", testing::to_csv(testing::made_up_visits(patients, 0.15)))});
  }
  const FeatureScore& of(const LearnedTable& learned, const char* modality, const char* name) const {
    const FeatureId f = testing::feature(config_, modality, name);
    return *std::ranges::find(learned.scores, f, &FeatureScore::feature);
  }
  testing::TableFiles files_;
  const Config config_ = testing::make_config(testing::kVisits);
};

TEST_F(TableLearning, FindsWhatIsThere) {
  const PatientTable table = visits(600);
  const LearnedTable learned = learn(config_, table, {25, false});
  EXPECT_EQ(learned.version->steps(), learned.steps);
  EXPECT_NEAR(static_cast<double>(learned.examples), 1800, 20) << "all moments but those whose every cell is held out";
  EXPECT_LT(of(learned, "second", "y").error, 0.7 * of(learned, "second", "y").error_mean) << "from x, where x is there";
  EXPECT_LT(of(learned, "second", "z").error, 0.7 * of(learned, "second", "z").error_mean) << "from the visit before, where there is one";
  for (const FeatureScore& s : learned.scores) {
    if (is_discrete(config_.schema->features()[s.feature].likelihood)) continue;
    EXPECT_GT(s.covered, 0.82) << config_.schema->qualified_name(s.feature);
    EXPECT_LT(s.covered, 0.97) << config_.schema->qualified_name(s.feature);
  }
}

TEST_F(TableLearning, WhatCameLaterHelps) {
  const PatientTable table = visits(600);
  const double causal = of(learn(config_, table, {10, false}), "second", "z").error;
  const double both = of(learn(config_, table, {10, true}), "second", "z").error;
  EXPECT_LT(both, 0.8 * causal) << "z of a first visit is known from the second";
}

TEST_F(TableLearning, StopsWhenNothingGetsBetter) {
  // Nothing to learn: the cells are alone.
  const Config config = testing::make_config(testing::kVisits);
  CounterRandom random(3);
  std::string text = "row,id,day,x,y,z,group\n";
  for (int i = 0; i < 300; ++i) text += std::to_string(i) + ",p" + std::to_string(i) + ",0," + std::to_string(random.normal()) + ",,,\n";
  const PatientTable table = testing::table_of(config, {files_.write("noise.csv", text)});
  std::uint64_t told = 0, all = 0;
  const auto learned = learn_table(config, table, {1000, false}, [&](std::uint64_t done, std::uint64_t of) {
    told = done;
    all = of;
  });
  ASSERT_TRUE(learned.ok()) << learned.status().to_string();
  EXPECT_LT(learned->passes, 400);
  EXPECT_LE(learned->best_pass, learned->passes);
  EXPECT_EQ(all, learned->examples * 1000);
  EXPECT_EQ(told, learned->examples * static_cast<std::uint64_t>(learned->passes));
}

TEST_F(TableLearning, TheSameTableGivesTheSameWeights) {
  const PatientTable table = visits(60);
  EXPECT_EQ(learn(config_, table, {2, false}).version->id(), learn(config_, table, {2, false}).version->id());
}

TEST_F(TableLearning, ATableWithoutValuesTeachesNothing) {
  const PatientTable table = testing::table_of(config_, {files_.write("t.csv", "row,id,day,x,y,z,group\n0,a,0,NA,NA,NA,\n")});
  EXPECT_EQ(learn_table(config_, table, {}, [](auto, auto) {}).code(), Code::not_found);
  const PatientTable tiny = testing::table_of(config_, {files_.write("u.csv", "row,id,day,x,y,z,group\n0,a,0,1,NA,NA,\n")});
  EXPECT_EQ(learn_table(config_, tiny, {1, false}, [](auto, auto) {}).code(), Code::not_found) << "not one gradient step";
}

}  // namespace
}  // namespace lacuna::daemon
