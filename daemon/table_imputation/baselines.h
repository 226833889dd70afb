#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "daemon/table_imputation/held_out.h"
#include "daemon/table_imputation/patient_table.h"
#include "model/predictive/calibration.h"
#include "state/records/scale.h"

// Plain methods on the same cells, and how far each is from what they are.

namespace lacuna::daemon {

/// A table's cells as linear chained equations fill them (van Buuren and Groothuis-Oudshoorn 2011, without noise): from column means, then
/// kChainedRounds times each column from all others, the values of the moment before, and the attributes that are numbers, by ridge
/// regression over the moments where it was measured (20,000 at most). Columns are on their scale, log(1 + x) where the schema says so; a
/// class is its number. Gives for each of `cells`, in their order, the value on that scale. `cells` are not measured for it.
std::vector<double> chained_equations(const Schema& schema, const PatientTable& table, const HeldOutCells& cells,
                                      const std::vector<StandardScale>& scales);
inline constexpr int kChainedRounds = 10;
/// Whether that is a matter of seconds: its work grows with the cube of the columns.
bool is_quick_to_chain(const Schema& schema, const PatientTable& table);

struct MethodError {
  double mae = 0;   ///< standard deviations; of classes the share that is wrong
  double rmse = 0;  ///< of the mean, standard deviations; of classes 0
};
struct ComparedFeature {
  FeatureId feature = 0;
  std::uint64_t count = 0;
  MethodError ours, mean, last, chained;  ///< of classes, mean is the most frequent one
  double covered = 0;                     ///< share inside our intervals
};

/// By feature. `chained`: of all cells, which HeldOutAnswer::number counts; empty: not
/// compared with. Constant features are left out.
std::vector<ComparedFeature> compare(const Schema& schema, const PatientTable& learned_from, const std::vector<StandardScale>& scales,
                                     const std::vector<HeldOutAnswer>& answers, const std::vector<double>& chained,
                                     const model::Calibrator& calibrator);

/// One row a feature, and means over numbers and over classes.
std::string format_comparison(const Schema& schema, const std::vector<ComparedFeature>& features, double level);

}  // namespace lacuna::daemon
