#include "model/predictive/predictive.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "model/predictive/component_sums.h"
#include "model/predictive/log_normal.h"
#include "model/predictive/negative_binomial.h"
#include "model/predictive/student_t.h"
#include "state/records/scale.h"

namespace lacuna::model {
namespace {

constexpr double kInvSqrt2Pi = 0.3989422804014327;
constexpr double kProbabilityMin = 1e-300;
// exp() of twice this is still finite: a log-normal component this wide has no useful mean, but must not become infinite.
constexpr int kNewtonStepsMax = 80;

double normal_density(double z) { return kInvSqrt2Pi * std::exp(-0.5 * z * z); }

// P. J. Acklam's rational approximation, relative error 1.2e-9, for p <= 0.5; refined by the caller.
double rough_quantile(double p) {
  if (p < 0.02425) {
    const double q = std::sqrt(-2 * std::log(p));
    return (((((-7.784894002430293e-03 * q - 3.223964580411365e-01) * q - 2.400758277161838e+00) * q - 2.549732539343734e+00) * q +
             4.374664141464968e+00) *
                q +
            2.938163982698783e+00) /
           ((((7.784695709041462e-03 * q + 3.224671290700398e-01) * q + 2.445134137142996e+00) * q + 3.754408661907416e+00) * q + 1);
  }
  const double q = p - 0.5, r = q * q;
  return (((((-3.969683028665376e+01 * r + 2.209460984245205e+02) * r - 2.759285104469687e+02) * r + 1.383577518672690e+02) * r -
           3.066479806614716e+01) *
              r +
          2.506628277459239e+00) *
         q /
         (((((-5.447609879822406e+01 * r + 1.615858368580409e+02) * r - 1.556989798598866e+02) * r + 6.680131188771972e+01) * r -
           1.328068155288572e+01) *
              r +
          1);
}

// p in (0, 0.5].
double lower_quantile(double p) {
  const double z = rough_quantile(p);
  if (z < -37) return z;  // the density underflows: the rational approximation has to do
  const double u = (normal_cdf(z) - p) / normal_density(z);
  return z - u / (1 + 0.5 * z * u);  // Halley
}

// Of the smaller of both, which is known with full relative accuracy.
double score_of(const component_sums::Tails& t) { return t.lower <= t.upper ? normal_quantile(t.lower) : -normal_quantile(t.upper); }

// The y at which the mixture's score is z: Newton on the score, which is nearly linear in y also far out in the tails, within
// the bracket that the components' own quantiles give.
double solve(const Predictive& p, double z) {
  double low = INFINITY, high = -INFINITY, mean = 0, spread = 0, square = 0;
  for (std::size_t k = 0; k < p.location.size(); ++k) {
    const double m = p.location[k], s = p.scale[k];
    low = std::min(low, m + z * s);
    high = std::max(high, m + z * s);
    mean += p.weights[k] * m;
    spread += p.weights[k] * s;
    square += p.weights[k] * (m * m + s * s);
  }
  // Newton squares its error: after a step this short, what is left is far below 1e-4 sd.
  const double short_step = 2e-4 * spread, close = 1e-7 * spread;
  double y = std::clamp(mean + z * std::sqrt(std::max(square - mean * mean, 0.0)), low, high);
  for (int i = 0; i < kNewtonStepsMax && high - low > close; ++i) {
    const component_sums::Tails t = component_sums::tails(p, y);
    const double score = score_of(t);
    const double gap = score - z;
    (gap > 0 ? high : low) = y;
    const double slope = t.density / normal_density(score);
    double next = y - gap / slope;
    const bool newton = next > low && next < high;  // false also when the slope is 0 or not a number
    if (!newton) next = low + (high - low) / 2;
    const double step = std::abs(next - y);
    y = next;
    if (newton && step < short_step) break;
  }
  return y;
}

// Of class index: P(X < index) and P(X = index).
std::pair<double, double> class_mass(const std::vector<float>& probabilities, double index) {
  double below = 0, at = 0;
  for (std::size_t c = 0; c < probabilities.size(); ++c) {
    if (static_cast<double>(c) < index) below += probabilities[c];
    else if (static_cast<double>(c) == index) at = probabilities[c];
  }
  return {below, at};
}

double component_mean(const Predictive& p, std::size_t k) {
  const double m = p.location[k], s = p.scale[k];
  return p.likelihood == Likelihood::log_normal ? std::expm1(std::min(m + 0.5 * s * s, kExponentMax)) : m;
}

double component_variance(const Predictive& p, std::size_t k) {
  const double m = p.location[k], s = p.scale[k];
  switch (p.likelihood) {
    case Likelihood::log_normal:
      return std::exp(std::min(2 * m + s * s + std::log(std::expm1(std::min(s * s, kExponentMax))), 2 * kExponentMax));
    case Likelihood::negative_binomial: return m + m * m / s;
    case Likelihood::student_t: return s * s * student_t::variance(p.freedom[k]);
    default: return s * s;
  }
}

bool converted(const Predictive& p) { return p.unit.factor != 1 || p.unit.offset != 0; }

// From the mixture's scale to the natural one of those who ask, and back.
double to_natural(const Predictive& p, double y) { return converted(p) ? log_normal::value_of(p, y) : from_scale(p.likelihood, y); }
double to_mixture(const Predictive& p, double value) {
  return converted(p) ? log_normal::scale_of(p, value) : to_scale(p.likelihood, value);
}

}  // namespace

double normal_cdf(double z) { return 0.5 * std::erfc(-z * std::numbers::sqrt2 / 2); }

double normal_quantile(double p) {
  if (p <= 0.5) return lower_quantile(std::max(p, kProbabilityMin));
  return -lower_quantile(std::max(1 - p, kProbabilityMin));
}

double Predictive::mean_on_scale() const {
  if (likelihood != Likelihood::log_normal) return mean();
  if (converted(*this)) return log_normal::moments_on_scale(*this).first;
  double sum = 0;
  for (std::size_t k = 0; k < weights.size(); ++k) sum += static_cast<double>(weights[k]) * location[k];
  return sum;
}

double Predictive::mean() const {
  double sum = 0;
  if (is_discrete(likelihood)) {
    for (std::size_t c = 0; c < class_probabilities.size(); ++c) sum += static_cast<double>(c) * class_probabilities[c];
    return sum;
  }
  for (std::size_t k = 0; k < weights.size(); ++k) sum += weights[k] * component_mean(*this, k);
  if (likelihood == Likelihood::normal || likelihood == Likelihood::student_t) return sum;
  return std::max(0.0, unit.factor * std::max(0.0, sum) + unit.offset);
}

double Predictive::sd() const {
  double centre = 0, variance = 0;
  if (is_discrete(likelihood)) {
    centre = mean();
    for (std::size_t c = 0; c < class_probabilities.size(); ++c) {
      const double d = static_cast<double>(c) - centre;
      variance += class_probabilities[c] * d * d;
    }
    return std::sqrt(variance);
  }
  for (std::size_t k = 0; k < weights.size(); ++k) centre += weights[k] * component_mean(*this, k);
  for (std::size_t k = 0; k < weights.size(); ++k) {
    const double d = component_mean(*this, k) - centre;
    variance += weights[k] * (component_variance(*this, k) + d * d);
  }
  return unit.factor * std::sqrt(variance);
}

double Predictive::quantile(double p) const {
  if (is_discrete(likelihood)) {
    double reached = 0;
    for (std::size_t c = 0; c + 1 < class_probabilities.size(); ++c) {
      reached += class_probabilities[c];
      if (reached >= p) return static_cast<double>(c);
    }
    return class_probabilities.empty() ? 0 : static_cast<double>(class_probabilities.size() - 1);
  }
  if (likelihood == Likelihood::negative_binomial) return negative_binomial::mixture_quantile(*this, p);
  if (likelihood == Likelihood::student_t) return student_t::mixture_at(*this, normal_quantile(p));
  return to_natural(*this, solve(*this, normal_quantile(p)));
}

double Predictive::quantile_at(double z) const {
  if (is_discrete(likelihood) || likelihood == Likelihood::negative_binomial) return quantile(normal_cdf(z));
  if (likelihood == Likelihood::student_t) return student_t::mixture_at(*this, z);
  return to_natural(*this, solve(*this, z));
}

double Predictive::cdf(double value) const {
  if (is_discrete(likelihood)) {
    const auto [below, at] = class_mass(class_probabilities, std::floor(value));
    return below + at;
  }
  if (likelihood == Likelihood::negative_binomial) return negative_binomial::mixture_distribution(*this, value);
  if (likelihood == Likelihood::student_t) return student_t::mixture_distribution(*this, value);
  if (likelihood == Likelihood::log_normal && (value < 0 || value < unit.offset)) return 0;
  return component_sums::tails(*this, to_mixture(*this, value)).lower;
}

double Predictive::pit(double value, double u) const {
  if (is_discrete(likelihood)) {
    const auto [below, at] = class_mass(class_probabilities, value);
    return below + u * at;
  }
  if (likelihood == Likelihood::negative_binomial) {
    return negative_binomial::mixture_distribution(*this, value - 1) + u * negative_binomial::mixture_probability(*this, value);
  }
  return cdf(value);
}

double Predictive::normal_score(double value, double u) const {
  if (is_discrete(likelihood) || likelihood == Likelihood::negative_binomial) return normal_quantile(pit(value, u));
  if (likelihood == Likelihood::student_t) return student_t::mixture_score(*this, value);
  return score_of(component_sums::tails(*this, to_mixture(*this, value)));
}

double Predictive::beyond(double limit, Comparator comparator, double u) const {
  const bool below = is_below(comparator);
  const auto side = [&](double value) { return below ? std::min(value, limit) : std::max(value, limit); };
  if (likelihood == Likelihood::negative_binomial) {
    constexpr double kFar = 1e-12;
    const bool itself = comparator == Comparator::at_most || comparator == Comparator::greater;
    const double until = negative_binomial::mixture_distribution(*this, itself ? limit : limit - 1);
    const double p = below ? u * until : until + u * (1 - until);
    const double first = comparator == Comparator::greater ? limit + 1 : limit, last = comparator == Comparator::less ? limit - 1 : limit;
    const double count = negative_binomial::mixture_quantile(*this, std::clamp(p, kFar, 1 - kFar));
    return below ? std::max(std::min(count, last), 0.0) : std::max(count, first);
  }
  const double z = normal_score(limit, 0);
  return side(quantile_at(below ? normal_quantile(u * normal_cdf(z)) : -normal_quantile((1 - u) * normal_cdf(-z))));
}

double Predictive::log_density(double value) const {
  if (is_discrete(likelihood)) {
    return std::log(std::max(class_mass(class_probabilities, value).second, kProbabilityMin));
  }
  if (likelihood == Likelihood::negative_binomial) {
    return std::log(std::max(negative_binomial::mixture_probability(*this, value), kProbabilityMin));
  }
  if (likelihood == Likelihood::student_t) return student_t::mixture_log_density(*this, value);
  const double y = to_mixture(*this, value);
  double largest = -INFINITY, sum = 0;
  const auto term = [&](std::size_t k) {
    const double t = (y - location[k]) / scale[k];
    return std::log(std::max<double>(weights[k], kProbabilityMin)) - 0.5 * t * t - std::log(static_cast<double>(scale[k]));
  };
  for (std::size_t k = 0; k < weights.size(); ++k) largest = std::max(largest, term(k));
  for (std::size_t k = 0; k < weights.size(); ++k) sum += std::exp(term(k) - largest);
  const double per_scale = converted(*this) ? std::log(log_normal::steepness(*this, y)) : 0;
  return largest + std::log(sum) + std::log(kInvSqrt2Pi) - per_scale;
}

double Predictive::crps(double value) const {
  if (is_discrete(likelihood)) {
    double below = 0, sum = 0;
    for (std::size_t c = 0; c + 1 < class_probabilities.size(); ++c) {
      below += class_probabilities[c];
      const double gap = below - (static_cast<double>(c) >= value ? 1 : 0);
      sum += gap * gap;
    }
    return sum;
  }
  if (likelihood == Likelihood::negative_binomial) return negative_binomial::mixture_crps(*this, value);
  if (likelihood == Likelihood::student_t) return student_t::mixture_crps(*this, value);
  if (converted(*this)) return log_normal::mixture_crps(*this, value);
  return component_sums::crps(*this, to_scale(likelihood, value));
}

}  // namespace lacuna::model
