#include "daemon/commands/config_options.h"

#include <CLI/CLI.hpp>

#include "daemon/commands/session.h"

namespace lacuna::daemon {

CLI::Option* ConfigOptions::add_to(CLI::App& command, const char* help, const char* set) {
  CLI::Option* const file = command.add_option("-c,--config", path, help)->check(CLI::ExistingFile);
  add_overrides(command, set);
  return file;
}

CLI::Option* ConfigOptions::add_overrides(CLI::App& command, const char* set) {
  return command.add_option(set, overrides, "Override a key: --set batch.max_events=500 (repeatable)")->allow_extra_args(false);
}

std::optional<Config> ConfigOptions::load() const { return load_or_explain(path, overrides); }

}  // namespace lacuna::daemon
