#pragma once

#include "daemon/config/config.h"
#include "daemon/config/listener_config.h"

namespace lacuna::daemon {

/// `lacuna feed --mllp`: listens until told to stop. Returns the exit code; what went wrong is on standard error.
int listen_for_messages(Config config, const ListenerConfig& listener);

}  // namespace lacuna::daemon
