#pragma once

#include <string>

#include "state/records/status.h"
#include "streaming/mllp/listener_counts.h"

namespace lacuna::daemon {

/// What `lacuna feed --mllp` counts as Prometheus text exposition: metrics named lacuna_mllp_*; labels only from closed sets. `log`:
/// whether the log takes messages.
std::string listener_prometheus_text(const streaming::mllp::ListenerCounts& counts, const Status& log);

}  // namespace lacuna::daemon
