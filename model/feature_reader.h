#pragma once

#include <span>
#include <vector>

#include <torch/torch.h>

#include "model/network.h"
#include "model/predictive.h"

// From what the decoder says, standardised and for many draws at once, to one feature's distribution or value on its own scale.

namespace lacuna::model {

/// Host copies of Outputs, [rows, draws, features] each.
struct HostOutputs {
  torch::Tensor first_share, location[2], scale[2], probability, classes, log_ratio, dispersion, freedom;
  bool missing = false;  ///< of what is missing, where there is a missingness model

  HostOutputs() = default;
  explicit HostOutputs(const Outputs& outputs);
};

struct FeatureReader {
  const InputLayout& layout;
  const Standardiser& standardiser;
  std::vector<float> missing_base, missing_slope;  ///< of the missingness model, by feature; empty without one

  /// The mixture of a row's draws with `weights`.
  Predictive predictive(const HostOutputs& outputs, std::int64_t row, std::span<const float> weights, FeatureId feature) const;
  /// One value of a feature, given one posterior draw (row times draws, plus draw), within the plausible range.
  double draw(const HostOutputs& outputs, std::int64_t draw, FeatureId feature, HashRandom& random) const;
};

}  // namespace lacuna::model
