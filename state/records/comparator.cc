#include "state/records/comparator.h"

#include <algorithm>
#include <array>

namespace lacuna {

namespace {

constexpr std::array<std::string_view, 5> kNames = {"", "<", "<=", ">=", ">"};

}  // namespace

std::string_view to_string(Comparator c) { return kNames[static_cast<std::size_t>(c)]; }

std::optional<Comparator> parse_comparator(std::string_view text) {
  const auto at = std::find(kNames.begin() + 1, kNames.end(), text);
  if (at == kNames.end()) return std::nullopt;
  return static_cast<Comparator>(at - kNames.begin());
}

}  // namespace lacuna
