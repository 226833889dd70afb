#include "daemon/tables/text_table.h"

#include <algorithm>
#include <numeric>

namespace lacuna::daemon {

namespace {

using Row = std::vector<std::string>;

constexpr std::size_t kGap = 2;
constexpr const char* kSigns = "._/";  ///< a name goes on behind one of them
constexpr std::size_t kWordMax = 24;   ///< a longer one is broken anywhere
constexpr std::size_t kTextMin = 12;   ///< a column of texts is broken to no fewer places

/// A cell as lines of at most `width` places. A name goes on behind a sign where it has one.
std::vector<std::string> broken(std::string text, std::size_t width) {
  std::vector<std::string> out;
  while (width_of(text) > width) {
    std::size_t room = 0;
    for (std::size_t seen = 0; room < text.size(); ++room) {
      if ((static_cast<unsigned char>(text[room]) & 0xc0) != 0x80 && ++seen > width) break;
    }
    const std::size_t space = text.rfind(' ', room), sign = text.find_last_of(kSigns, room - 1);
    std::size_t end = room;
    if (space != std::string::npos && space > 0) end = space;
    else if (sign != std::string::npos && sign > 0) end = sign + 1;
    out.push_back(text.substr(0, end));
    text.erase(0, std::min(text.find_first_not_of(' ', end), text.size()));
  }
  out.push_back(std::move(text));
  return out;
}

/// One table, all of it in the columns `shown`.
std::string block(const std::vector<Row>& rows, std::string_view alignment, const std::vector<std::size_t>& widths,
                  const std::vector<std::size_t>& shown) {
  std::string out;
  for (const Row& row : rows) {
    std::vector<std::vector<std::string>> cells;
    std::size_t height = 1;
    for (const std::size_t c : shown) {
      if (c >= row.size()) break;
      cells.push_back(broken(row[c], widths[c]));
      height = std::max(height, cells.back().size());
    }
    for (std::size_t h = 0; h < height; ++h) {
      std::string line;
      for (std::size_t i = 0; i < cells.size(); ++i) {
        if (i > 0) line.append(kGap, ' ');
        const std::string text = h < cells[i].size() ? cells[i][h] : "";
        const std::string gap(widths[shown[i]] - width_of(text), ' ');
        line += alignment[std::min(shown[i], alignment.size() - 1)] == 'l' ? text + gap : gap + text;
      }
      line.erase(line.find_last_not_of(' ') + 1);
      out += line + "\n";
    }
  }
  return out;
}

std::size_t total(const std::vector<std::size_t>& widths) {
  return std::accumulate(widths.begin(), widths.end(), kGap * (widths.size() - 1));
}

/// How narrow a text may become without a break where there is no space and no sign.
std::size_t narrowest(std::string_view text) {
  std::size_t out = kTextMin, word = 0;
  for (const char c : text) {
    word = c == ' ' ? 0 : word + 1;
    out = std::max(out, std::min(word, kWordMax));
    if (std::string_view(kSigns).find(c) != std::string_view::npos) word = 0;
  }
  return out;
}

/// Takes from the widest column of texts until all fit, or none has more to give.
void narrow(const std::vector<Row>& rows, std::vector<std::size_t>& widths, std::string_view alignment, std::size_t columns) {
  std::vector<std::size_t> least(widths.size(), kTextMin);
  for (const Row& row : rows) {
    for (std::size_t c = 0; c < row.size(); ++c) least[c] = std::max(least[c], narrowest(row[c]));
  }
  while (total(widths) > columns) {
    std::size_t widest = widths.size();
    for (std::size_t c = 0; c < widths.size(); ++c) {
      const bool text = alignment[std::min(c, alignment.size() - 1)] == 'l' && widths[c] > least[c];
      if (text && (widest == widths.size() || widths[c] > widths[widest])) widest = c;
    }
    if (widest == widths.size()) return;
    widths[widest] -= 1;
  }
}

}  // namespace

std::string text_table(std::vector<Row> rows, std::string_view alignment, std::size_t columns) {
  std::vector<std::size_t> widths;
  for (Row& row : rows) {
    if (row.size() > widths.size()) widths.resize(row.size());
    for (std::size_t i = 0; i < row.size(); ++i) {
      for (char& c : row[i]) {
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '.';
      }
      widths[i] = std::max(widths[i], width_of(row[i]));
    }
  }
  if (widths.empty()) return {};
  narrow(rows, widths, alignment, columns);
  if (widths.size() > 1 && total(widths) > columns) widths[0] = std::min(widths[0], columns / 2);
  for (std::size_t c = 0; c < widths.size(); ++c) widths[c] = std::min(widths[c], columns - (c == 0 ? 0 : widths[0] + kGap));
  std::string out;
  for (std::size_t next = 1; next <= widths.size();) {
    std::vector<std::size_t> shown{0};
    std::size_t used = widths[0];
    for (; next < widths.size() && used + kGap + widths[next] <= columns; ++next) {
      used += kGap + widths[next];
      shown.push_back(next);
    }
    out += (out.empty() ? "" : "\n") + block(rows, alignment, widths, shown);
    if (next >= widths.size()) break;
  }
  return out;
}

}  // namespace lacuna::daemon
