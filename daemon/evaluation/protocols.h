#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "daemon/evaluation/coverage.h"
#include "model/model_version.h"
#include "model/predictive/calibration.h"
#include "model/predictive/calibration_curve.h"
#include "model/predictive/coverage.h"
#include "model/predictive/subgroup_board.h"
#include "state/records/records.h"
#include "state/records/subgroups.h"

// The quality protocols of docs/quality.md on stays held in memory, for a frozen model version. Errors are in
// standardised units (the version's moments), per feature, then averaged with equal weight.

namespace lacuna::daemon {

struct FeatureResult {
  FeatureId feature = 0;
  std::uint64_t count = 0;
  double mae = 0, rmse = 0, coverage = 0, width = 0, crps = 0;  ///< coverage and width: calibrated interval
  double mae_last = 0, mae_mean = 0;                            ///< reference predictors on the same values
  model::Coverage intervals{};
  std::uint64_t censored = 0;  ///< limits beside `count`: of these it is told whether the interval held, and nothing else
};

struct ProtocolResult {
  std::string protocol;  ///< "next", "next, never seen before", "cross"
  std::size_t stays = 0;
  double level = 0.9;                   ///< of the intervals
  std::vector<FeatureResult> features;  ///< those with at least one value
  model::CalibrationCurve curve{};      ///< of numbers; calibrated from the first of these stays on
  std::vector<model::SubgroupFigures> subgroups{};
};

/// One patient's events in time order.
using Stay = std::vector<Event>;

/// Reference moments: those of the training data, as PROTOCOL asks; empty: the version's own.
struct Moments {
  std::vector<double> mean, sd;
};

/// Each value at a time after the stay's first is predicted from what arrived strictly earlier. `every`: score one moment in so
/// many (10 as the reference rows; (minute * 7919 + stay index) % every == 0), 1 for all. Gives "next" and "never seen".
/// `with_curve`: ProtocolResult::curve as well, at the price of ten more calibrations. `groups`: a stay is in those of the attributes that
/// it has at its end.
Result<std::vector<ProtocolResult>> evaluate_next(const Schema& schema, const model::ModelVersion& version, model::Calibrator& calibrator,
                                                  const Moments& moments, const std::vector<Stay>& stays, int every,
                                                  const std::function<void(std::size_t)>& progress, bool with_curve = false,
                                                  const Subgroups& groups = {});
/// At the end of each stay, each modality in turn is hidden and its last values predicted from the rest.
Result<ProtocolResult> evaluate_cross(const Schema& schema, const model::ModelVersion& version, model::Calibrator& calibrator,
                                      const Moments& moments, const std::vector<Stay>& stays,
                                      const std::function<void(std::size_t)>& progress, bool with_curve = false,
                                      const Subgroups& groups = {});

/// Mean and sd per feature over all values of these stays, on the features' scales.
Moments training_moments(const Schema& schema, const std::vector<Stay>& stays);

/// What is said of each feature's intervals.
std::vector<CoverageRow> coverage_rows(const ProtocolResult& result);

/// One row per modality and one for all, aligned; and the same with every feature, as an array with one element a result.
std::string format_table(const Schema& schema, const ProtocolResult& result);
nlohmann::ordered_json results_json(const Schema& schema, const std::vector<ProtocolResult>& results);

}  // namespace lacuna::daemon
