#include "daemon/pipeline/person_numbers.h"

namespace lacuna::daemon {

Result<std::uint64_t> person_number(const state::Store& store, std::int32_t partition) {
  const auto positions = store.positions();
  if (!positions.ok()) return positions.status();
  std::uint64_t out = 0;
  for (const auto& [of, position] : *positions) {
    if (of.second == partition) out += static_cast<std::uint64_t>(position.input_next);
  }
  return out;
}

}  // namespace lacuna::daemon
