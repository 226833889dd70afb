#include "daemon/pipeline/alert_response.h"

#include <algorithm>

#include "streaming/messages/encoders.h"

namespace lacuna::daemon {

bool AlertResponse::acts(const Alert& alert, Time now) const {
  return alert.severity == Severity::critical && now - alert.detected < config_.react_for;
}

int AlertResponse::steps_multiplier(std::span<const Alert> open, Time now) const {
  if (!reacts() || std::none_of(open.begin(), open.end(), [&](const Alert& a) { return acts(a, now); })) return 1;
  return config_.on_critical == OnCritical::freeze ? 0 : config_.adapt_factor;
}

void AlertResponse::annotate(std::span<Alert> alerts, std::span<const Alert> open, const std::string& version, Time now) const {
  const int multiplier = steps_multiplier(open, now);
  const std::string changed =
      config_.on_critical == OnCritical::freeze ? "frozen" : "sped up " + std::to_string(config_.adapt_factor) + " times";
  for (Alert& alert : alerts) {
    alert.model_version = version;
    if (!reacts() || alert.severity != Severity::critical) continue;
    const bool resolved = alert.state == AlertState::resolved;
    if (!resolved && acts(alert, now)) alert.action = "learning " + changed;
    else if (multiplier != 1) alert.action = "learning stays " + changed + ": other critical alerts are open";
    else alert.action = resolved ? "learning resumed" : "learning resumed after " + format_duration(config_.react_for);
  }
}

streaming::OutputRecord alert_record(const Config& config, const Alert& alert) {
  return {config.topics.alerts, std::nullopt, alert.kind + "/" + alert.subject, streaming::encode_alert(alert), {}};
}

}  // namespace lacuna::daemon
