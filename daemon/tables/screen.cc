#include "daemon/tables/screen.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>

namespace lacuna::daemon {

namespace {

constexpr std::size_t kColumnsMin = 40;

bool continues_character(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

/// Bytes of the first `columns` characters.
std::size_t bytes_of(std::string_view text, std::size_t columns) {
  std::size_t at = 0;
  for (std::size_t seen = 0; at < text.size(); ++at) {
    if (!continues_character(text[at]) && ++seen > columns) break;
  }
  return at;
}

void wrap_line(std::string_view line, std::size_t columns, std::size_t hang, std::string& out) {
  const std::size_t own = std::min(line.find_first_not_of(' '), line.size());
  const std::string indent(std::min(own + hang, columns / 2), ' ');
  bool first = true;
  while (width_of(line) > columns - (first ? 0 : indent.size())) {
    const std::size_t room = bytes_of(line, columns - (first ? 0 : indent.size()));
    const std::size_t from = first ? own : 0;
    std::size_t end = line.rfind(' ', room);
    if (end == std::string_view::npos || end <= from) end = room;
    out.append(first ? "" : indent).append(line.substr(0, line.find_last_not_of(' ', end - 1) + 1)).append("\n");
    line.remove_prefix(std::min(line.find_first_not_of(' ', end), line.size()));
    first = false;
  }
  if (first || !line.empty()) out.append(first ? "" : indent).append(line).append("\n");
}

}  // namespace

std::size_t screen_columns() {
  std::size_t columns = 0;
  if (const char* const text = std::getenv("COLUMNS")) std::from_chars(text, text + std::strlen(text), columns);
  if (winsize size{}; columns == 0 && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0) columns = size.ws_col;
  return columns == 0 ? kColumns : std::max(columns, kColumnsMin);
}

std::string wrapped(std::string_view text, std::size_t columns, std::size_t hang) {
  std::string out;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    wrap_line(text.substr(0, end), columns, hang, out);
    if (end == std::string_view::npos) {
      out.pop_back();  // it had none
      break;
    }
    text.remove_prefix(end + 1);
  }
  return out;
}

std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) { return !continues_character(c); }));
}

std::string counted(std::uint64_t count, std::string_view one, std::string_view many) {
  return std::to_string(count).append(" ").append(count == 1 ? one : many);
}

}  // namespace lacuna::daemon
