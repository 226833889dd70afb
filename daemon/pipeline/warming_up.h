#pragma once

#include <optional>
#include <string>
#include <vector>

#include "daemon/config/config.h"
#include "daemon/pipeline/degradation.h"
#include "daemon/pipeline/progress.h"
#include "model/model_version.h"

namespace lacuna::daemon {

/// Of which features and payload modalities the serving version has learned too little to impute them (imputation.observations_min). One
/// thread.
class WarmingUp {
 public:
  explicit WarmingUp(const Config& config) : config_(config) {}
  /// `version`: the one that serves now. `now`: wall clock.
  void follow(const model::ModelVersion& version, Time now);
  const LearnedSoFar& learned() const { return learned_; }
  /// Since this process first served with less.
  std::vector<Degradation> degraded() const;

 private:
  const Config& config_;
  std::string version_;  ///< followed last
  LearnedSoFar learned_;
  std::optional<Time> since_;
};

}  // namespace lacuna::daemon
