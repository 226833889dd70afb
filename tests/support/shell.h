#pragma once

#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <map>
#include <sstream>
#include <string>

// The binary as a shell sees it. LACUNA_BINARY is its path.

namespace lacuna::testing {

struct Ran {
  int code = -1;
  std::string output;
};

/// In bash, from the tests' folder. The exit code of a pipeline is that of its first part which failed.
inline Ran bash(const std::string& script) {
  std::string quoted = "bash -c '";
  for (const char c : "set -o pipefail; " + script) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  FILE* const pipe = popen((quoted + "' </dev/null").c_str(), "r");
  Ran ran;
  std::array<char, 4096> part{};
  for (std::size_t n = 0; (n = std::fread(part.data(), 1, part.size(), pipe)) > 0;) ran.output.append(part.data(), n);
  const int status = pclose(pipe);
  ran.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return ran;
}

/// The same, with `lacuna` for the binary.
inline Ran shell(const std::string& line) { return bash("lacuna() { " LACUNA_BINARY " \"$@\"; }; " + line); }

inline std::string file(const std::string& path) {
  std::ostringstream out;
  out << std::ifstream(path).rdbuf();
  return out.str();
}

/// Of every command below `above`, and of itself, what it says on a wide screen.
inline void read_help(const std::string& above, std::map<std::string, std::string>& out) {
  const std::string& text = out[above] = shell("COLUMNS=200 lacuna " + above + " --help").output;
  std::istringstream help(text);
  bool below = false;
  for (std::string line; std::getline(help, line);) {
    if (line == "Subcommands:") {
      below = true;
    } else if (line.empty()) {
      below = false;
    } else if (below && line.size() > 2 && line[2] != ' ') {
      read_help(above + (above.empty() ? "" : " ") + line.substr(2, line.find(' ', 2) - 2), out);
    }
  }
}

/// Of each command ("" is the program, "alerts list") its --help.
inline const std::map<std::string, std::string>& all_help() {
  static const std::map<std::string, std::string> help = [] {
    std::map<std::string, std::string> out;
    read_help("", out);
    return out;
  }();
  return help;
}

}  // namespace lacuna::testing
