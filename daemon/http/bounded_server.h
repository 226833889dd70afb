#pragma once

#include <httplib.h>

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <thread>

#include "state/records/status.h"

namespace lacuna::daemon {

/// The library's server with every bound set: connections, threads, times. A request has its own connection: a client that keeps one open
/// and idle would hold a thread that a probe needs. Handlers are added before start(). Private to this folder, the home of cpp-httplib.
class BoundedServer final : public httplib::Server {
 public:
  BoundedServer();
  ~BoundedServer() override;  ///< stops and joins

  /// Serves on a thread of its own, lacuna-http, and a pool. `unavailable` when the port is taken; port 0: any free one.
  Status start(const std::string& address, int port);
  int port() const { return port_; }

 private:
  int port_ = -1;
  std::thread thread_;
};

}  // namespace lacuna::daemon
