#pragma once

#include <optional>

#include "state/records/payload.h"
#include "state/records/schema.h"
#include "streaming/messages/schema_index.h"

namespace lacuna::streaming {

/// A payload of numbers against its modality's range. Its mark for what was not measured is a gap, even where it lies in the range. Private
/// to streaming/.
std::optional<ValueProblem> hold_against(const Modality& modality, Payload& payload);

}  // namespace lacuna::streaming
