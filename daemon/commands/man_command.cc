#include "daemon/commands/commands.h"

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>

#include "daemon/commands/checked_output.h"
#include "daemon/commands/command_tree.h"
#include "daemon/commands/manual_page.h"
#include "daemon/commands/session.h"
#include "daemon/commands/version.h"

namespace lacuna::daemon {

namespace {

int write_pages(const CommandNode& root, const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return explain({Code::unavailable, "cannot make " + folder + ": " + error.message()});
  for (const CommandNode* command : all_commands(root)) {
    const Status written = write_file(folder + "/" + page_name(*command) + ".1", manual_page(*command, project_version()));
    if (!written.ok()) return explain(written);
  }
  return kExitOk;
}

}  // namespace

void add_man(CLI::App& app, int& exit_code) {
  auto folder = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("man", "Write the man pages of all commands into a folder");
  command->footer(
      "The Debian package and `cmake --install` put them in their place: `man lacuna`, `man lacuna-run`. They say what --help says.\n\n"
      "Examples:\n"
      "  lacuna man pages && man -l pages/lacuna-run.1\n"
      "  lacuna man ~/.local/share/man/man1");
  command->add_option("folder", *folder, "Where to; made where it is not there")->required();
  command->callback([&app, folder, &exit_code] { exit_code = write_pages(command_tree(app), *folder); });
}

}  // namespace lacuna::daemon
