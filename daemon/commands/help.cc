#include "daemon/commands/help.h"

#include <algorithm>
#include <iostream>
#include <sstream>
#include <vector>

#include "daemon/commands/checked_output.h"
#include "daemon/commands/command_tree.h"
#include "daemon/commands/session.h"
#include "daemon/commands/shell_words.h"
#include "daemon/tables/screen.h"
#include "state/records/nearest.h"

namespace lacuna::daemon {

namespace {

constexpr std::size_t kNames = 30;  ///< columns of options' and commands' names, as CLI11 has them

std::size_t columns() { return std::min(screen_columns(), kHelpColumns); }

/// Lines of prose that follow each other become one.
std::string joined(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool inside = text[i] == '\n' && i > 0 && i + 1 < text.size() && text[i - 1] != '\n' && text[i - 1] != ':';
    const std::size_t begin = out.empty() ? 0 : out.rfind('\n') + 1;
    const bool prose = begin < out.size() && out[begin] != ' ';
    out += inside && prose && text[i + 1] != '\n' && text[i + 1] != ' ' ? ' ' : text[i];
  }
  return out;
}

std::string beside_names(const std::string& text) { return wrapped(text, columns() - kNames); }

std::vector<std::string> options_of(const CommandNode& command) {
  std::vector<std::string> out;
  for (const CommandOption& option : command.options) out.insert(out.end(), option.names.begin(), option.names.end());
  return out;
}

std::vector<std::string> commands_of(const CommandNode& command) {
  std::vector<std::string> out;
  for (const CommandNode& below : command.commands) out.push_back(below.name);
  return out;
}

std::string list_of(const std::vector<std::string>& commands) {
  std::string out = "; there are ";
  for (const std::string& command : commands) out += (&command == &commands.front() ? "" : ", ") + command;
  return out;
}

/// What is wrong with the first word that `app` does not know; nothing: it knows them all.
std::string unknown_word(const CLI::App& app) {
  const std::vector<std::string> words = app.remaining();
  if (words.empty()) return {};
  const std::string word = words.front().substr(0, words.front().find('='));
  if (word.starts_with('-'))
    return "there is no option " + word + (word.size() > 2 ? did_you_mean(word, options_of(command_tree(app))) : "");
  const std::vector<std::string> commands = commands_of(command_tree(app));
  if (commands.empty()) return "what is '" + word + "' for? It takes no further word";
  const std::string near = did_you_mean(word, commands);
  return "there is no command '" + word + "'" + (near.empty() ? list_of(commands) : near);
}

}  // namespace

std::string HelpFormatter::make_help(const CLI::App* app, std::string name, CLI::AppFormatMode mode) const {
  // Lists and examples go on under themselves, prose does not.
  std::string out;
  std::istringstream help(Formatter::make_help(app, std::move(name), mode));
  bool blank = false;
  for (std::string line; std::getline(help, line); blank = line.empty()) {
    if (!blank || !line.empty()) out += wrapped(line + "\n", columns(), line.starts_with(' ') ? 4 : 0);
  }
  return out;
}
std::string HelpFormatter::make_footer(const CLI::App* app) const {
  const std::string text = app->get_footer();
  return text.empty() ? "" : joined(text) + "\n";
}
std::string HelpFormatter::make_description(const CLI::App* app) const { return joined(Formatter::make_description(app)); }
std::string HelpFormatter::make_subcommand(const CLI::App* sub) const {
  std::string name = "  " + sub->get_name();
  name.resize(std::max(name.size() + 2, kNames), ' ');
  std::string text = beside_names(sub->get_description());
  for (std::size_t at = text.find('\n'); at != std::string::npos; at = text.find('\n', at + 1)) text.insert(at + 1, kNames, ' ');
  return name + text + "\n";
}
std::string HelpFormatter::make_option_desc(const CLI::Option* option) const { return beside_names(Formatter::make_option_desc(option)); }

int explain_arguments(const CLI::App& app, const CLI::ParseError& error) {
  if (error.get_exit_code() == 0) return app.exit(error, standard_output(), std::cerr);
  const CLI::App* asked = &app;
  while (!asked->get_subcommands().empty()) asked = asked->get_subcommands().front();
  std::string what = unknown_word(*asked);
  const std::vector<std::string> commands = commands_of(command_tree(*asked));
  if (what.empty()) what = commands.empty() ? error.what() : "which command?" + list_of(commands).substr(1);
  const std::string path = command_tree(*asked).path;
  const std::string again = program() + path.substr(std::min(path.size(), app.get_name().size()));
  std::cerr << wrapped(path + ": " + what + "\n" + "`" + again + " --help` says what it takes.\n", screen_columns(), 2);
  return kExitConfiguration;
}

}  // namespace lacuna::daemon
