#pragma once

#include <cstddef>
#include <cstdint>

#include "state/records/records.h"

namespace lacuna::model {

/// What is known of a feature or payload when it is predicted: intervals are calibrated apart for each, and it decides what is imputed.
enum class Recency : std::uint8_t { never_measured, stale, fresh };
inline constexpr std::size_t kRecencyCount = 3;

/// Stale: measured longer ago than the schema's limit.
Recency recency_of(const Schema& schema, FeatureId feature, const FeatureState& state, Time time);
Recency payload_recency_of(const Schema& schema, const Snapshot& snapshot, ModalityId modality, Time time);

}  // namespace lacuna::model
