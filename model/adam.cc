#include "model/adam.h"

#include <algorithm>
#include <cmath>

namespace lacuna::model {

using torch::Tensor;

namespace {

constexpr double kBeta1 = 0.9, kBeta2 = 0.999, kEpsilon = 1e-8;
constexpr double kRateWarmupSteps = 100;
constexpr double kAverageDecay = 0.998;

/// What a step moves by, from its number.
struct Scales {
  float rate, decay, correction1, correction2, keep;

  Scales(double t, const Adam::Rates& rates)
      : rate(static_cast<float>(rates.learning_rate * std::min(1.0, t / kRateWarmupSteps))),
        decay(static_cast<float>(rates.weight_decay)),
        correction1(static_cast<float>(1 / (1 - std::pow(kBeta1, t)))),
        correction2(static_cast<float>(1 / (1 - std::pow(kBeta2, t)))),
        keep(static_cast<float>(std::min(kAverageDecay, t / (10.0 + t)))) {}
};

/// Tensor operations would read and write all of it a dozen times.
void step_in_one_pass(std::int64_t n, const float* gradient, float clip, const Scales& s, float* weights, float* first, float* second,
                       float* average) {
  constexpr auto b1 = static_cast<float>(1 - kBeta1), b2 = static_cast<float>(1 - kBeta2), eps = static_cast<float>(kEpsilon);
  for (std::int64_t i = 0; i < n; ++i) {
    const float g = gradient[i] * clip;
    const float m = first[i] + (g - first[i]) * b1, v = second[i] + (g * g - second[i]) * b2;
    const float w = weights[i] - s.rate * (m * s.correction1 / (std::sqrt(v * s.correction2) + eps) + s.decay * weights[i]);
    first[i] = m;
    second[i] = v;
    weights[i] = w;
    average[i] += (w - average[i]) * (1 - s.keep);
  }
}

}  // namespace

Adam::Adam(const Tensor& weights, bool one_pass)
    : weights_(weights),
      first_(torch::zeros_like(weights)),
      second_(torch::zeros_like(weights)),
      average_(weights.clone()),
      one_pass_(one_pass) {}

Tensor Adam::step(const Tensor& gradient, const Tensor& loss, double t, const Rates& rates) {
  const Scales s(t, rates);
  const Tensor norm = gradient.norm();
  const Tensor fine = torch::isfinite(norm).logical_and(torch::isfinite(loss)).to(torch::kFloat);
  if (one_pass_) {
    if (fine.item<float>() > 0) {
      const double clip = rates.gradient_norm_max / std::max(norm.item<double>(), rates.gradient_norm_max);
      step_in_one_pass(weights_.numel(), gradient.data_ptr<float>(), static_cast<float>(clip), s, weights_.data_ptr<float>(),
                        first_.data_ptr<float>(), second_.data_ptr<float>(), average_.data_ptr<float>());
    }
    return fine;
  }
  const Tensor clip = (rates.gradient_norm_max / norm.clamp_min(rates.gradient_norm_max)).nan_to_num(0, 0, 0);
  const Tensor g = gradient.nan_to_num(0, 0, 0).mul_(clip);
  first_.add_((g - first_).mul_(fine * (1 - kBeta1)));
  second_.add_((g * g - second_).mul_(fine * (1 - kBeta2)));
  const Tensor direction = (first_ * s.correction1).div_((second_ * s.correction2).sqrt_().add_(kEpsilon));
  weights_.sub_(direction.add_(weights_, s.decay).mul_(fine * s.rate));
  average_.add_((weights_ - average_).mul_(fine * (1 - s.keep)));
  return fine;
}

}  // namespace lacuna::model
