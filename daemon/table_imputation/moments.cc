#include "daemon/table_imputation/moments.h"

#include <algorithm>

#include "state/patient.h"

namespace lacuna::daemon {

namespace {

/// A patient's events by moment, without the cells that are left out.
std::vector<std::vector<Event>> events_by_moment(const TablePatient& patient, const std::vector<CellPlace>& left_out) {
  std::vector<std::vector<Event>> out(patient.moments.size());
  for (const Event& event : patient.events) {
    const auto at = std::ranges::lower_bound(patient.moments, event.time);
    const auto moment = static_cast<std::size_t>(at - patient.moments.begin());
    Event kept = event;
    std::erase_if(kept.values, [&](const FeatureValue& v) {
      return std::binary_search(left_out.begin(), left_out.end(), CellPlace{moment, v.feature});
    });
    if (kept.values.empty() && !kept.payload) kept.modality = kNoModality;
    if (kept.modality != kNoModality || !kept.attributes.empty()) out[moment].push_back(std::move(kept));
  }
  return out;
}

void apply(const Schema& schema, Snapshot& snapshot, const Event& event) {
  (void)state::apply_fresh(schema, snapshot, event, {}, Millis::max());
}

/// From each moment what comes after it: the events in falling order, at times as far from the moment as they are, but before it.
std::vector<std::shared_ptr<const Snapshot>> seen_backwards(const Schema& schema, const TablePatient& patient,
                                                            const std::vector<std::vector<Event>>& events) {
  std::vector<std::shared_ptr<const Snapshot>> out(events.size());
  if (events.empty()) return out;
  Snapshot snapshot = state::new_snapshot(schema, patient.id);
  const Time last = patient.moments.back();
  for (std::size_t i = events.size(); i-- > 0;) {
    // Backwards, what is at t comes at 2 * last - t; seen from t that moment has to be t.
    const Time time = patient.moments[i], turned = last + (last - time);
    const Millis shift = time - turned;
    Snapshot seen = snapshot;
    seen.first_time += shift;
    seen.last_time += shift;
    for (FeatureState& f : seen.features) f.time += shift;
    for (ModalityState& m : seen.modalities) m.last_time += shift;
    out[i] = std::make_shared<const Snapshot>(std::move(seen));
    for (Event event : events[i]) {
      event.time = turned;
      apply(schema, snapshot, event);
    }
  }
  return out;
}

/// Of two at one moment the later counts, as in the snapshot.
void gather(const std::vector<Event>& events, std::vector<FeatureValue>& values, std::vector<PayloadValue>& payloads) {
  for (const Event& event : events) {
    for (const FeatureValue& v : event.values) {
      const auto same = std::ranges::find(values, v.feature, &FeatureValue::feature);
      if (same == values.end()) values.push_back(v);
      else *same = v;
    }
    if (!event.payload) continue;
    const auto same = std::ranges::find(payloads, event.modality, &PayloadValue::modality);
    if (same == payloads.end()) payloads.push_back({event.modality, event.payload});
    else same->payload = event.payload;
  }
  std::ranges::sort(values, {}, &FeatureValue::feature);
}

}  // namespace

void follow_course(const Schema& schema, const TablePatient& patient, const std::vector<CellPlace>& left_out, bool both_sides,
                   const std::function<void(const CourseMoment&)>& visit) {
  const std::vector<std::vector<Event>> events = events_by_moment(patient, left_out);
  const auto after = both_sides ? seen_backwards(schema, patient, events) : std::vector<std::shared_ptr<const Snapshot>>(events.size());
  Snapshot now = state::new_snapshot(schema, patient.id);
  for (std::size_t i = 0; i < events.size(); ++i) {
    Snapshot before = now;
    for (const Event& event : events[i]) apply(schema, now, event);
    if (before.event_count == 0) {
      before.attributes = now.attributes;
      before.site = now.site;
    }
    std::vector<FeatureValue> values;
    std::vector<PayloadValue> payloads;
    gather(events[i], values, payloads);
    visit({i, patient.moments[i], before, now, values, payloads, after[i]});
  }
}

}  // namespace lacuna::daemon
