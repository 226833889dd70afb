#pragma once

#include <cstddef>
#include <string>

#include "daemon/config/config.h"
#include "state/records/status.h"

namespace lacuna::daemon {

/// Renames a damaged store, so that an empty one takes its place. Nobody may have it open.
Status quarantine_store(const Config& config, const Status& why);
/// Those that were renamed, now or in earlier lives, and not yet deleted by somebody.
std::size_t count_quarantined_stores(const Config& config);

}  // namespace lacuna::daemon
