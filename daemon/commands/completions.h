#pragma once

#include <string>

#include "daemon/commands/command_tree.h"

namespace lacuna::daemon {

// What completes the commands, options and values of `root` in a shell. Files are completed where a value is a file, or may be one.

/// To be sourced, or as bash-completion/completions/lacuna; needs nothing of bash-completion.
std::string bash_completion(const CommandNode& root);
/// To be sourced after compinit, or as _lacuna in a folder of $fpath.
std::string zsh_completion(const CommandNode& root);
/// To be sourced, or as lacuna.fish in a folder of $fish_complete_path.
std::string fish_completion(const CommandNode& root);

}  // namespace lacuna::daemon
