#include "daemon/commands/daemon_options.h"

#include <CLI/CLI.hpp>
#include <cstdio>

#include "daemon/commands/session.h"

namespace lacuna::daemon {

void DaemonOptions::add_to(CLI::App& command, bool token) {
  config.add_to(command, "Configuration of the running daemon: http.address, http.port, http.token_file");
  command.add_option("--url", url, "Where the daemon is instead: http://host:port");
  if (token) command.add_option("--token-file", token_file, "The token's file, instead of http.token_file");
}

std::optional<DaemonClient> DaemonOptions::client() const {
  if (config.path.empty() && url.empty()) {
    std::fprintf(stderr, "lacuna: which daemon? Give the --config it runs with, or its --url\n");
    return {};
  }
  std::string where = url, token = token_file;
  if (!config.path.empty()) {
    const std::optional<Config> loaded = config.load();
    if (!loaded) return {};
    if (token.empty()) token = loaded->http.token_file;
    if (where.empty()) {
      const auto found = daemon_url(*loaded);
      if (!found.ok()) {
        std::fprintf(stderr, "lacuna: %s\n", found.status().message().c_str());
        return {};
      }
      where = *found;
    }
  }
  if (!where.starts_with("http://") && !where.starts_with("https://")) {
    std::fprintf(stderr, "lacuna: --url: expected http://host:port, got '%s'\n", where.c_str());
    return {};
  }
  while (where.ends_with('/')) where.pop_back();
  return std::optional<DaemonClient>(std::in_place, where, token);
}

int explain_answer(const Status& status) {
  std::fprintf(stderr, "lacuna: %s\n", status.message().c_str());
  return kExitFailed;
}

}  // namespace lacuna::daemon
