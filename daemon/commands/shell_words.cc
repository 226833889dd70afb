#include "daemon/commands/shell_words.h"

namespace lacuna::daemon {

namespace {

std::string& started() {
  static std::string name = "lacuna";
  return name;
}

}  // namespace

std::string shell_word(const std::string& text) {
  constexpr const char* kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./,+:@%=";
  if (!text.empty() && text.find_first_not_of(kPlain) == std::string::npos) return text;
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

void set_program(const std::string& started_as) {
  // Without a slash the shell found it on PATH, and will again.
  started() = started_as.find('/') == std::string::npos ? "lacuna" : shell_word(started_as);
}

const std::string& program() { return started(); }

std::string typed_command(const std::vector<std::string>& words, std::size_t columns) {
  constexpr std::size_t kRoomForBackslash = 2;
  std::string whole = "  " + program(), broken = whole;
  std::size_t line = whole.size();
  for (const std::string& word : words) {
    const std::string quoted = shell_word(word);
    whole += " " + quoted;
    if (line + 1 + quoted.size() + kRoomForBackslash > columns && line > 6) {
      broken += " \\\n      " + quoted;
      line = 6 + quoted.size();
    } else {
      broken += " " + quoted;
      line += 1 + quoted.size();
    }
  }
  return (whole.size() <= columns ? whole : broken) + "\n";
}

}  // namespace lacuna::daemon
