// Goal: staleness, times and training follow from what is there. Method: surveys whose courses are known.
#include "daemon/guessing/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/daemon/guessing/made_up_tables.h"

namespace lacuna::daemon {
namespace {

using namespace lacuna::daemon::testing;
using std::chrono::days;
using std::chrono::hours;
using ::testing::Contains;
using ::testing::HasSubstr;
using TimeForm = streaming::FileMapping::TimeForm;

constexpr Time kNow = std::chrono::sys_days(std::chrono::year(2026) / 6 / 1);

/// `patients` with a value of hr each hour, and of crea each twelve, for a day from `first`.
Survey ward(std::size_t patients, Time first, const std::string& unit = "") {
  SurveyBuilder builder('.');
  const auto hr = builder.variable("hr"), crea = builder.variable("crea");
  for (std::size_t p = 0; p < patients; ++p) {
    const auto patient = builder.patient(std::to_string(p));
    for (int h = 0; h < 24; ++h) {
      const std::int64_t time = first.time_since_epoch().count() + h * 3'600'000;
      ++builder.survey().rows;
      builder.moment(patient, time);
      builder.add(hr, patient, time, fixed(80 + 9 * bell(1, p * 100 + static_cast<std::size_t>(h)), 0), "");
      if (h % 12 == 0)
        builder.add(crea, patient, time, fixed(std::exp(0.4 * bell(2, p * 100 + static_cast<std::size_t>(h))), 2), h == 0 ? unit : "");
    }
  }
  return builder.finish();
}

Roles roles_of(TimeForm form) {
  Roles roles;
  roles.mapping.format = streaming::FileFormat::long_csv;
  roles.mapping.time_form = form;
  return roles;
}

TEST(Plan, StalenessIsHalfAsLongAgainAsItTakes) {
  const auto plan = make_plan(roles_of(TimeForm::hours), ward(30, Time{}), false, kNow);
  ASSERT_TRUE(plan.ok());
  ASSERT_EQ(plan->modalities.size(), 2u);
  EXPECT_EQ(plan->modalities[0].stale_after, hours(2));
  EXPECT_EQ(plan->modalities[1].stale_after, hours(24));
  EXPECT_EQ(round_up(1), std::chrono::minutes(1));
  EXPECT_EQ(round_up(1e15), days(3650));
}

TEST(Plan, StaysOverlapAndLieInThePastWhateverTheDay) {
  const auto plan = make_plan(roles_of(TimeForm::hours), ward(30, Time{}), false, kNow);
  EXPECT_GE(plan->stagger, std::chrono::minutes(30));
  EXPECT_LE(plan->stagger, hours(2));
  EXPECT_LT(plan->start + 30 * plan->stagger + hours(24), Time(std::chrono::sys_days(std::chrono::year(2020) / 1 / 1)));
  EXPECT_EQ(plan->start, make_plan(roles_of(TimeForm::hours), ward(30, Time{}), false, kNow + days(900))->start);
}

TEST(Plan, TimesThatWereMoved) {
  EXPECT_EQ(make_plan(roles_of(TimeForm::rfc3339), ward(30, kNow - days(9)), false, kNow)->future_max, Millis(0));
  EXPECT_GT(make_plan(roles_of(TimeForm::rfc3339), ward(30, kNow + days(9)), false, kNow)->future_max, days(9));
  const auto moved = make_plan(roles_of(TimeForm::rfc3339), ward(30, kNow + days(50'000)), false, kNow);
  EXPECT_TRUE(moved->shift_to_now);
  EXPECT_THAT(moved->doubts, Contains(HasSubstr("--shift-to-now")));
  EXPECT_GT(make_plan(roles_of(TimeForm::rfc3339), ward(30, kNow - days(40'000)), false, kNow)->past_max, days(40'000));
}

TEST(Plan, LittleIsGoneOverOften) {
  const auto little = make_plan(roles_of(TimeForm::hours), ward(30, Time{}), false, kNow),
             more = make_plan(roles_of(TimeForm::hours), ward(12000, Time{}), false, kNow);
  EXPECT_EQ(little->epochs, 5) << "120 moments of a patient";
  EXPECT_LT(little->train.batch_size, more->train.batch_size);
  EXPECT_EQ(more->epochs, 1);
}

TEST(Plan, UnitsOfRowsAreUsedWhereAllConvert) {
  Roles roles = roles_of(TimeForm::hours);
  roles.mapping.unit_column = "uom";
  const auto converts = make_plan(roles, ward(30, Time{}, "mg/dL"), false, kNow);
  EXPECT_EQ(converts->roles.mapping.unit_column, "uom");
  EXPECT_FALSE(converts->variables[1].guess.unit_is_guessed);
  Survey other = ward(30, Time{}, "mg/dL");
  other.variables[0].units["bottles"] = 2;
  const auto not_all = make_plan(roles, std::move(other), false, kNow);
  EXPECT_FALSE(not_all->roles.mapping.unit_column);
  EXPECT_THAT(not_all->doubts, Contains(HasSubstr("do not convert (hr)")));
}

TEST(Plan, WhatFewPatientsHaveIsSaid) {
  Survey survey = ward(80, Time{});
  std::erase_if(survey.cells, [](const MeasuredCell& c) { return c.variable == 1 && c.patient >= 9; });
  EXPECT_THAT(make_plan(roles_of(TimeForm::hours), std::move(survey), false, kNow)->doubts,
              Contains(HasSubstr("little can be learned of them: crea 9")));
}

TEST(Plan, NothingToLearnFromIsRefused) {
  SurveyBuilder builder('.');
  const auto v = builder.variable("remark");
  for (int i = 0; i < 50; ++i) builder.add(v, builder.patient(std::to_string(i)), 0, "text " + std::to_string(i), "");
  const auto plan = make_plan(roles_of(TimeForm::none), builder.finish(), false, kNow);
  ASSERT_FALSE(plan.ok());
  EXPECT_THAT(plan.status().message(), HasSubstr("no column holds measurements"));
}

}  // namespace
}  // namespace lacuna::daemon
