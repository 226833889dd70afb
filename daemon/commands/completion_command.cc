#include "daemon/commands/commands.h"

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "daemon/commands/checked_output.h"
#include "daemon/commands/command_tree.h"
#include "daemon/commands/completions.h"
#include "daemon/commands/session.h"

namespace lacuna::daemon {

void add_completion(CLI::App& app, int& exit_code) {
  auto shell = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("completion", "Print what completes commands and options in a shell");
  command->footer(
      "The Debian package and `cmake --install` put it in its place. From a clone, for the shell that runs, or in its start-up file:\n\n"
      "Examples:\n"
      "  source <(lacuna completion bash)\n"
      "  source <(lacuna completion zsh)   # after compinit\n"
      "  lacuna completion fish | source");
  command->add_option("shell", *shell, "Which shell")->required()->check(CLI::IsMember({"bash", "zsh", "fish"}));
  command->callback([&app, shell, &exit_code] {
    const CommandNode root = command_tree(app);
    standard_output() << (*shell == "bash" ? bash_completion(root) : *shell == "zsh" ? zsh_completion(root) : fish_completion(root));
    exit_code = kExitOk;
  });
}

}  // namespace lacuna::daemon
