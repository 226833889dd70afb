#include "state/patient.h"

#include <algorithm>

#include "state/records/feature_state.h"
#include "state/records/hash.h"

namespace lacuna::state {

Snapshot new_snapshot(const Schema& schema, std::string patient_id) {
  Snapshot snapshot;
  snapshot.patient_id = std::move(patient_id);
  snapshot.features.resize(schema.feature_count());
  snapshot.modalities.resize(schema.modality_count());
  snapshot.attributes.resize(schema.attributes().size());
  return snapshot;
}

Applied apply(const Schema& schema, Snapshot& snapshot, const Event& event, const SourcePosition& source, Millis late_max) {
  const std::uint64_t id = hash64(event.event_id);
  auto& ids = snapshot.recent_ids;
  if (std::find(ids.begin(), ids.end(), id) != ids.end()) return Applied::duplicate;
  if (apply_fresh(schema, snapshot, event, source, late_max) == Applied::late) return Applied::late;
  if (ids.size() >= kRecentIdsMax) ids.erase(ids.begin(), ids.end() - (kRecentIdsMax - 1));
  ids.push_back(id);
  return Applied::applied;
}

void set_attribute(Snapshot& snapshot, const AttributeValue& attribute) {
  snapshot.attributes.at(attribute.attribute) = to_float(attribute.value);
}

Applied apply_fresh(const Schema& schema, Snapshot& snapshot, const Event& event, const SourcePosition& source, Millis late_max) {
  const bool first = snapshot.event_count == 0;
  const bool behind = !first && event.time < snapshot.last_time;
  if (behind && snapshot.last_time - event.time > late_max) return Applied::late;

  snapshot.first_time = first ? event.time : std::min(snapshot.first_time, event.time);
  snapshot.last_time = first ? event.time : std::max(snapshot.last_time, event.time);
  snapshot.event_count += 1;
  // A batch is applied in the order of clinical times, not of the log.
  const bool one_partition = snapshot.source.topic == source.topic && snapshot.source.partition == source.partition;
  if (!one_partition || snapshot.source < source) snapshot.source = source;
  if (!event.site.empty() && (!behind || snapshot.site.empty())) snapshot.site = event.site;
  if (!event.stay_site.empty() && !behind) snapshot.site = event.stay_site;

  // at(): an index that is not the schema's is a fault of the caller, and must not become a write to foreign memory.
  for (const AttributeValue& a : event.attributes) {
    if (!behind || !snapshot.attributes.at(a.attribute)) set_attribute(snapshot, a);
  }
  if (event.modality != kNoModality) {
    ModalityState& modality = snapshot.modalities.at(event.modality);
    // Between two of the same time the one that came later counts, as with values.
    const bool newest = modality.count == 0 || event.time >= modality.last_time;
    if (newest) modality.payload = event.payload;
    if (newest) modality.last_time = event.time;
    modality.count += 1;
  }
  for (const FeatureValue& v : event.values) {
    apply_value(schema.features().at(v.feature).likelihood, snapshot.features.at(v.feature), v.value, event.time, v.comparator);
  }
  return Applied::applied;
}

}  // namespace lacuna::state
