#pragma once

#include <functional>
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
  CLI::Option* add_to(CLI::App& command, const char* help = "Configuration file (YAML)");
  /// -s,--set alone. One value each, so that what follows may be a path.
  CLI::Option* add_overrides(CLI::App& command);
  /// The configuration, or every problem on standard error; then the exit code is kExitConfiguration.
  std::optional<Config> load() const;
};

/// An option under the name that it had until the last release: not in --help, and with a notice on standard error. `now`: its name;
/// to be added after that one. `take` gets each value.
void add_old_name(CLI::App& command, const std::string& old, const std::string& now, std::function<void(const std::string&)> take);

}  // namespace lacuna::daemon
