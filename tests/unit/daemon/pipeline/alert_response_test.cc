#include "daemon/pipeline/alert_response.h"

#include <gtest/gtest.h>

// Protects: what is said to have been done about an alert is what is done, and only critical ones do anything.

namespace lacuna::daemon {
namespace {

constexpr Time kNow{std::chrono::hours(1000)};

Alert alert(Severity severity, AlertState state = AlertState::raised) {
  Alert out;
  out.severity = severity;
  out.state = state;
  out.detected = kNow - std::chrono::hours(2);
  return out;
}

AlertResponse make(OnCritical on_critical) { return AlertResponse({on_critical, 4, std::chrono::hours(24)}); }

std::string action(const AlertResponse& alert_response, Alert message, const std::vector<Alert>& open) {
  alert_response.annotate({&message, 1}, open, "000001-aa", kNow);
  EXPECT_EQ(message.model_version, "000001-aa");
  return message.action;
}

TEST(AlertResponse, OnlyAnOpenCriticalAlertChangesThePace) {
  const std::vector<Alert> none, info{alert(Severity::info)}, critical{alert(Severity::info), alert(Severity::critical)};
  const std::pair<OnCritical, int> cases[] = {{OnCritical::nothing, 1}, {OnCritical::freeze, 0}, {OnCritical::adapt, 4}};
  for (const auto& [on_critical, multiplier] : cases) {
    EXPECT_EQ(make(on_critical).steps_multiplier(none, kNow), 1);
    EXPECT_EQ(make(on_critical).steps_multiplier(info, kNow), 1);
    EXPECT_EQ(make(on_critical).steps_multiplier(critical, kNow), multiplier);
  }
}

TEST(AlertResponse, MessagesTellWhatWasDone) {
  const Alert raised = alert(Severity::critical), resolved = alert(Severity::critical, AlertState::resolved);
  const std::vector<Alert> open{raised};
  EXPECT_EQ(action(make(OnCritical::freeze), raised, open), "learning frozen");
  EXPECT_EQ(action(make(OnCritical::adapt), raised, open), "learning sped up 4 times");
  EXPECT_EQ(action(make(OnCritical::freeze), resolved, {}), "learning resumed");
  EXPECT_EQ(action(make(OnCritical::freeze), resolved, open), "learning stays frozen: other critical alerts are open");
  EXPECT_EQ(action(make(OnCritical::nothing), raised, open), "");
  EXPECT_EQ(action(make(OnCritical::freeze), alert(Severity::info), open), "");
}

TEST(AlertResponse, AnAlertActsForSoLongAndNoLonger) {
  const AlertResponse freeze = make(OnCritical::freeze);
  const Alert held = alert(Severity::critical);
  const std::vector<Alert> open{held};
  const Time end = held.detected + std::chrono::hours(24);
  EXPECT_EQ(freeze.steps_multiplier(open, end - Millis(1)), 0);
  EXPECT_EQ(freeze.steps_multiplier(open, end), 1);
  std::vector<Alert> messages{held, alert(Severity::critical)};
  messages[1].detected = end;
  freeze.annotate(messages, {}, "000001-aa", end);
  EXPECT_EQ(messages[0].action, "learning resumed after 1d");
  freeze.annotate(messages, messages, "000001-aa", end);
  EXPECT_EQ(messages[0].action, "learning stays frozen: other critical alerts are open");
  EXPECT_EQ(messages[1].action, "learning frozen");
}

}  // namespace
}  // namespace lacuna::daemon
