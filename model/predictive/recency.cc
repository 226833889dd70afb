#include "model/predictive/recency.h"

namespace lacuna::model {

Recency recency_of(const Schema& schema, FeatureId feature, const FeatureState& state, Time time) {
  if (state.count == 0) return Recency::never_measured;
  return time - state.time > schema.stale_after(feature) ? Recency::stale : Recency::fresh;
}

Recency payload_recency_of(const Schema& schema, const Snapshot& snapshot, ModalityId modality, Time time) {
  const ModalityState& known = snapshot.modalities[modality];
  if (!known.payload) return Recency::never_measured;
  return time - known.last_time > schema.modalities()[modality].stale_after ? Recency::stale : Recency::fresh;
}

}  // namespace lacuna::model
