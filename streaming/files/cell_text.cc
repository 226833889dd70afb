#include "streaming/files/cell_text.h"

#include <charconv>
#include <string>

namespace lacuna::streaming {

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool read_plain_number(std::string_view text, double& out) {
  const auto end = std::from_chars(text.data(), text.data() + text.size(), out);
  return end.ec == std::errc() && end.ptr == text.data() + text.size();
}

bool read_number(std::string_view text, char decimal, double& out) {
  if (decimal == '.') return read_plain_number(text, out);
  const std::size_t comma = text.find(',');
  const std::string_view whole = text.substr(0, comma);
  std::string plain;
  std::size_t digits = 0;  // since the last point
  bool grouped = false;
  for (const char c : whole) {
    if (c != '.') {
      digits += c >= '0' && c <= '9' ? 1 : 0;
      plain += c;
      continue;
    }
    if (digits == 0 || digits > 3 || (grouped && digits != 3)) return false;
    grouped = true;
    digits = 0;
  }
  if (grouped && digits != 3) return false;
  if (comma != std::string_view::npos) {
    const std::string_view fraction = text.substr(comma + 1);
    if (fraction.empty() || fraction.find_first_of(".,") != std::string_view::npos) return false;
    plain.append(".").append(fraction);
  }
  return read_plain_number(plain, out);
}

bool is_same_number(std::string_view a, std::string_view b) {
  double x = 0, y = 0;
  return read_plain_number(a, x) && read_plain_number(b, y) && x == y;
}

}  // namespace lacuna::streaming
