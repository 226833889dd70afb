#include "model/censored.h"

#include <cmath>

#include "model/kinds/kind.h"

namespace lacuna::model {

using torch::Tensor;

namespace {

constexpr std::int64_t kTerms = 64, kSingle = kTerms / 2;
constexpr double kNothing = -1e4;  // logarithm of a term that is none
constexpr double kComplementMax = 1 - 1e-6;

}  // namespace

Tensor normal_log_tail(const Tensor& z) {
  // phi(kTailFrom) / Phi(-kTailFrom): how steep it is where the line begins.
  static const double steepness =
      std::exp(-0.5 * kTailFrom * kTailFrom) / std::sqrt(2 * M_PI) / (0.5 * std::erfc(kTailFrom / std::sqrt(2.0)));
  const Tensor near = z.clamp_min(-kTailFrom);
  return torch::special_log_ndtr(near) + steepness * (z - near);
}

Tensor student_t_log_tail(const Tensor& t, const Tensor& freedom) {
  const Tensor square = (t * t / freedom).clamp_min(1e-6);
  const Tensor score = t * (torch::log1p(square) / square).sqrt();  // sqrt(nu log(1 + t^2 / nu)), with the sign of t
  const Tensor s = 0.184 * (8.0 * freedom + 3.0) / (freedom * torch::log1p(square).sqrt());
  const Tensor correction = 1.0 - 2.0 * (1.0 - (-s * s).exp()).clamp_min(1e-6).sqrt() / (8.0 * freedom + 3.0);
  return normal_log_tail(score * correction);
}

Tensor count_log_tail(const Tensor& mean, const Tensor& dispersion, const Tensor& limit, const Tensor& side) {
  const Tensor m = mean.unsqueeze(-1), r = dispersion.unsqueeze(-1), log_total = (m + r).log();
  const Tensor base = r * (r.log() - log_total) - torch::lgamma(r), log_share = m.log() - log_total;
  const Tensor index = torch::arange(kTerms, limit.options());
  const Tensor single = (index < kSingle).to(limit.scalar_type()), place = index - kSingle + 0.5;
  // Counts from `from` on one by one, then in steps of `width`, each told by its middle; as far as `to`.
  const auto sum = [&](const Tensor& from, const Tensor& width, const Tensor& to) {
    const Tensor n = from + single * index + (1.0 - single) * (kSingle + place * width - 0.5);
    const Tensor term = torch::lgamma(n + r) - torch::lgamma(n + 1.0) + n * log_share + base + (1.0 - single) * width.log();
    return torch::logsumexp(torch::where(n <= to, term, torch::full_like(term, kNothing)), -1);
  };
  // The last count of the lower part, which of "at least k" is k - 1.
  const Tensor last = torch::where(side > 0, limit - 1.0, limit).unsqueeze(-1);
  const Tensor below = sum(torch::zeros_like(last), ((last + 1.0 - kSingle) / kSingle).clamp_min(1.0), last + 0.25);
  // What is above: the rest, or where that is lost to rounding or to the steps, what lies within eight times the scale on which it falls.
  const Tensor series = sum(last + 1.0, ((m + r) / r / 4.0).clamp_min(1.0).detach(), torch::full_like(last, INFINITY));
  const Tensor rest = torch::log1p(-below.exp().clamp_max(kComplementMax));
  const Tensor above = torch::where(last.squeeze(-1) < kTerms, torch::maximum(rest, series), series);
  return torch::where(side > 0, above, below).clamp(kNothing, 0.0);
}

}  // namespace lacuna::model
