#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <unordered_map>
#include <vector>

#include "state/replay_buffer.h"

namespace lacuna::state {

/// Whose example lies in which slot, both ways; patients by patient_key(). Plain value, no I/O; about 100 bytes a slot.
class ReplayOwners {
 public:
  /// Without an owner the slot is empty.
  void set(Slot slot, std::optional<std::uint64_t> owner);
  std::optional<std::uint64_t> of(Slot slot) const;
  /// In no order.
  std::vector<Slot> slots(std::uint64_t owner) const;
  std::size_t size() const { return owners_.size(); }

 private:
  std::map<Slot, std::uint64_t> owners_;
  std::unordered_map<std::uint64_t, std::vector<Slot>> slots_;  ///< none empty
};

}  // namespace lacuna::state
