#include "daemon/tables/subgroup_table.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "daemon/http/subgroups_json.h"

// What an operator reads of each group of patients; of small ones their number alone.

namespace lacuna::daemon {
namespace {

using ::testing::HasSubstr;

std::string table(const std::vector<model::SubgroupFigures>& groups, std::uint64_t patients_min = 60) {
  setenv("COLUMNS", "100", 1);
  const auto out = subgroup_table(subgroups_json(groups, patients_min, 0.9).dump());
  EXPECT_TRUE(out.ok()) << out.status().to_string();
  return out.ok() ? *out : "";
}

const std::vector<model::SubgroupFigures> kGroups{{"all", 200, 4000, 0.4, 0.8, 0.5, 0.9, 0.01, 1.6},
                                                  {"sex=female", 60, 0, 0, 0, 0, 1, std::nullopt, 0},
                                                  {"sex=male", 59, 40, 0.4, 0.8, 0.5, 0.9, 0.1, 1.6},
                                                  {"sex=other", 0, 0, 0, 0, 0, 0, std::nullopt, 0}};

TEST(SubgroupTable, OneRowAGroupThatIsLargeEnough) {
  EXPECT_EQ(table(kGroups),
            "group       patients  values    MAE   mean  skill  cover90  error  width\n"
            "all              200    4000  0.400  0.800  0.500    0.900  0.010  1.600\n"
            "sex=female        60       0      -      -      -    1.000      -      -\n"
            "every value alike; skill: 1 - MAE / mean's; error: standard error of the coverage, by patient\n"
            "Fewer than 60 patients: sex=male 59, sex=other 0\n");
  EXPECT_THAT(table(kGroups, 2), HasSubstr("\nsex=male          59      40  0.400"));
}

TEST(SubgroupTable, WithoutGroupsThereIsNothingToTell) {
  EXPECT_EQ(table({kGroups[0]}), "");
  EXPECT_EQ(table({}), "");
}

TEST(SubgroupTable, WhatIsNoAnswerIsRefused) {
  for (const char* text : {"", "{}", "[]", R"({"groups":[{},{}]})", R"({"groups":[{},{}],"patients_min":2,"level":0.9})"}) {
    EXPECT_EQ(subgroup_table(text).code(), Code::invalid) << text;
  }
}

}  // namespace
}  // namespace lacuna::daemon
