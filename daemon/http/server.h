#pragma once

#include <memory>

#include "daemon/config/config.h"
#include "daemon/pipeline/pipeline.h"

namespace lacuna::daemon {

/// The one HTTP port (cpp-httplib): /metrics /livez /readyz and /v1 (docs/operations.md). What changes anything needs a token.
/// Own threads. Configuration and pipeline must outlive it.
class HttpServer {
 public:
  /// `unavailable` when the port is taken.
  static Result<std::unique_ptr<HttpServer>> start(const Config& config, Pipeline& pipeline, Clock clock);
  virtual ~HttpServer() = default;  ///< stops and joins
  virtual int port() const = 0;
};

}  // namespace lacuna::daemon
