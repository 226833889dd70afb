#include "state/replay_owners.h"

namespace lacuna::state {

void ReplayOwners::set(Slot slot, std::optional<std::uint64_t> owner) {
  const auto at = owners_.find(slot);
  if (at != owners_.end()) {
    if (owner == at->second) return;
    const auto held = slots_.find(at->second);
    std::erase(held->second, slot);
    if (held->second.empty()) slots_.erase(held);
    if (!owner) owners_.erase(at);
  }
  if (!owner) return;
  owners_[slot] = *owner;
  slots_[*owner].push_back(slot);
}

std::optional<std::uint64_t> ReplayOwners::of(Slot slot) const {
  const auto at = owners_.find(slot);
  return at == owners_.end() ? std::nullopt : std::optional(at->second);
}

std::vector<Slot> ReplayOwners::slots(std::uint64_t owner) const {
  const auto held = slots_.find(owner);
  return held == slots_.end() ? std::vector<Slot>() : held->second;
}

}  // namespace lacuna::state
