#pragma once

#include <torch/torch.h>

// The optimiser, on flat tensors. Not thread-safe: one trainer's.

namespace lacuna::model {

/// Adam (Kingma and Ba 2015) with decoupled weight decay (Loshchilov and Hutter 2019), and an exponential mean of the weights that takes
/// the place of a falling learning rate, which a learner without an end cannot have.
class Adam {
 public:
  /// `weights`: flat, float, contiguous; kept, and moved by step(). `one_pass`: a single loop over memory, on a processor; else a dozen
  /// tensor operations, on any device.
  Adam(const torch::Tensor& weights, bool one_pass);

  struct Rates {
    double learning_rate = 0, weight_decay = 0, gradient_norm_max = 0;
  };
  /// What step number `t` (from 1) moves by, on the host: for step(), which reads it where the weights are.
  static torch::Tensor numbers(double t, const Rates& rates);
  /// A step, with the gradient clipped to its greatest norm. Nothing moves when `loss` or the gradient is not finite. Returns 1 or 0,
  /// whether it moved, on the device of the weights: without `one_pass` no host waits for it.
  torch::Tensor step(const torch::Tensor& gradient, const torch::Tensor& loss, const torch::Tensor& numbers);

  const torch::Tensor& average() const { return average_; }
  /// What a checkpoint holds beside the weights: both moments and the mean.
  std::vector<torch::Tensor> state() const { return {first_, second_, average_}; }

 private:
  torch::Tensor weights_, first_, second_, average_;
  bool one_pass_;
};

}  // namespace lacuna::model
