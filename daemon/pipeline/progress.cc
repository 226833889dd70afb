#include "daemon/pipeline/progress.h"

namespace lacuna::daemon {

EventCounts& EventCounts::operator+=(const EventCounts& batch) {
  for (const auto member : {&EventCounts::consumed, &EventCounts::applied, &EventCounts::duplicate, &EventCounts::late,
                            &EventCounts::refused, &EventCounts::partial, &EventCounts::imputations, &EventCounts::imputed_values,
                            &EventCounts::alerts, &EventCounts::dead_letters, &EventCounts::corrected, &EventCounts::withdrawn,
                            &EventCounts::late_corrections, &EventCounts::forgotten, &EventCounts::merged, &EventCounts::forwarded}) {
    this->*member += batch.*member;
  }
  for (std::size_t i = 0; i < refused_by.size(); ++i) refused_by[i] += batch.refused_by[i];
  feed += batch.feed;
  return *this;
}

EventCounts& EventCounts::operator+=(const state::RecordCounts& partition) {
  consumed += partition.consumed;
  applied += partition.applied;
  duplicate += partition.duplicate;
  late += partition.late;
  refused += partition.refused;
  partial += partition.partial;
  forwarded += partition.forwarded;
  return *this;
}

}  // namespace lacuna::daemon
