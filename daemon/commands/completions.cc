#include "daemon/commands/completions.h"

#include <algorithm>

namespace lacuna::daemon {

namespace {

using Value = CommandOption::Value;

std::string joined(const std::vector<std::string>& words, const std::string& between) {
  std::string out;
  for (const std::string& word : words) out += (&word == &words.front() ? "" : between) + word;
  return out;
}

/// Of a help text its first line; a list of candidates has one line for each.
std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

/// In the single quotes of bash and zsh.
std::string quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

/// Every command but the program itself.
std::vector<const CommandNode*> below(const CommandNode& root) {
  std::vector<const CommandNode*> out = all_commands(root);
  out.erase(out.begin());
  return out;
}

/// `'lacuna run' | 'lacuna alerts list'`: what leads from one command to the next.
std::string steps(const CommandNode& root, const std::string& between) {
  std::vector<std::string> out;
  for (const CommandNode* command : below(root)) out.push_back(quoted(command->path));
  return joined(out, between);
}

std::string bash_values(const CommandNode& command) {
  std::string out;
  for (const CommandOption& option : command.options) {
    if (option.value == Value::none) continue;
    std::vector<std::string> patterns;
    for (const std::string& name : option.names) patterns.push_back(quoted(command.path + " " + name));
    // Without words of its own: what readline does by itself, which is files.
    out += "    " + joined(patterns, " | ") + ") words=" + quoted(joined(option.choices, " ")) + " value=1 ;;\n";
  }
  return out;
}

std::string bash_words(const CommandNode& command) {
  std::vector<std::string> options, words;
  for (const CommandOption& option : command.options) options.insert(options.end(), option.names.begin(), option.names.end());
  for (const CommandNode& next : command.commands) words.push_back(next.name);
  for (const CommandOption& positional : command.positionals)
    words.insert(words.end(), positional.choices.begin(), positional.choices.end());
  // Where nothing but an option can follow, options are offered without a dash typed.
  if (words.empty() && command.positionals.empty()) words = options;
  return "    " + quoted(command.path) + ") options=" + quoted(joined(options, " ")) + " words=" + quoted(joined(words, " ")) + " ;;\n";
}

std::string zsh_function(const CommandNode& command) {
  std::string out = "_" + command.path;
  std::ranges::replace(out, ' ', '_');
  std::ranges::replace(out, '-', '_');
  return out;
}

std::string zsh_text(const std::string& text, const std::string& special) {
  std::string out;
  for (const char c : text) out += (special.find(c) != std::string::npos ? "\\" : "") + std::string(1, c);
  return out;
}

std::string zsh_value(const CommandOption& option) {
  if (option.value == Value::none) return "";
  if (!option.choices.empty()) return ":value:(" + joined(option.choices, " ") + ")";
  switch (option.value) {
    case Value::number: return ":number: ";
    case Value::folder: return ":folder:_files -/";
    default: return ":value:_files";
  }
}

std::string zsh_specs(const CommandNode& command) {
  std::string out;
  for (const CommandOption& option : command.options) {
    const std::string others = option.repeated ? "*" : "(" + joined(option.names, " ") + ")";
    for (const std::string& name : option.names) {
      const bool takes_equals = option.value != Value::none && name.starts_with("--");
      out += " \\\n    " +
             quoted(others + name + (takes_equals ? "=" : "") + "[" + zsh_text(first_line(option.help), "[]\\") + "]" + zsh_value(option));
    }
  }
  for (const CommandOption& positional : command.positionals) {
    out += " \\\n    " + quoted((positional.repeated ? "*" : "") + zsh_value(positional));
  }
  return out;
}

std::string zsh_command(const CommandNode& command) {
  std::string out = zsh_function(command) + "() {\n";
  if (command.commands.empty()) return out + "  _arguments -s" + zsh_specs(command) + "\n}\n";
  out += "  local state line\n  _arguments -C" + zsh_specs(command) +
         " \\\n    '1: :->command' '*:: :->arguments'\n  case $state in\n    command)\n      local -a commands=(";
  for (const CommandNode& next : command.commands)
    out += "\n        " + quoted(next.name + ":" + zsh_text(first_line(next.summary), ":\\"));
  out += ")\n      _describe command commands ;;\n    arguments)\n      case $line[1] in\n";
  for (const CommandNode& next : command.commands) out += "        " + next.name + ") " + zsh_function(next) + " ;;\n";
  return out + "      esac ;;\n  esac\n}\n";
}

std::string fish_text(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += (c == '\'' || c == '\\' ? "\\" : "") + std::string(1, c);
  return out + "'";
}

std::string fish_value(const CommandOption& option) {
  if (option.value == Value::none) return "";
  if (!option.choices.empty()) return " -x -a " + fish_text(joined(option.choices, " "));
  switch (option.value) {
    case Value::number: return " -x";
    case Value::folder: return " -x -a '(__fish_complete_directories)'";
    default: return " -r -F";
  }
}

std::string fish_command(const CommandNode& command) {
  const std::string here = "complete -c lacuna -n " + fish_text("__lacuna_at " + command.path);
  std::string out;
  const bool files = std::ranges::any_of(command.positionals, [](const CommandOption& p) { return p.choices.empty(); });
  if (!files) out += here + " -f\n";
  for (const CommandNode& next : command.commands)
    out += here + " -f -a " + next.name + " -d " + fish_text(first_line(next.summary)) + "\n";
  for (const CommandOption& positional : command.positionals) {
    if (!positional.choices.empty()) out += here + " -f -a " + fish_text(joined(positional.choices, " ")) + "\n";
  }
  for (const CommandOption& option : command.options) {
    out += here;
    for (const std::string& name : option.names) out += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
    out += fish_value(option) + " -d " + fish_text(first_line(option.help)) + "\n";
  }
  return out;
}

}  // namespace

std::string bash_completion(const CommandNode& root) {
  std::string out =
      "# Completion for bash, made by `lacuna completion bash`.\n"
      "_lacuna() {\n"
      "  local at=lacuna cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} options= words= value= i\n"
      "  # --name=value comes as three words.\n"
      "  if [[ $cur == = ]]; then cur=; elif [[ $prev == = ]]; then prev=${COMP_WORDS[COMP_CWORD - 2]}; fi\n"
      "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
      "    case \"$at ${COMP_WORDS[i]}\" in\n"
      "      " +
      steps(root, " | ") +
      ") at+=\" ${COMP_WORDS[i]}\" ;;\n"
      "    esac\n"
      "  done\n"
      "  case \"$at $prev\" in\n";
  for (const CommandNode* command : all_commands(root)) out += bash_values(*command);
  out += "  esac\n  [[ -n $value ]] || case \"$at\" in\n";
  for (const CommandNode* command : all_commands(root)) out += bash_words(*command);
  return out +
         "  esac\n"
         "  [[ $cur == -* && -z $value ]] && words=$options\n"
         "  COMPREPLY=()\n"
         "  [[ -z $words ]] || mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
         "}\n"
         "complete -o default -F _lacuna lacuna\n";
}

std::string zsh_completion(const CommandNode& root) {
  std::string out = "#compdef lacuna\n# Completion for zsh, made by `lacuna completion zsh`.\n";
  for (const CommandNode* command : all_commands(root)) out += zsh_command(*command);
  // A function of $fpath is run when it is loaded; a file that is sourced is not.
  return out + "if [[ $funcstack[1] == _lacuna ]]; then _lacuna \"$@\"; else compdef _lacuna lacuna; fi\n";
}

std::string fish_completion(const CommandNode& root) {
  std::string out =
      "# Completion for fish, made by `lacuna completion fish`.\n"
      "function __lacuna_at --description 'Whether the command on the line is this one'\n"
      "  set -l at lacuna\n"
      "  for word in (commandline -opc)[2..-1]\n"
      "    switch \"$at $word\"\n"
      "      case " +
      steps(root, " ") +
      "\n"
      "        set at \"$at $word\"\n"
      "    end\n"
      "  end\n"
      "  test \"$at\" = \"$argv\"\n"
      "end\n";
  for (const CommandNode* command : all_commands(root)) out += fish_command(*command);
  return out;
}

}  // namespace lacuna::daemon
