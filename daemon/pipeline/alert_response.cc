#include "daemon/pipeline/alert_response.h"

#include <algorithm>

#include "streaming/messages/encoders.h"

namespace lacuna::daemon {

namespace {

bool any_critical(std::span<const Alert> open) {
  return std::any_of(open.begin(), open.end(), [](const Alert& a) { return a.severity == Severity::critical; });
}

}  // namespace

int AlertResponse::steps_multiplier(std::span<const Alert> open) const {
  if (!reacts() || !any_critical(open)) return 1;
  return config_.on_critical == OnCritical::freeze ? 0 : config_.adapt_factor;
}

void AlertResponse::annotate(std::span<Alert> alerts, std::span<const Alert> open, const std::string& version) const {
  const int now = steps_multiplier(open);
  const std::string changed =
      config_.on_critical == OnCritical::freeze ? "frozen" : "sped up " + std::to_string(config_.adapt_factor) + " times";
  for (Alert& alert : alerts) {
    alert.model_version = version;
    if (!reacts() || alert.severity != Severity::critical) continue;
    if (alert.state != AlertState::resolved) alert.action = "learning " + changed;
    else alert.action = now == 1 ? "learning resumed" : "learning stays " + changed + ": other critical alerts are open";
  }
}

streaming::OutputRecord alert_record(const Config& config, const Alert& alert) {
  return {config.topics.alerts, std::nullopt, alert.kind + "/" + alert.subject, streaming::encode_alert(alert), {}};
}

}  // namespace lacuna::daemon
