#pragma once

#include <memory>
#include <string>

#include "model/inference.h"
#include "model/learner.h"
#include "model/network.h"

namespace lacuna::model {

/// What a served version is made of. `weights` must be the version's own copy, on the device it shall predict
/// on.
struct VersionParts {
  std::shared_ptr<const RowEncoder> encoder;
  Standardiser standardiser;
  ModelOptions options;
  PredictOptions predict;
  torch::Tensor weights;
  std::int64_t number = 0, steps = 0;
  double loss = 0;
  std::shared_ptr<DevicePredictor> predictor;  ///< where it shall predict; null on a processor
};

std::shared_ptr<const ModelVersion> make_version(VersionParts parts);

/// CPU or CUDA as asked; `automatic` takes CUDA when there is one. `unavailable` when it was asked for and is
/// not there.
Result<torch::Device> choose_device(Device device);

/// One thread for this thread's products, in LibTorch and in OpenBLAS: small models lose time to more. And, once for the process: memory
/// that was freed stays with it, up to half a gigabyte, since a step asks for the same sizes again (to get them from the kernel each time
/// took a quarter of a small model's step). Cheap to repeat.
void prepare_thread();

}  // namespace lacuna::model
