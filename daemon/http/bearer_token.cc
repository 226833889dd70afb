#include "daemon/http/bearer_token.h"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <fstream>

namespace lacuna::daemon {

namespace {

constexpr std::size_t kBytesMin = 16, kBytesMax = 512;

bool is_visible(unsigned char c) { return c > 0x20 && c < 0x7f; }

}  // namespace

Result<std::string> read_token(const std::string& path) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::string line(kBytesMax + 2, '\0');
  file.read(line.data(), static_cast<std::streamsize>(line.size()));
  if (!file.is_open() || file.bad()) {
    return Status(Code::invalid, "http.token_file cannot be read: " + std::string(std::strerror(errno != 0 ? errno : EIO)));
  }
  line.resize(static_cast<std::size_t>(file.gcount()));
  line.resize(std::min(line.find_first_of("\r\n"), line.size()));
  if (line.size() < kBytesMin || line.size() > kBytesMax || !std::all_of(line.begin(), line.end(), is_visible)) {
    return Status(Code::invalid, "http.token_file does not begin with a line of 16 to 512 visible characters");
  }
  return line;
}

bool same_token(std::string_view expected, std::string_view given) {
  // Over a fixed length: how long the token is stays unknown too.
  unsigned char difference = expected.size() == given.size() ? 0 : 1;
  for (std::size_t i = 0; i < kBytesMax; ++i) {
    const unsigned char a = i < expected.size() ? static_cast<unsigned char>(expected[i]) : 0;
    const unsigned char b = i < given.size() ? static_cast<unsigned char>(given[i]) : 0;
    difference = static_cast<unsigned char>(difference | (a ^ b));
  }
  return difference == 0;
}

std::string_view bearer_of(std::string_view authorization) {
  constexpr std::string_view scheme = "bearer ";
  const bool fits =
      authorization.size() > scheme.size() && std::equal(scheme.begin(), scheme.end(), authorization.begin(),
                                                         [](char a, char b) { return a == std::tolower(static_cast<unsigned char>(b)); });
  return fits ? authorization.substr(scheme.size()) : std::string_view();
}

}  // namespace lacuna::daemon
