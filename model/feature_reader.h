#pragma once

#include <span>
#include <vector>

#include <torch/torch.h>

#include "model/network.h"
#include "model/predictive/predictive.h"
#include "model/predictive/small_sample.h"
#include "state/records/counter_random.h"

// From what the decoder says, standardised and for many draws at once, to one feature's distribution or value on its own scale.

namespace lacuna::model {

/// Outputs as probabilities and numbers, [rows, draws, features] each, on their device. FeatureReader takes them on the host.
struct PosteriorReadings {
  torch::Tensor first_share, location[2], scale[2], probability, classes, log_ratio, dispersion, freedom;
  bool missing = false;  ///< of what is missing, where there is a missingness model

  PosteriorReadings() = default;
  explicit PosteriorReadings(const Outputs& outputs);
  template <typename F>
  void each(F&& f) {
    for (torch::Tensor* t :
         {&first_share, &location[0], &location[1], &scale[0], &scale[1], &probability, &classes, &log_ratio, &dispersion, &freedom}) {
      f(*t);
    }
  }
};

struct FeatureReader {
  const InputLayout& layout;
  const Standardiser& standardiser;
  std::vector<SmallSample> corrections;            ///< by feature
  std::vector<float> missing_base, missing_slope;  ///< of the missingness model, by feature; empty without one

  /// The mixture of a row's draws with `weights`.
  Predictive predictive(const PosteriorReadings& outputs, std::int64_t row, std::span<const float> weights, FeatureId feature) const;
  /// One value of a feature, given one posterior draw (row times draws, plus draw), within the plausible range.
  double draw(const PosteriorReadings& outputs, std::int64_t draw, FeatureId feature, CounterRandom& random) const;
};

}  // namespace lacuna::model
