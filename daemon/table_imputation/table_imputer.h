#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "daemon/config/config.h"
#include "daemon/table_imputation/moments.h"
#include "daemon/table_imputation/patient_table.h"
#include "model/model_version.h"
#include "model/predictive/calibration.h"
#include "state/records/status.h"

// What a version says of the gaps of a table.

namespace lacuna::daemon {

enum class CellReason : std::uint8_t {
  observed,         ///< measured at this moment: nothing is imputed
  never_measured,   ///< in this patient by then
  stale,            ///< measured before, longer ago than stale_after
  measured_before,  ///< measured before, not longer ago than that
  warming_up,       ///< missing, and too few values of the feature were learned from (imputation.observations_min): nothing is said
};
std::string_view to_string(CellReason reason);

struct ImputedCell {
  FeatureId feature = 0;
  CellReason reason = CellReason::observed;
  double value = 0;         ///< CellReason::observed
  Comparator comparator{};  ///< the same: the value is a limit
  // What follows is of a gap of which something is said. Natural scale, within the feature's plausible range.
  double mean = 0, median = 0;
  double low = 0, high = 0;          ///< calibrated, at predict.level
  std::vector<float> probabilities;  ///< of classes; bernoulli: of 0 and of 1
  std::vector<double> draws;         ///< the n-th of all cells of a moment belong together
  bool imputed() const { return reason != CellReason::observed && reason != CellReason::warming_up; }
};

struct ImputedMoment {
  std::size_t patient = 0;
  Time time{};
  std::vector<ImputedCell> cells;    ///< each feature once, by FeatureId
  std::vector<ModalityId> based_on;  ///< modalities of which something not stale was known
};

struct MomentPlace {
  std::size_t patient = 0, moment = 0;
};

/// The table, version and calibrator are borrowed. One thread.
class TableImputer {
 public:
  struct Options {
    std::size_t draws = 0;    ///< joint ones a moment; 0: none
    bool both_sides = false;  ///< the version is of ModelOptions::two_sided
    bool fresh_too = true;    ///< also what was measured before and is not stale
  };
  TableImputer(const Config& config, const PatientTable& table, const model::ModelVersion& version, const model::Calibrator& calibrator,
               Options options)
      : config_(config), table_(table), version_(version), calibrator_(calibrator), options_(options) {}

  /// In the order asked; each moment from what was known of the patient by then, its own values among it. A moment's draws depend on it,
  /// the seed (model.seed) and their number alone. Fails as ModelVersion::predict.
  Result<std::vector<ImputedMoment>> impute(std::span<const MomentPlace> places) const;

 private:
  struct Asked;
  ImputedMoment look(std::size_t patient, const CourseMoment& moment) const;
  Status predict(std::span<Asked> asked) const;
  Status draw(std::span<Asked> asked) const;

  const Config& config_;
  const PatientTable& table_;
  const model::ModelVersion& version_;
  const model::Calibrator& calibrator_;
  const Options options_;
};

}  // namespace lacuna::daemon
