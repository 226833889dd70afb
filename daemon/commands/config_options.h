#pragma once

#include <optional>
#include <string>
#include <vector>

#include "daemon/config/config.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace lacuna::daemon {

/// Of commands that read a configuration: its file, and the keys that the command line sets.
struct ConfigOptions {
  std::string path;
  std::vector<std::string> overrides;  ///< KEY=VALUE

  /// -c,--config, as a file that exists (`help`: what it is for), and the overrides; returns the former.
  CLI::Option* add_to(CLI::App& command, const char* help = "Configuration file (YAML)", const char* set = "-s,--set");
  /// The overrides alone. One value each, so that what follows may be a path. `set`: other names, where --set means something else.
  CLI::Option* add_overrides(CLI::App& command, const char* set = "-s,--set");
  /// The configuration, or every problem on standard error; then the exit code is kExitConfiguration.
  std::optional<Config> load() const;
};

}  // namespace lacuna::daemon
