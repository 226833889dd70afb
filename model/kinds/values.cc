#include "model/kinds/values.h"

#include <cmath>
#include <numbers>

#include "state/records/counter_random.h"

namespace lacuna::model {

using torch::Tensor;

namespace {

/// No value's scale falls below this share of the population's: a constant corner of an image must not buy unbounded likelihood.
constexpr double kScaleFloor = 0.02;
constexpr int kBisections = 16;

}  // namespace

Tensor ValuesKind::scale(const Tensor& decoded) const { return torch::softplus(decoded.narrow(-1, values_, values_) + 0.3) + kScaleFloor; }

Tensor ValuesKind::log_likelihood(const Tensor& decoded, const Tensor& rows) const {
  const Tensor value = rows.narrow(-1, 0, values_).unsqueeze(1), observed = rows.narrow(-1, values_, values_).unsqueeze(1);
  const Tensor s = scale(decoded), z = (value - location(decoded)) / s;
  const Tensor log_p =
      density_ == Density::normal ? -tail_cost(z) - s.log() - 0.5 * std::log(2 * std::numbers::pi) : -z.abs() - s.log() - std::numbers::ln2;
  return (log_p * observed).sum(-1) / observed.sum(-1).clamp_min(1.0);
}

Tensor ValuesKind::mean(const Tensor& decoded, const Tensor& weights) const { return (location(decoded) * weights.unsqueeze(-1)).sum(1); }

Tensor ValuesKind::sd(const Tensor& decoded, const Tensor& weights) const {
  const Tensor s = scale(decoded), m = location(decoded), w = weights.unsqueeze(-1);
  const double variance = density_ == Density::normal ? 1.0 : 2.0;  // of a density with scale 1
  const Tensor centre = (m * w).sum(1, true);
  return ((variance * s * s + (m - centre).square()) * w).sum(1).sqrt();
}

Tensor ValuesKind::quantile(const Tensor& decoded, const Tensor& weights, double p) const {
  const Tensor s = scale(decoded), m = location(decoded), w = weights.unsqueeze(-1);
  // A component's own quantile, and between the least and the greatest of them the mixture's.
  const double z = density_ == Density::normal
                       ? std::numbers::sqrt2 * torch::erfinv(torch::tensor(2 * p - 1, torch::kDouble)).item<double>()
                   : p < 0.5 ? std::log(2 * p)
                             : -std::log(2 * (1 - p));
  const Tensor own = m + z * s;
  Tensor low = own.amin(1), high = own.amax(1);
  for (int i = 0; i < kBisections; ++i) {
    const Tensor middle = 0.5 * (low + high), t = (middle.unsqueeze(1) - m) / s;
    const Tensor below = density_ == Density::normal ? 0.5 * torch::erfc(t * (-1 / std::numbers::sqrt2))
                                                     : 0.5 + 0.5 * torch::sign(t) * (1 - torch::exp(-t.abs()));
    const Tensor under = (below * w).sum(1) < p;
    low = torch::where(under, middle, low);
    high = torch::where(under, high, middle);
  }
  return 0.5 * (low + high);
}

Tensor ValuesKind::sample(const Tensor& decoded, const std::vector<std::uint64_t>& seeds) const {
  const std::int64_t rows = decoded.size(0);
  Tensor z = torch::empty({rows, values_});
  for (std::int64_t i = 0; i < rows; ++i) {
    const std::span<float> row(z.data_ptr<float>() + i * values_, static_cast<std::size_t>(values_));
    CounterRandom random(seeds[static_cast<std::size_t>(i)]);
    if (density_ == Density::normal) {
      random.normals(row);
    } else {
      for (float& v : row) {
        const double u = random.unit() - 0.5;
        v = static_cast<float>((u < 0 ? 1.0 : -1.0) * std::log(std::max(1 - 2 * std::abs(u), 1e-12)));
      }
    }
  }
  return location(decoded).squeeze(1) + scale(decoded).squeeze(1) * z.to(decoded.device());
}

}  // namespace lacuna::model
