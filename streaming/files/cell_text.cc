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

namespace {

/// "1.080" is a thousand and eighty; "0.5" and "10.80" are none of these numbers.
bool join_groups(std::string_view whole, std::string& out) {
  if (whole.find('.') == std::string_view::npos) {
    out = whole;
    return true;
  }
  std::size_t digits = 0;  // since the last point
  bool grouped = false;
  for (std::size_t i = 0; i < whole.size(); ++i) {
    const char c = whole[i];
    if (c == '-' && i == 0) {
      out += c;
    } else if (c >= '0' && c <= '9') {
      if (c == '0' && digits == 0 && !grouped) return false;
      out += c;
      ++digits;
    } else if (c == '.' && digits > 0 && digits <= 3 && (!grouped || digits == 3)) {
      grouped = true;
      digits = 0;
    } else {
      return false;
    }
  }
  return digits == 3;
}

}  // namespace

bool read_number(std::string_view text, char decimal, double& out) {
  if (decimal == '.') return read_plain_number(text, out);
  const std::size_t comma = text.find(',');
  std::string plain;
  if (!join_groups(text.substr(0, comma), plain)) return false;
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
