#include "streaming/files/cell_text.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <vector>

namespace lacuna::streaming {

namespace {

// Seen as nothing, and left by spreadsheets, web pages and files that were put behind one another: spaces that do not break, marks of
// byte order and of width zero.
constexpr std::string_view kBlanks[] = {" ", "\t", "\u00a0", "\u202f", "\u2007", "\u2009", "\ufeff", "\u200b"};
// Between groups of three digits, whatever parts the fraction.
constexpr std::string_view kGroupSigns[] = {" ", "\u00a0", "\u202f", "\u2009", "'", "\u2019"};
constexpr std::string_view kMinusSigns[] = {"-", "\u2212", "\u2013"};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool may_be_blank(char c) { return c == ' ' || c == '\t' || static_cast<unsigned char>(c) >= 0x80; }

}  // namespace

std::string_view trim(std::string_view text) {
  while (!text.empty() && may_be_blank(text.front())) {
    const auto blank = std::ranges::find_if(kBlanks, [&](std::string_view b) { return text.starts_with(b); });
    if (blank == std::end(kBlanks)) break;
    text.remove_prefix(blank->size());
  }
  while (!text.empty() && may_be_blank(text.back())) {
    const auto blank = std::ranges::find_if(kBlanks, [&](std::string_view b) { return text.ends_with(b); });
    if (blank == std::end(kBlanks)) break;
    text.remove_suffix(blank->size());
  }
  return text;
}

bool is_whole_row(const std::vector<std::string_view>& cells, std::size_t names) {
  if (cells.size() < names) return false;
  return std::all_of(cells.begin() + static_cast<std::ptrdiff_t>(names), cells.end(), [](std::string_view c) { return trim(c).empty(); });
}

bool read_plain_number(std::string_view text, double& out) {
  if (text.size() > 1 && text.front() == '+' && (is_digit(text[1]) || text[1] == '.')) text.remove_prefix(1);
  const auto end = std::from_chars(text.data(), text.data() + text.size(), out);
  return end.ec == std::errc() && end.ptr == text.data() + text.size();
}

std::size_t sign_size(std::string_view text) {
  if (text.starts_with('+')) return 1;
  const auto minus = std::ranges::find_if(kMinusSigns, [&](std::string_view m) { return text.starts_with(m); });
  return minus == std::end(kMinusSigns) ? 0 : minus->size();
}

namespace {

/// Digits in groups that one and the same sign parts: of three, or as in India of two with three at the end ("1,50,000"). How many signs
/// there were; empty: none of these, as "0 500" and "10.80".
std::optional<std::size_t> join_groups(std::string_view whole, std::string_view sign, std::string& out) {
  std::vector<std::size_t> groups{0};  // how many digits each has
  while (!whole.empty()) {
    if (is_digit(whole.front())) {
      out += whole.front();
      ++groups.back();
      whole.remove_prefix(1);
      continue;
    }
    if (sign.empty()) {
      const auto found = std::ranges::find_if(kGroupSigns, [&](std::string_view s) { return whole.starts_with(s); });
      if (found == std::end(kGroupSigns)) return std::nullopt;
      sign = *found;
    }
    if (!whole.starts_with(sign)) return std::nullopt;
    groups.push_back(0);
    whole.remove_prefix(sign.size());
  }
  if (groups.size() == 1) return 0;
  const std::size_t size = sign == "," && groups.size() > 2 && groups[1] == 2 ? 2 : 3;
  const bool whole_groups = std::all_of(groups.begin() + 1, groups.end() - 1, [size](std::size_t g) { return g == size; });
  if (!whole_groups || groups.back() != 3 || groups.front() == 0 || groups.front() > size || out.front() == '0') return std::nullopt;
  return groups.size() - 1;
}

}  // namespace

bool read_number(std::string_view text, char decimal, double& out) {
  const bool comma = decimal == ',';
  if (!comma && read_plain_number(text, out)) return true;
  const std::size_t sign = sign_size(text);
  std::string plain = sign > 0 && text.front() != '+' ? "-" : "";
  text.remove_prefix(sign);
  const std::size_t end = std::min(text.find_first_of(comma ? ",eE" : ".eE"), text.size());
  const std::string_view whole = text.substr(0, end), rest = text.substr(end);
  const std::string_view other = comma ? "." : ",";
  const bool others = whole.find(other) != std::string_view::npos;
  std::string digits;
  const auto groups = join_groups(whole, others ? other : std::string_view(), digits);
  if (!groups) return false;
  // One comma may part a fraction, for all that a mapping with a point says: "1,250" stays unread unless commas are said to group.
  if (others && decimal == '.' && *groups == 1 && !rest.starts_with('.')) return false;
  if (rest.starts_with(comma ? ',' : '.') && (rest.size() == 1 || !is_digit(rest[1])) && (comma || digits.empty())) return false;
  plain += digits;
  if (rest.starts_with(',')) plain.append(".").append(rest.substr(1));
  else plain.append(rest);
  return (!plain.empty() && plain.back() != '-') && read_plain_number(plain, out);
}

bool split_number(std::string_view text, char decimal, double& number, std::string_view& behind) {
  behind = {};
  if (read_number(text, decimal, number)) return true;
  const std::size_t end = text.find_first_not_of("0123456789.,+-", sign_size(text));
  if (end == std::string_view::npos || !read_number(text.substr(0, end), decimal, number)) return false;
  behind = trim(text.substr(end));
  return !behind.empty();
}

bool is_same_number(std::string_view a, std::string_view b) {
  double x = 0, y = 0;
  return read_plain_number(a, x) && read_plain_number(b, y) && x == y;
}

}  // namespace lacuna::streaming
