#include "model/predictive/negative_binomial.h"

#include <math.h>  // lgamma_r: std::lgamma writes a global, and predictions are read from several threads

#include <algorithm>
#include <array>
#include <cmath>

namespace lacuna::model::negative_binomial {
namespace {

// Outside these a dispersion changes nothing that can be measured, and the continued fraction below would need thousands of
// terms.
constexpr double kDispersionMin = 1e-4;
constexpr double kDispersionMax = 1e5;
constexpr double kMeanMin = 1e-9;
constexpr double kCountMax = 1e12;   // quantiles are not looked for beyond
constexpr int kWalkMeanMax = 500;    // above it P(X = 0) may underflow, and the recurrence could not start
constexpr int kWalkStepsMax = 2048;  // counts visited one by one
constexpr int kStridesMax = 512;     // panels that cover what lies beyond
constexpr int kFractionTermsMax = 5000;

double log_gamma(double x) {
  int sign = 0;
  return lgamma_r(x, &sign);
}

struct Component {
  double mean, dispersion;
};

Component clamped(double mean, double dispersion) {
  return {std::max(mean, kMeanMin), std::clamp(dispersion, kDispersionMin, kDispersionMax)};
}

// Continued fraction of the incomplete beta function, by Lentz's method.
double beta_fraction(double a, double b, double x) {
  constexpr double kTiny = 1e-300;
  double c = 1;
  double d = 1 - (a + b) * x / (a + 1);
  d = 1 / (std::abs(d) < kTiny ? kTiny : d);
  double value = d;
  for (int m = 1; m <= kFractionTermsMax; ++m) {
    const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    for (const double term : {even, odd}) {
      d = 1 + term * d;
      d = 1 / (std::abs(d) < kTiny ? kTiny : d);
      c = 1 + term / c;
      if (std::abs(c) < kTiny) c = kTiny;
      value *= d * c;
    }
    if (std::abs(d * c - 1) < 1e-13) break;
  }
  return value;
}

// Visits counts 0, 1, 2 ... with their probabilities under the mixture, until `visit` returns false. Returns the first
// count not visited: 0 when a component's mean is too large to start, at most kWalkStepsMax.
template <typename Visit>
int walk(const Predictive& p, Visit&& visit) {
  const std::size_t n = p.location.size();
  std::vector<double> mass(n), growth(n), size(n);
  for (std::size_t k = 0; k < n; ++k) {
    const auto [mean, r] = clamped(p.location[k], p.scale[k]);
    if (mean > kWalkMeanMax) return 0;
    mass[k] = p.weights[k] * std::exp(-r * std::log1p(mean / r));
    growth[k] = mean / (mean + r);
    size[k] = r;
  }
  for (int count = 0; count < kWalkStepsMax; ++count) {
    double total = 0;
    for (std::size_t k = 0; k < n; ++k) {
      total += mass[k];
      mass[k] *= growth[k] * (count + size[k]) / (count + 1);
    }
    if (!visit(count, total)) return count;
  }
  return kWalkStepsMax;
}

}  // namespace

double probability(double mean, double dispersion, double count) {
  if (count < 0 || count != std::floor(count)) return 0;
  const auto [m, r] = clamped(mean, dispersion);
  // Written so that r >> m (nearly Poisson) loses no digits.
  return std::exp(log_gamma(count + r) - log_gamma(r) - log_gamma(count + 1) - r * std::log1p(m / r) + count * std::log(m / (m + r)));
}

double distribution(double mean, double dispersion, double count) {
  if (count < 0) return 0;
  const auto [m, r] = clamped(mean, dispersion);
  const double a = r, b = std::floor(count) + 1, x = r / (r + m);
  const double front = std::exp(log_gamma(a + b) - log_gamma(a) - log_gamma(b) - a * std::log1p(m / r) + b * std::log(m / (m + r)));
  const double value = x < (a + 1) / (a + b + 2) ? front * beta_fraction(a, b, x) / a : 1 - front * beta_fraction(b, a, m / (m + r)) / b;
  return std::clamp(value, 0.0, 1.0);
}

double mixture_probability(const Predictive& p, double count) {
  double sum = 0;
  for (std::size_t k = 0; k < p.location.size(); ++k) sum += p.weights[k] * probability(p.location[k], p.scale[k], count);
  return sum;
}

double mixture_distribution(const Predictive& p, double count) {
  double sum = 0;
  for (std::size_t k = 0; k < p.location.size(); ++k) sum += p.weights[k] * distribution(p.location[k], p.scale[k], count);
  return sum;
}

double mixture_quantile(const Predictive& p, double probability) {
  double reached = 0;
  const int next = walk(p, [&](int, double mass) { return (reached += mass) < probability; });
  if (reached >= probability) return next;
  double low = next, high = std::max(2.0 * next, 16.0);
  while (high < kCountMax && mixture_distribution(p, high) < probability) {
    low = high + 1;
    high *= 2;
  }
  while (low < high) {
    const double middle = std::floor(low + (high - low) / 2);
    if (mixture_distribution(p, middle) < probability) low = middle + 1;
    else high = middle;
  }
  return low;
}

double mixture_crps(const Predictive& p, double count) {
  constexpr double kNegligible = 1e-10;
  double below = 0, sum = 0;
  const int next = walk(p, [&](int n, double mass) {
    if (n > count && 1 - below < 1e-6) return false;
    below += mass;
    const double gap = below - (n >= count ? 1 : 0);
    sum += gap * gap;
    return true;
  });
  if (next > 0 && next < kWalkStepsMax) return sum;
  // Too many counts to visit: the squared gap is smooth on either side of `count`, so panels of many counts do.
  const auto panels = [&](double from, double to, double target) {
    double area = 0;
    const double width = std::max(1.0, std::ceil((to - from) / kStridesMax));
    double left = from < to ? mixture_distribution(p, from) - target : 0;
    for (double at = from; at < to;) {
      // Sum over counts [at, at + step): the trapezoid over them, less half of the last, plus half of the first.
      const double step = std::min(width, to - at);
      const double right = mixture_distribution(p, at + step) - target;
      area += step * (left * left + right * right) / 2 + (left * left - right * right) / 2;
      left = right;
      at += step;
      if (target == 1 && left * left < kNegligible) break;
    }
    return area;
  };
  const double end = std::max(mixture_quantile(p, 1 - 1e-5), std::max<double>(count, next)) + 1;
  sum += panels(next, std::max<double>(next, count), 0);
  sum += panels(std::max<double>(next, count), end, 1);
  return sum;
}

}  // namespace lacuna::model::negative_binomial
