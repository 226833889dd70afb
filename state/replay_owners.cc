#include "state/replay_owners.h"

namespace lacuna::state {

void ReplayOwners::set(Slot slot, std::optional<std::uint64_t> owner) {
  const auto at = owners_.find(slot);
  if (at != owners_.end()) {
    if (owner == at->second) return;
    const auto [begin, end] = slots_.equal_range(at->second);
    for (auto it = begin; it != end; ++it) {
      if (it->second != slot) continue;
      slots_.erase(it);
      break;
    }
    if (!owner) owners_.erase(at);
  }
  if (!owner) return;
  owners_[slot] = *owner;
  slots_.emplace(*owner, slot);
}

std::optional<std::uint64_t> ReplayOwners::of(Slot slot) const {
  const auto at = owners_.find(slot);
  return at == owners_.end() ? std::nullopt : std::optional(at->second);
}

std::vector<Slot> ReplayOwners::slots(std::uint64_t owner) const {
  std::vector<Slot> out;
  const auto [begin, end] = slots_.equal_range(owner);
  for (auto it = begin; it != end; ++it) out.push_back(it->second);
  return out;
}

}  // namespace lacuna::state
