#pragma once

#include <memory>

#include "daemon/config/listener_config.h"
#include "state/records/status.h"
#include "streaming/mllp/listener.h"

namespace lacuna::daemon {

/// The port of `lacuna feed --mllp`: /metrics /livez /readyz, and nothing of a patient. Own threads. The listener must outlive it.
class ListenerServer {
 public:
  /// `unavailable` when the port is taken.
  static Result<std::unique_ptr<ListenerServer>> start(const ListenerConfig::Http& http, const streaming::mllp::Listener& listener);
  virtual ~ListenerServer() = default;  ///< stops and joins
  virtual int port() const = 0;
};

}  // namespace lacuna::daemon
