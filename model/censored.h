#pragma once

#include <torch/torch.h>

#include "state/records/comparator.h"

// What a value that is told as a limit ("<5") says: log probabilities of tails for the objective, and the mean and spread of what lies
// there for the inputs and the standardisation. Every gradient is finite, and bounded as the densities' are.

namespace lacuna::model {

/// log P(Z <= z), element by element; beyond kTailFrom (kinds/kind.h) below 0 a straight line, as the density falls there.
torch::Tensor normal_log_tail(const torch::Tensor& z);

/// log P(T <= t) of a Student t: through the normal score that Wallace 1959 gives for it, within 0.04 of the logarithm.
torch::Tensor student_t_log_tail(const torch::Tensor& t, const torch::Tensor& freedom);

/// log P(X <= limit) of a negative binomial, or where `side` is above 0 log P(X >= limit): sums of 64 probabilities, the first half of
/// which are those of one count each, and the others of as many together as it takes.
torch::Tensor count_log_tail(const torch::Tensor& mean, const torch::Tensor& dispersion, const torch::Tensor& limit,
                             const torch::Tensor& side);

}  // namespace lacuna::model
