#include "daemon/tables/alerts_table.h"

#include <gmock/gmock.h>

#include "daemon/http/drift_json.h"
#include "tests/unit/daemon/http/fixtures.h"

// What people read of alerts and of the lag: nothing is left out, and whatever answers, the terminal stays whole.

namespace lacuna::daemon {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Progress with_alerts() {
  Progress p;
  p.event_time = testing::at("2026-01-05T00:00:00Z");
  Alert alert;
  alert.alert_id = "value/vitals.temp@2026-01-04T10:00:00Z";
  alert.kind = "value";
  alert.subject = "vitals.temp";
  alert.since = testing::at("2026-01-04T10:00:00Z");
  alert.severity = Severity::critical;
  alert.before = 0.02;
  alert.after = 1.71;
  alert.adapted = true;
  alert.effects = {{"shift_since_onset", 1.68}};
  alert.action = "learning resumed after 1d";
  p.open_alerts = {alert, alert};
  p.open_alerts[1].subject = "vitals.hr";
  p.open_alerts[1].adapted = false;
  p.open_alerts[1].action.clear();
  OperatorCommand mute{OperatorCommand::Action::mute, "value", "vitals.temp", {}};
  mute.by = "anna";
  mute.why = "it is being mended";
  const Time until = testing::at("2026-01-06T12:30:00Z");
  p.decisions = {{"a", mute, testing::at("2026-01-04T12:00:00Z"), p.event_time, until}};
  p.decisions.push_back(p.decisions[0]);
  p.decisions[1].command.subject = "vitals.hr";
  p.decisions[1].until = testing::at("2026-01-04T12:30:00Z");
  return p;
}

TEST(AlertsTable, TellsStateReactionAndWhoDecided) {
  setenv("COLUMNS", "250", 1);  // what fits: text_table_test
  const auto out = alerts_table(alerts_json(with_alerts()));
  ASSERT_TRUE(out.ok()) << out.status().to_string();
  EXPECT_THAT(*out, HasSubstr("value/vitals.temp  critical  2026-01-04T10:00Z  still shifted, the model has adapted  "
                              "0.02 to 1.71, 1.68 sd of before the onset  learning resumed after 1d  "
                              "muted by anna: it is being mended until 2026-01-06T12:30Z"));
  // Its mute is over, but it was decided.
  EXPECT_THAT(*out, HasSubstr("value/vitals.hr    critical  2026-01-04T10:00Z  open "));
  EXPECT_THAT(*out, Not(HasSubstr("muted by anna: it is being mended until 2026-01-04T12:30Z")));
  EXPECT_THAT(*out, HasSubstr("value/vitals.hr    muted by anna: it is being mended (until 2026-01-04T12:30Z)"));
  EXPECT_EQ(*alerts_table(alerts_json({})), "no alert is open\n");
}

TEST(LagTable, TellsEachPartitionAndWhatElseWaits) {
  setenv("COLUMNS", "250", 1);
  Progress p;
  p.lag = 12;
  p.lags = {{{"lacuna.events", 0}, 5}, {{"lacuna.events", 1}, 7}};
  p.partitions[{"lacuna.events", 0}].consumed = 400;
  p.recovery.records_left = 30;
  const auto out = lag_table(lag_json(p));
  ASSERT_TRUE(out.ok()) << out.status().to_string();
  EXPECT_THAT(*out, HasSubstr("lacuna.events          0    5       400"));
  EXPECT_THAT(*out, HasSubstr("lacuna.events          1    7         -  being restored"));
  EXPECT_THAT(*out, HasSubstr("12 records behind; 30 changelog records to restore; 0 examples wait for the learner"));
  EXPECT_THAT(*lag_table(lag_json({})), HasSubstr("no partition is assigned"));
}

TEST(AlertsTable, WhatIsNoAnswerIsRefused) {
  for (const char* text : {"", "{}", "[]", R"({"alerts":7,"decisions":[]})", R"({"alerts":[{}],"decisions":[]})",
                           R"({"lag":"x","partitions":[]})", R"({"alerts":[],"decisions":[{"kind":1}]})"}) {
    EXPECT_EQ(alerts_table(text).code(), Code::invalid) << text;
    EXPECT_EQ(lag_table(text).code(), Code::invalid) << text;
  }
}

}  // namespace
}  // namespace lacuna::daemon
