#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "daemon/table_imputation/patient_table.h"
#include "state/records/records.h"

// A patient's course, moment by moment, as the daemon would have seen it.

namespace lacuna::daemon {

/// A cell of a table: what was measured of a patient at a moment.
struct CellPlace {
  std::size_t moment = 0;  ///< in TablePatient::moments
  FeatureId feature = 0;
  friend auto operator<=>(const CellPlace&, const CellPlace&) = default;
};

/// One moment of a patient. Borrowed for the call, but for `after`.
struct CourseMoment {
  std::size_t number = 0;  ///< in TablePatient::moments
  Time time{};
  const Snapshot& before;                     ///< strictly before the moment; of a first one with its attributes and its site
  const Snapshot& now;                        ///< with what was measured at the moment
  const std::vector<FeatureValue>& measured;  ///< at the moment; each feature once, by FeatureId
  const std::vector<PayloadValue>& payloads;  ///< the same; each modality once
  std::shared_ptr<const Snapshot> after;      ///< what came later, as if time ran backwards; null unless asked for
};

/// Visits a patient's moments in their order. Values of cells in `left_out` (ascending) are as if they had never been measured.
/// `both_sides`: with what came after each moment. Twice the same value at one time counts once, of two different ones the later in the
/// files.
void follow_course(const Schema& schema, const TablePatient& patient, const std::vector<CellPlace>& left_out, bool both_sides,
                   const std::function<void(const CourseMoment&)>& visit);

}  // namespace lacuna::daemon
