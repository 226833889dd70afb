#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace lacuna::daemon {

/// What a command takes, as the parser has it. The man pages and the completions are made from it; --help is made from the same parser, so
/// that none of them can say what the others do not. Old names, which --help does not show, are not in it.
struct CommandOption {
  enum class Value { none, text, number, file, folder };  ///< none: a flag

  std::vector<std::string> names;    ///< "-c", "--config"; of a positional its one name
  std::string takes;                 ///< as --help has it: "TEXT:FILE REQUIRED"; empty: a flag
  std::string help;                  ///< one paragraph
  std::vector<std::string> choices;  ///< the values that there are; empty: others
  Value value = Value::none;
  bool repeated = false;  ///< may be given more than once
};

struct CommandNode {
  std::string name;     ///< "list"
  std::string path;     ///< "lacuna alerts list"
  std::string summary;  ///< what a list of commands says of it
  std::string footer;   ///< what --help says below the options: prose, and lists and examples, whose lines begin with a space
  std::vector<CommandOption> options, positionals;
  std::vector<CommandNode> commands;  ///< below it
};

CommandNode command_tree(const CLI::App& app);

/// `node` and all below it, itself first. They live as long as it does.
std::vector<const CommandNode*> all_commands(const CommandNode& node);

}  // namespace lacuna::daemon
