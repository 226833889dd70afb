#pragma once

#include <memory>

#include "model/inference.h"
#include "model/learned_counts.h"
#include "model/learned_units.h"
#include "model/network.h"

namespace lacuna::model {

/// What a served version is made of. `weights` must be the version's own copy, on the device it shall predict
/// on.
struct VersionParts {
  std::shared_ptr<const LearnedUnits> units;  ///< between those who ask and all below
  std::shared_ptr<const RowEncoder> encoder;
  Standardiser standardiser;
  LearnedCounts learned;
  ModelOptions options;
  PredictOptions predict;
  torch::Tensor weights;
  std::int64_t number = 0, steps = 0;
  double loss = 0;
  std::shared_ptr<DevicePredictor> predictor;  ///< where it shall predict; null on a processor
};

}  // namespace lacuna::model
