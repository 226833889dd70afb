#include "daemon/commands/config_options.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <utility>

#include "daemon/commands/session.h"

namespace lacuna::daemon {

CLI::Option* ConfigOptions::add_to(CLI::App& command, const char* help) {
  CLI::Option* const file = command.add_option("-c,--config", path, help)->check(CLI::ExistingFile);
  add_overrides(command);
  return file;
}

CLI::Option* ConfigOptions::add_overrides(CLI::App& command) {
  return command.add_option("-s,--set", overrides, "Override a key: --set batch.max_events=500 (repeatable)")->allow_extra_args(false);
}

std::optional<Config> ConfigOptions::load() const { return load_or_explain(path, overrides); }

void add_old_name(CLI::App& command, const std::string& old, const std::string& now, std::function<void(const std::string&)> take) {
  const std::string name = command.get_name();
  const auto taken = [old, now, name, take = std::move(take)](const std::vector<std::string>& values) {
    std::fprintf(stderr, "lacuna %s: %s is called %s now: the old name goes with the next release\n", name.c_str(), old.c_str(),
                 now.c_str());
    for (const std::string& value : values) take(value);
  };
  command.add_option_function<std::vector<std::string>>(old, taken)->allow_extra_args(false)->group("");
}

}  // namespace lacuna::daemon
