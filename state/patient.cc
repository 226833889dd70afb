#include "state/patient.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "state/records/hash.h"
#include "state/records/scale.h"

namespace lacuna::state {

namespace {

constexpr double kShortHours = 2;
constexpr double kLongHours = 24;
constexpr double kSlopeHours = 6;

// A float holds the summaries; a value beyond its range (the schema may allow any) must not become infinite there.
float to_float(double x) {
  constexpr double kMax = std::numeric_limits<float>::max();
  return static_cast<float>(std::clamp(x, -kMax, kMax));
}

// Moves an exponential mean towards `x`, which came `hours` after the value before it. With irregular sampling the old
// mean keeps exp(-hours / tau), so that what counts is elapsed time and not how often somebody measured.
float follow(float mean, double x, double hours, double tau) {
  const double kept = std::exp(-hours / tau);
  return to_float(kept * mean + (1 - kept) * x);
}

}  // namespace

void apply_value(Likelihood likelihood, FeatureState& state, double value, Time time) {
  const double x = to_scale(likelihood, value);
  const bool first = state.count == 0;
  // A correction of the only value there ever was restarts the summaries; of a later one it changes `last` alone, since
  // what the corrected value did to the means can no longer be told apart.
  const bool only_one = state.count == 1 && time == state.time;
  if (state.count < std::numeric_limits<std::uint32_t>::max()) ++state.count;
  if (first || only_one) {
    state.mean_short = state.mean_long = state.previous = to_float(x);
    state.slope = 0;
  } else if (time < state.time) {
    return;
  } else if (time > state.time) {
    const double hours = hours_between(state.time, time);
    const double before = to_scale(likelihood, state.last);
    state.mean_short = follow(state.mean_short, x, hours, kShortHours);
    state.mean_long = follow(state.mean_long, x, hours, kLongHours);
    // The rate is weighted by the time over which it held, so two values a second apart cannot make a spike.
    state.slope = follow(state.slope, (x - before) / hours, hours, kSlopeHours);
    state.previous = to_float(before);
  }
  state.last = value;
  state.time = time;
}

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
    apply_value(schema.features().at(v.feature).likelihood, snapshot.features.at(v.feature), v.value, event.time);
  }
  return Applied::applied;
}

}  // namespace lacuna::state
