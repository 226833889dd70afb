#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "daemon/table_imputation/moments.h"
#include "daemon/table_imputation/patient_table.h"
#include "model/model_version.h"
#include "model/predictive/calibration.h"
#include "model/predictive/calibration_curve.h"
#include "model/predictive/predictive.h"
#include "model/predictive/recency.h"
#include "state/records/scale.h"
#include "state/records/status.h"

// Cells of a table that are not learned from: they say when to stop, how wide intervals have to be, and how good the imputations are.

namespace lacuna::daemon {

/// Held out at most; of more no quantile becomes better.
inline constexpr std::size_t kHeldOutMax = 20'000;

/// By patient of the table, ascending. Half of the cells are drawn one by one, half as all that one modality has at a moment, which is how
/// values are missing where nobody measured. Modalities that are not tabular have no cells.
using HeldOutCells = std::vector<std::vector<CellPlace>>;

/// About `share` of all cells, kHeldOutMax at most. The same seed and table draw the same.
HeldOutCells draw_held_out(const Schema& schema, const PatientTable& table, double share, std::uint64_t seed);
std::size_t count(const HeldOutCells& cells);

/// One cell that was held out, and what was said of it, from everything else that was known by then (and, of `both_sides`, later).
struct HeldOutAnswer {
  std::size_t number = 0;  ///< of the cell among all, from 0
  FeatureId feature = 0;
  model::Recency recency = model::Recency::never_measured;
  model::Predictive predictive;
  double value = 0;
  std::optional<double> last;  ///< the patient's value before
  double u = 0;                ///< randomises scores of counts and classes
};

/// Of all cells, in their order, but for features that `version` has learned of in fewer than `observations_min` values.
Result<std::vector<HeldOutAnswer>> ask_held_out(const Schema& schema, const PatientTable& table, const HeldOutCells& cells,
                                                const model::ModelVersion& version, std::uint64_t observations_min, bool both_sides);

/// Mean and spread of each feature over the cells that are learned from: what errors are told in.
std::vector<StandardScale> scales_of(const Schema& schema, const PatientTable& table, const HeldOutCells& left_out);

/// What learning is stopped by: the continuous ranked probability score in standard deviations, averaged over the values of a feature, then
/// over features.
double mean_score(const std::vector<StandardScale>& scales, const std::vector<HeldOutAnswer>& answers);

/// How one feature was said. Errors are absolute, in standard deviations; of classes in steps from class to class.
struct FeatureScore {
  FeatureId feature = 0;
  std::uint64_t count = 0;
  double error = 0;       ///< of the median
  double error_mean = 0;  ///< of the column's mean
  double error_last = 0;  ///< of the patient's value before, else the mean
  double covered = 0;     ///< share inside intervals that were calibrated on the other half of the cells
};

/// By feature; those without a cell are left out. Constant features too: they have no scale.
std::vector<FeatureScore> score_features(const Schema& schema, const std::vector<StandardScale>& scales,
                                         const std::vector<HeldOutAnswer>& answers, double level);
/// Means over features, with equal weight; `count` is the sum.
FeatureScore average(const std::vector<FeatureScore>& scores);

/// How often intervals of several levels hold for numbers of `asked` that were calibrated on `fitted`.
model::CalibrationCurve calibration_curve(const Schema& schema, const std::vector<HeldOutAnswer>& fitted,
                                          const std::vector<HeldOutAnswer>& asked);
/// The same of one half of the cells by the other.
model::CalibrationCurve calibration_curve(const Schema& schema, const std::vector<HeldOutAnswer>& answers);

/// Intervals that hold for cells like these.
model::Calibrator calibrate(const Schema& schema, const std::vector<HeldOutAnswer>& answers, double level);

}  // namespace lacuna::daemon
