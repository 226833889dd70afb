#pragma once

#include <torch/torch.h>

#include "model/network.h"
#include "model/options.h"
#include "model/training_batch.h"

namespace lacuna::model {

struct Loss {
  torch::Tensor total;  ///< what is differentiated
  torch::Tensor nats;   ///< a cell, without any weighting
  torch::Tensor kl;     ///< nats an example
};

/// The negative evidence lower bound of a batch, over the passes that each example is given (docs/model.md).
/// Everything lies on the network's device, and no host waits: the shapes decide what is done, never the values.
Loss objective(const Network& network, const InputLayout& layout, const ModelOptions& model, const TrainOptions& train,
               const TrainingBatch& batch);

}  // namespace lacuna::model
