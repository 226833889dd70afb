#include "daemon/tables/text_table.h"

#include <algorithm>

namespace lacuna::daemon {

namespace {

/// In characters, as far as each takes one place.
std::size_t width_of(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

}  // namespace

std::string text_table(std::vector<std::vector<std::string>> rows, std::string_view alignment) {
  std::vector<std::size_t> widths;
  for (auto& row : rows) {
    if (row.size() > widths.size()) widths.resize(row.size());
    for (std::size_t i = 0; i < row.size(); ++i) {
      for (char& c : row[i]) {
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '.';
      }
      widths[i] = std::max(widths[i], width_of(row[i]));
    }
  }
  std::string out;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (i > 0) line += "  ";
      const std::string gap(widths[i] - width_of(row[i]), ' ');
      line += alignment[std::min(i, alignment.size() - 1)] == 'l' ? row[i] + gap : gap + row[i];
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  }
  return out;
}

}  // namespace lacuna::daemon
