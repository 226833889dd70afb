#pragma once

#include <string>
#include <string_view>

#include "daemon/config/config.h"
#include "state/records/status.h"

namespace lacuna::daemon {

/// "http://127.0.0.1:9464": where a daemon of this configuration is reached from this machine. `invalid` where it serves nothing,
/// or on a port that only its log tells.
Result<std::string> daemon_url(const Config& config);

/// Of GET /v1/patients/{id}, escaped as paths ask.
std::string patient_path(std::string_view person);

/// Asks a running daemon over HTTP. One thread.
class DaemonClient {
 public:
  /// `token_file`: for post(); may be empty.
  DaemonClient(std::string url, std::string token_file) : url_(std::move(url)), token_file_(std::move(token_file)) {}

  /// The answer's body. `unavailable`: nobody answers, or the daemon is not ready; else what the daemon says is wrong.
  Result<std::string> get(const std::string& path) const;
  /// With the token.
  Result<std::string> post(const std::string& path, const std::string& json) const;

 private:
  const std::string url_, token_file_;
};

}  // namespace lacuna::daemon
