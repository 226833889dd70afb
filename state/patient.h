#pragma once

#include "state/records/records.h"

// How one event changes one patient's snapshot: pure functions, no clock, no I/O.

namespace lacuna::state {

/// An empty snapshot for a patient, sized for the schema.
Snapshot new_snapshot(const Schema& schema, std::string patient_id);

enum class Applied : std::uint8_t {
  applied,
  duplicate,  ///< the event id is among the recent ones: nothing changed
  late,       ///< older than last_time - late_max: nothing changed
};

/// Applies one event of this patient (same patient_id), whose record was read at `source`. A late event within `late_max`
/// counts, fills what was never measured, and never overwrites a newer value. A value with the same clinical time as the
/// last one replaces it. So with payloads: a modality keeps that of its newest event.
Applied apply(const Schema& schema, Snapshot& snapshot, const Event& event, const SourcePosition& source, Millis late_max);

/// The same for an event that is known to be no duplicate (state/deliveries.h): looks at no ids, and remembers none.
Applied apply_fresh(const Schema& schema, Snapshot& snapshot, const Event& event, const SourcePosition& source, Millis late_max);

/// Whatever was known of it, and when.
void set_attribute(Snapshot& snapshot, const AttributeValue& attribute);
}  // namespace lacuna::state
