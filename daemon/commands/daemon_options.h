#pragma once

#include <optional>
#include <string>

#include "daemon/commands/config_options.h"
#include "daemon/http/client.h"

namespace CLI {
class App;
}

namespace lacuna::daemon {

/// Of commands that talk to a running daemon: where it is, by its configuration or its address.
struct DaemonOptions {
  ConfigOptions config;
  std::string url, token_file;

  /// `token`: the command changes something.
  void add_to(CLI::App& command, bool token);
  /// Empty: standard error says why, and the exit code is kExitConfiguration.
  std::optional<DaemonClient> client() const;
};

/// Says on standard error what the daemon, or the way to it, says is wrong; returns kExitFailed.
int explain_answer(const Status& status);

}  // namespace lacuna::daemon
