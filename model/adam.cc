#include "model/adam.h"

#include <algorithm>
#include <cmath>

namespace lacuna::model {

using torch::Tensor;

namespace {

constexpr double kBeta1 = 0.9, kBeta2 = 0.999, kEpsilon = 1e-8;
constexpr double kRateWarmupSteps = 100;
constexpr double kAverageDecay = 0.998;

/// Of what a step moves by.
enum Number : std::int64_t { kRate, kDecay, kCorrection1, kCorrection2, kKeep, kNormMax };

/// Tensor operations would read and write all of it a dozen times.
void step_in_one_pass(std::int64_t n, const float* gradient, float clip, const float* number, float* weights, float* first, float* second,
                      float* average) {
  constexpr auto b1 = static_cast<float>(1 - kBeta1), b2 = static_cast<float>(1 - kBeta2), eps = static_cast<float>(kEpsilon);
  const float rate = number[kRate], decay = number[kDecay], c1 = number[kCorrection1], c2 = number[kCorrection2], fresh = 1 - number[kKeep];
  for (std::int64_t i = 0; i < n; ++i) {
    const float g = gradient[i] * clip;
    const float m = first[i] + (g - first[i]) * b1, v = second[i] + (g * g - second[i]) * b2;
    const float w = weights[i] - rate * (m * c1 / (std::sqrt(v * c2) + eps) + decay * weights[i]);
    first[i] = m;
    second[i] = v;
    weights[i] = w;
    average[i] += (w - average[i]) * fresh;
  }
}

}  // namespace

Adam::Adam(const Tensor& weights, bool one_pass)
    : weights_(weights),
      first_(torch::zeros_like(weights)),
      second_(torch::zeros_like(weights)),
      average_(weights.clone()),
      one_pass_(one_pass) {}

Tensor Adam::numbers(double t, const Rates& rates) {
  return torch::tensor({rates.learning_rate * std::min(1.0, t / kRateWarmupSteps), rates.weight_decay, 1 / (1 - std::pow(kBeta1, t)),
                        1 / (1 - std::pow(kBeta2, t)), std::min(kAverageDecay, t / (10.0 + t)), rates.gradient_norm_max},
                       torch::kFloat);
}

Tensor Adam::step(const Tensor& gradient, const Tensor& loss, const Tensor& numbers) {
  const Tensor norm = gradient.norm();
  const Tensor fine = torch::isfinite(norm).logical_and(torch::isfinite(loss)).to(torch::kFloat);
  if (one_pass_) {
    if (fine.item<float>() > 0) {
      const float* const number = numbers.data_ptr<float>();
      const float clip = number[kNormMax] / std::max(norm.item<float>(), number[kNormMax]);
      step_in_one_pass(weights_.numel(), gradient.data_ptr<float>(), clip, number, weights_.data_ptr<float>(), first_.data_ptr<float>(),
                       second_.data_ptr<float>(), average_.data_ptr<float>());
    }
    return fine;
  }
  const auto number = [&](Number which) { return numbers.select(0, which); };
  const Tensor clip = (number(kNormMax) / torch::maximum(norm, number(kNormMax))).nan_to_num(0, 0, 0);
  const Tensor g = gradient.nan_to_num(0, 0, 0).mul_(clip);
  first_.add_((g - first_).mul_(fine * (1 - kBeta1)));
  second_.add_((g * g - second_).mul_(fine * (1 - kBeta2)));
  const Tensor direction = (first_ * number(kCorrection1)).div_((second_ * number(kCorrection2)).sqrt_().add_(kEpsilon));
  weights_.sub_(direction.add_(weights_ * number(kDecay)).mul_(fine * number(kRate)));
  average_.add_((weights_ - average_).mul_(fine * (1.0 - number(kKeep))));
  return fine;
}

}  // namespace lacuna::model
