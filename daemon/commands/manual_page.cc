#include "daemon/commands/manual_page.h"

#include <algorithm>
#include <cctype>
#include <sstream>

namespace lacuna::daemon {

namespace {

std::string upper(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return text;
}

/// Characters that are to be typed stay what they are: roff would make typographic ones of them.
std::string escaped(const std::string& text) {
  std::string out = text.starts_with('.') || text.starts_with('\'') ? "\\&" : "";
  for (const char c : text) {
    switch (c) {
      case '\\': out += "\\e"; break;
      case '-': out += "\\-"; break;
      case '`': out += "\\(ga"; break;
      case '\'': out += "\\(aq"; break;
      case '^': out += "\\(ha"; break;
      case '~': out += "\\(ti"; break;
      case '\n': out += ' '; break;
      default: out += c;
    }
  }
  return out;
}

std::string bold(const std::string& text) { return "\\fB" + escaped(text) + "\\fR"; }
std::string reference(const CommandNode& command) { return bold(page_name(command)) + "(1)"; }

/// As it is typed: "lacuna check [OPTIONS]".
std::string synopsis(const CommandNode& command) {
  std::string out = bold(command.path) + " [\\fIOPTIONS\\fR]";
  for (const CommandOption& positional : command.positionals) {
    out += " \\fI" + escaped(positional.names.front()) + "\\fR" + (positional.repeated ? " ..." : "");
  }
  return out + (command.commands.empty() ? "" : " \\fICOMMAND\\fR ...") + "\n";
}

std::string listed(const std::vector<CommandOption>& options) {
  std::string out;
  for (const CommandOption& option : options) {
    std::string names;
    for (const std::string& name : option.names) names += (names.empty() ? "" : ", ") + bold(name);
    out += ".TP\n" + names + (option.takes.empty() ? "" : " " + escaped(option.takes)) + "\n" + escaped(option.help) + "\n";
  }
  return out;
}

/// Prose is filled; lines that begin with a space stay as they are. A line that ends with a colon and heads such lines is a section.
std::string sections(const std::string& footer) {
  std::vector<std::string> lines;
  std::istringstream in(footer);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  std::string out;
  bool as_it_is = false, begun = false;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const std::string& line = lines[i];
    const bool indented = line.starts_with(' ');
    if (as_it_is && !indented) out += ".fi\n";
    if (line.empty()) {
      begun = false;
    } else if (indented) {
      out += (as_it_is ? "" : ".nf\n") + escaped(line) + "\n";
    } else if (!begun && line.ends_with(':') && i + 1 < lines.size() && lines[i + 1].starts_with(' ')) {
      out += ".SH \"" + upper(escaped(line.substr(0, line.size() - 1))) + "\"\n";
    } else {
      out += (begun ? "" : ".PP\n") + escaped(line) + "\n";
      begun = true;
    }
    as_it_is = indented;
  }
  return out + (as_it_is ? ".fi\n" : "");
}

std::string commands_section(const CommandNode& command) {
  if (command.commands.empty()) return "";
  std::string out = ".SH COMMANDS\n";
  for (const CommandNode& below : command.commands) out += ".TP\n" + reference(below) + "\n" + escaped(below.summary) + "\n";
  return out;
}

/// Of "lacuna alerts list": lacuna(1) and lacuna-alerts(1).
std::string see_also(const CommandNode& command) {
  std::string out;
  for (std::size_t at = command.path.find(' '); at != std::string::npos; at = command.path.find(' ', at + 1)) {
    CommandNode above;
    above.path = command.path.substr(0, at);
    out += (out.empty() ? ".SH \"SEE ALSO\"\n" : ",\n") + reference(above);
  }
  return out.empty() ? "" : out + "\n";
}

}  // namespace

std::string page_name(const CommandNode& command) {
  std::string out = command.path;
  std::ranges::replace(out, ' ', '-');
  return out;
}

std::string manual_page(const CommandNode& command, const std::string& version) {
  // What whatis(1) shows is one line: the first of a text of several.
  std::string title = command.summary.substr(0, command.summary.find('\n'));
  const std::string rest = command.summary.size() > title.size() ? command.summary.substr(title.size() + 1) : "";
  if (title.starts_with("Lacuna: ")) title.erase(0, 8);
  if (title.ends_with('.')) title.pop_back();
  std::string out = ".\\\" Made by `lacuna man` from what `" + command.path + " --help` is made of.\n";
  out += ".TH " + upper(escaped(page_name(command))) + " 1 \"\" \"Lacuna " + escaped(version) + "\" \"Lacuna\"\n";
  out += ".SH NAME\n" + escaped(page_name(command)) + " \\- " + escaped(title) + "\n";
  out += ".SH SYNOPSIS\n" + synopsis(command);
  const std::string prose = sections(rest + (rest.empty() ? "" : "\n\n") + command.footer);
  // What begins with a heading of its own is no description.
  const std::size_t heading = prose.starts_with(".SH") ? 0 : prose.find("\n.SH");
  const std::size_t end = heading == std::string::npos ? prose.size() : heading == 0 ? 0 : heading + 1;
  if (end > 0) out += ".SH DESCRIPTION\n" + prose.substr(0, end);
  out += commands_section(command);
  if (!command.positionals.empty()) out += ".SH ARGUMENTS\n" + listed(command.positionals);
  if (!command.options.empty()) out += ".SH OPTIONS\n" + listed(command.options);
  return out + prose.substr(end) + see_also(command);
}

}  // namespace lacuna::daemon
