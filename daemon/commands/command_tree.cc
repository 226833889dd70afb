#include "daemon/commands/command_tree.h"

#include <CLI/CLI.hpp>
#include <utility>

namespace lacuna::daemon {

namespace {

std::string path_of(const CLI::App& app) {
  const CLI::App* const parent = app.get_parent();
  return parent == nullptr ? app.get_name() : path_of(*parent) + " " + app.get_name();
}

/// Of a type such as "TEXT:{text,json}", as CLI::IsMember calls itself.
std::vector<std::string> choices_of(const std::string& type) {
  const std::size_t open = type.find('{'), close = type.rfind('}');
  if (open == std::string::npos || close == std::string::npos || close < open) return {};
  return CLI::detail::split(type.substr(open + 1, close - open - 1), ',');
}

CommandOption::Value value_of(const std::string& type) {
  using Value = CommandOption::Value;
  if (type.find(":DIR") != std::string::npos || type == "DIR") return Value::folder;
  if (type.find(":FILE") != std::string::npos || type.find(":PATH") != std::string::npos) return Value::file;
  if (type.starts_with("INT") || type.starts_with("UINT") || type.starts_with("FLOAT")) return Value::number;
  return Value::text;
}

CommandOption option_of(const CLI::Option& option) {
  CommandOption out;
  if (option.nonpositional()) {
    for (const std::string& name : option.get_snames()) out.names.push_back("-" + name);
    for (const std::string& name : option.get_lnames()) out.names.push_back("--" + name);
  } else {
    out.names.push_back(option.get_name(true));
  }
  out.help = option.get_description();
  // `make_option_opts` begins with the space between it and the name.
  out.takes = CLI::detail::trim_copy(CLI::Formatter().make_option_opts(&option));
  if (option.get_expected_max() == 0) return out;  // a flag
  out.choices = choices_of(option.get_type_name());
  out.value = value_of(option.get_type_name());
  out.repeated = option.get_expected_max() > 1;
  return out;
}

void add_options(const CLI::App& app, CommandNode& node) {
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_group().empty()) continue;                             // an old name
    if (app.get_name().empty() && option == app.get_help_ptr()) continue;  // each group of options has one, beside the command's
    (option->nonpositional() ? node.options : node.positionals).push_back(option_of(*option));
  }
  for (const CLI::App* group : app.get_subcommands(nullptr)) {
    if (group->get_name().empty()) add_options(*group, node);
  }
}

}  // namespace

CommandNode command_tree(const CLI::App& app) {
  CommandNode node{app.get_name(), path_of(app), app.get_description(), app.get_footer(), {}, {}, {}};
  add_options(app, node);
  for (const CLI::App* command : app.get_subcommands(nullptr)) {
    if (!command->get_name().empty()) node.commands.push_back(command_tree(*command));  // else a group of options
  }
  return node;
}

std::vector<const CommandNode*> all_commands(const CommandNode& node) {
  std::vector<const CommandNode*> out{&node};
  for (const CommandNode& command : node.commands) {
    for (const CommandNode* below : all_commands(command)) out.push_back(below);
  }
  return out;
}

}  // namespace lacuna::daemon
