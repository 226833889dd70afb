#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "daemon/config/config.h"
#include "daemon/table_imputation/held_out.h"
#include "daemon/table_imputation/patient_table.h"
#include "model/model_version.h"
#include "model/predictive/calibration.h"
#include "state/records/status.h"

// Learning from a table that is held in memory: passes over its moments until cells that are not learned from are said no better.

namespace lacuna::daemon {

/// Share of the cells that are not learned from.
inline constexpr double kHeldOutShare = 0.1;

struct TableLearningOptions {
  int epochs = 0;  ///< passes at most; 0: as many as make kTableSteps gradient steps, kTableEpochsMax at most
  bool both_sides = false;
};
inline constexpr double kTableSteps = 4000;
inline constexpr int kTableEpochsMax = 60;

struct LearnedTable {
  std::shared_ptr<const model::ModelVersion> version;  ///< of the best pass
  model::Calibrator calibrator;                        ///< fitted on all cells that were held out
  std::vector<FeatureScore> scores;                    ///< of these cells, by that version
  HeldOutCells held_out;
  std::vector<HeldOutAnswer> answers;   ///< of that version, to these cells
  std::vector<StandardScale> scales{};  ///< of the cells that were learned from
  std::size_t examples = 0;             ///< moments that were learned from
  int passes = 0, best_pass = 0;
  std::int64_t steps = 0;  ///< behind the version
};

/// Learns with `config.model` and `config.train` from all moments of the table, in an order that the seed alone decides. not_found: there
/// is nothing to learn from, or too little for one gradient step. `progress` gets examples learned from and those of all passes.
/// `config.model.two_sided` is set to `options.both_sides`.
Result<LearnedTable> learn_table(const Config& config, const PatientTable& table, const TableLearningOptions& options,
                                 const std::function<void(std::uint64_t, std::uint64_t)>& progress);

}  // namespace lacuna::daemon
