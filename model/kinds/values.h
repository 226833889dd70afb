#pragma once

#include "model/kinds/kind.h"

// Payloads that are arrays of numbers: each value has a location and a scale, [.., 2 V] with all locations first.

namespace lacuna::model {

enum class Density : std::uint8_t { normal, laplace };

class ValuesKind : public PayloadKind {
 public:
  torch::Tensor size(const torch::Tensor& rows) const override { return rows.narrow(-1, values_, values_).sum(-1); }
  torch::Tensor log_likelihood(const torch::Tensor& decoded, const torch::Tensor& rows) const override;
  torch::Tensor mean(const torch::Tensor& decoded, const torch::Tensor& weights) const override;
  torch::Tensor sd(const torch::Tensor& decoded, const torch::Tensor& weights) const override;
  /// By bisection of the mixture's distribution function, to 1e-3 standardised units.
  torch::Tensor quantile(const torch::Tensor& decoded, const torch::Tensor& weights, double p) const override;
  torch::Tensor sample(const torch::Tensor& decoded, const std::vector<std::uint64_t>& seeds) const override;

 protected:
  ValuesKind(Density density, std::int64_t values) : density_(density), values_(values) {}
  std::int64_t values() const { return values_; }

 private:
  torch::Tensor location(const torch::Tensor& decoded) const { return decoded.narrow(-1, 0, values_); }
  torch::Tensor scale(const torch::Tensor& decoded) const;

  Density density_;
  std::int64_t values_;
};

}  // namespace lacuna::model
