#include "state/records/person_key.h"

#include <algorithm>

namespace lacuna {

namespace {
constexpr char kSeparator = '|';
}

bool is_namespace(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
  });
}

std::string person_key(std::string_view name_space, std::string_view id) {
  if (name_space.empty() && id.find(kSeparator) == std::string_view::npos) return std::string(id);
  std::string key;
  key.reserve(name_space.size() + 1 + id.size());
  return key.append(name_space).append(1, kSeparator).append(id);
}

Person split_person_key(std::string_view key) {
  const std::size_t separator = key.find(kSeparator);
  if (separator == std::string_view::npos) return {{}, key};
  return {key.substr(0, separator), key.substr(separator + 1)};
}

}  // namespace lacuna
