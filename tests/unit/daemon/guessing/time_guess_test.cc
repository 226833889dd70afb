// Goal: times are read in the form in which they are written. Method: a few cells of each form.
#include "daemon/guessing/time_guess.h"

#include <gtest/gtest.h>

namespace lacuna::daemon {
namespace {

using TimeForm = streaming::FileMapping::TimeForm;

TimeForm form(const std::string& name, const std::vector<std::string>& cells) {
  const auto guess = guess_time(name, cells, '.');
  return guess ? guess->form : TimeForm::none;
}

TEST(TimeGuess, FormsThatLeaveNoChoice) {
  EXPECT_EQ(form("t", {"2026-01-01T00:00:00Z", "2026-01-01T01:00:00+02:00"}), TimeForm::rfc3339);
  EXPECT_EQ(form("t", {"00:07", "37:05"}), TimeForm::hours_minutes);
  EXPECT_EQ(form("time", {"0 days 00:00:00", "1 days 03:00:00"}), TimeForm::offset);
  EXPECT_EQ(form("charttime", {"2180-07-23 14:00:00", "2180-07-23"}), TimeForm::local);
  EXPECT_EQ(form("time", {"20260101120000", "20260102130000"}), TimeForm::hl7);
  EXPECT_EQ(form("date", {"20260101", "20260102"}), TimeForm::hl7);
}

TEST(TimeGuess, TheNameTellsWhatNumbersCount) {
  EXPECT_EQ(form("day", {"0", "192"}), TimeForm::days);
  EXPECT_EQ(form("visit_days", {"0", "192.5"}), TimeForm::days);
  EXPECT_EQ(form("hours", {"0", "1.5"}), TimeForm::hours);
  EXPECT_EQ(form("minutes", {"-12", "15"}), TimeForm::minutes);
  EXPECT_EQ(form("labresultoffset", {"-6475", "15"}), TimeForm::minutes);
  EXPECT_FALSE(guess_time("time", {"0", "15"}, '.')->doubt.empty());
  EXPECT_EQ(form("time", {"1784808000", "1784811600"}), TimeForm::epoch_seconds);
  EXPECT_EQ(form("time", {"1784808000000", "1784811600000"}), TimeForm::epoch_millis);
}

TEST(TimeGuess, PatternsAndTheirDoubts) {
  EXPECT_EQ(guess_time("date", {"5/3/20", "25/12/21"}, '.')->pattern, "%d/%m/%y");
  EXPECT_EQ(guess_time("date", {"5/3/2020", "25/12/2021"}, '.')->pattern, "%d/%m/%Y");
  EXPECT_EQ(guess_time("datum", {"23.07.2026 14:00", "01.02.2026 09:30"}, '.')->pattern, "%d.%m.%Y %H:%M");
  EXPECT_EQ(guess_time("date", {"07/23/2026", "01/02/2026"}, '.')->pattern, "%m/%d/%Y") << "there is no month 23";
  const auto either = guess_time("date", {"07/03/2026", "01/02/2026"}, '.');
  EXPECT_EQ(either->pattern, "%d/%m/%Y");
  EXPECT_NE(either->doubt.find("month/day"), std::string::npos);
  EXPECT_EQ(guess_time("date", {"1/2/2026 2:05 PM", "1/13/2026 3:10 AM"}, '.')->pattern, "%m/%d/%Y %I:%M %p");
}

TEST(TimeGuess, WhatIsNoTime) {
  EXPECT_FALSE(guess_time("time", {"morning", "2026-01-01"}, '.'));
  EXPECT_FALSE(guess_time("time", {}, '.'));
  EXPECT_FALSE(guess_time("hours", {"1,5", "2,5"}, ',')) << "times are read with a point";
}

}  // namespace
}  // namespace lacuna::daemon
