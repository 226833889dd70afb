#pragma once

#include <span>
#include <string>
#include <vector>

#include "daemon/config/config.h"
#include "state/records/records.h"
#include "streaming/log/event_log.h"

namespace lacuna::daemon {

/// What an open critical alert does to learning (alerts.on_critical). It remembers nothing: what is open decides, and that is
/// stored with each batch, so that a restart changes nothing.
class AlertResponse {
 public:
  explicit AlertResponse(const Config::AlertResponseOptions& config) : config_(config) {}

  /// How many times as many gradient steps as usual the examples of a batch pay for that left `open` alerts; 0: none. `now`: clinical
  /// time; an alert acts for alerts.react_for.
  int steps_multiplier(std::span<const Alert> open, Time now) const;
  /// Completes messages: what was done, and under which model version. `open`: what is open after them.
  void annotate(std::span<Alert> alerts, std::span<const Alert> open, const std::string& version, Time now) const;

 private:
  bool reacts() const { return config_.on_critical != OnCritical::nothing; }
  bool acts(const Alert& alert, Time now) const;
  const Config::AlertResponseOptions config_;
};

/// As it goes to topics.alerts.
streaming::OutputRecord alert_record(const Config& config, const Alert& alert);

}  // namespace lacuna::daemon
