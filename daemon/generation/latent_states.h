#pragma once

#include <ostream>
#include <vector>

#include "model/model_version.h"
#include "state/records/records.h"

namespace lacuna::daemon {

/// What one version takes patients for, as CSV: patient_id (a person's key), time, model_version, mean_0 ..., sd_0 ...: each as known at
/// the newest clinical time, with outcomes left out as always. One thread.
class LatentRows {
 public:
  LatentRows(const model::ModelVersion& version, std::ostream& out) : version_(version), out_(out) {}
  /// One of whom nothing is known has no row. Errors as ModelVersion::predict.
  Status add(Snapshot patient);
  /// What is held back; to be called once at the end.
  Status finish();
  std::size_t rows() const { return rows_; }

 private:
  Status write();

  const model::ModelVersion& version_;
  std::ostream& out_;
  std::vector<Snapshot> held_;
  std::size_t rows_ = 0;
};

}  // namespace lacuna::daemon
