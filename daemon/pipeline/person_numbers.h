#pragma once

#include <cstdint>

#include "state/store.h"

namespace lacuna::daemon {

/// What the number of a person who begins in this partition is at least (state::PersonState::begun): how far the store has read all topics
/// of that partition, together. So it is above the number of everybody who began there and was forgotten in a batch that has reached the
/// store, through whichever of the topics either came; an offset of one topic says nothing of another's.
Result<std::uint64_t> person_number(const state::Store& store, std::int32_t partition);

}  // namespace lacuna::daemon
