#include "model/adam.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

// Protects the optimiser: every weight follows the published equations, computed here in double precision; the single pass and the tensor
// operations are the same optimiser; what is not finite moves nothing.

namespace lacuna::model {
namespace {

constexpr int kWeights = 37, kSteps = 300;
constexpr Adam::Rates kRates{0.01, 0.02, 2.0};

torch::Tensor gradient_of(int step) {
  torch::manual_seed(static_cast<std::uint64_t>(step) + 10);
  return torch::randn({kWeights}) * (step % 7 == 0 ? 3.0 : 0.2);  // some are clipped, some are not
}

struct Reference {
  double w, m = 0, v = 0, average;
  explicit Reference(double start) : w(start), average(start) {}
  void step(double g, double t) {
    m = 0.9 * m + 0.1 * g;
    v = 0.999 * v + 0.001 * g * g;
    const double rate = kRates.learning_rate * std::min(1.0, t / 100);
    w -= rate * (m / (1 - std::pow(0.9, t)) / (std::sqrt(v / (1 - std::pow(0.999, t))) + 1e-8) + kRates.weight_decay * w);
    const double keep = std::min(0.998, t / (10 + t));
    average = keep * average + (1 - keep) * w;
  }
};

class AdamTest : public ::testing::TestWithParam<bool> {};

TEST_P(AdamTest, FollowsItsEquationsInDoublePrecision) {
  torch::manual_seed(1);
  const torch::Tensor weights = torch::randn({kWeights});
  std::vector<Reference> reference;
  for (int i = 0; i < kWeights; ++i) reference.emplace_back(weights[i].item<double>());
  Adam adam(weights, GetParam());
  for (int t = 1; t <= kSteps; ++t) {
    const torch::Tensor g = gradient_of(t);
    double squares = 0;
    for (int i = 0; i < kWeights; ++i) squares += std::pow(g[i].item<double>(), 2);
    const double clip = std::min(1.0, kRates.gradient_norm_max / std::sqrt(squares));
    for (int i = 0; i < kWeights; ++i) reference[static_cast<std::size_t>(i)].step(clip * g[i].item<double>(), t);
    EXPECT_EQ(adam.step(g, torch::zeros({}), Adam::numbers(t, kRates)).item<float>(), 1);
  }
  for (int i = 0; i < kWeights; ++i) {
    EXPECT_NEAR(weights[i].item<double>(), reference[static_cast<std::size_t>(i)].w, 2e-5);
    EXPECT_NEAR(adam.average()[i].item<double>(), reference[static_cast<std::size_t>(i)].average, 2e-5);
  }
}

TEST_P(AdamTest, WhatIsNotFiniteMovesNothing) {
  const torch::Tensor weights = torch::ones({kWeights});
  Adam adam(weights, GetParam());
  adam.step(gradient_of(1), torch::zeros({}), Adam::numbers(1, kRates));
  std::vector<torch::Tensor> before;
  for (const torch::Tensor& t : adam.state()) before.push_back(t.clone());
  before.push_back(weights.clone());
  const torch::Tensor good = gradient_of(2), nan = torch::full({}, std::numeric_limits<float>::quiet_NaN());
  torch::Tensor bad = good.clone();
  bad[5] = std::numeric_limits<float>::infinity();
  EXPECT_EQ(adam.step(bad, torch::zeros({}), Adam::numbers(2, kRates)).item<float>(), 0);
  EXPECT_EQ(adam.step(good, nan, Adam::numbers(2, kRates)).item<float>(), 0);
  std::vector<torch::Tensor> after = adam.state();
  after.push_back(weights);
  for (std::size_t i = 0; i < before.size(); ++i) EXPECT_TRUE(torch::equal(before[i], after[i])) << i;
}

INSTANTIATE_TEST_SUITE_P(Both, AdamTest, ::testing::Values(true, false),
                         [](const auto& which) { return which.param ? "one_pass" : "tensors"; });

}  // namespace
}  // namespace lacuna::model
