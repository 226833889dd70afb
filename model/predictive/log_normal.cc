#include "model/predictive/log_normal.h"

#include <algorithm>
#include <boost/math/quadrature/gauss_kronrod.hpp>
#include <cmath>

#include "state/records/scale.h"

namespace lacuna::model::log_normal {
namespace {

// Standard deviations of a component beyond which nothing of it is left: 1e-17.
constexpr double kReach = 8.5;
constexpr unsigned kHalvingsMax = 12;
constexpr double kTolerance = 1e-7;

double on_scale(double value) { return to_scale(Likelihood::log_normal, value); }

double below(const Predictive& p, double y) {
  double sum = 0;
  for (std::size_t k = 0; k < p.weights.size(); ++k) sum += p.weights[k] * normal_cdf((y - p.location[k]) / p.scale[k]);
  return sum;
}

double above(const Predictive& p, double y) {
  double sum = 0;
  for (std::size_t k = 0; k < p.weights.size(); ++k) sum += p.weights[k] * normal_cdf((p.location[k] - y) / p.scale[k]);
  return sum;
}

// Where the mixture has its mass; what lies below `low` counts as lying there, since no value is negative in either unit.
struct Range {
  double low = INFINITY, high = -INFINITY;

  explicit Range(const Predictive& p) {
    for (std::size_t k = 0; k < p.weights.size(); ++k) {
      low = std::min(low, p.location[k] - kReach * p.scale[k]);
      high = std::max(high, p.location[k] + kReach * p.scale[k]);
    }
    low = std::max({low, 0.0, scale_of(p, 0)});
    high = std::clamp(high, low, std::max(low, kExponentMax));
  }
  bool finite() const { return std::isfinite(low) && std::isfinite(high); }
};

template <typename F>
double integral(const F& f, double from, double to) {
  if (!(to > from)) return 0;
  return boost::math::quadrature::gauss_kronrod<double, 15>::integrate(f, from, to, kHalvingsMax, kTolerance);
}

}  // namespace

double value_of(const Predictive& p, double y) {
  return std::max(0.0, p.unit.factor * from_scale(Likelihood::log_normal, y) + p.unit.offset);
}

double scale_of(const Predictive& p, double value) { return on_scale((value - p.unit.offset) / p.unit.factor); }

double steepness(const Predictive& p, double y) {
  return p.unit.factor / ((1 - p.unit.factor + p.unit.offset) * std::exp(-y) + p.unit.factor);
}

std::pair<double, double> moments_on_scale(const Predictive& p) {
  const Range range(p);
  if (!range.finite()) return {NAN, NAN};
  const auto at = [&p](double y) { return on_scale(value_of(p, y)); };
  const double mean = at(range.low) + integral([&](double y) { return above(p, y) * steepness(p, y); }, range.low, range.high);
  const double middle = std::clamp(scale_of(p, std::expm1(mean)), range.low, range.high);
  const double lower = integral([&](double y) { return below(p, y) * 2 * (mean - at(y)) * steepness(p, y); }, range.low, middle);
  const double upper = integral([&](double y) { return above(p, y) * 2 * (at(y) - mean) * steepness(p, y); }, middle, range.high);
  return {mean, std::sqrt(std::max(lower + upper, 0.0))};
}

double mixture_crps(const Predictive& p, double value) {
  const Range range(p);
  if (!range.finite()) return NAN;
  const double at = std::clamp(scale_of(p, value), range.low, range.high);
  const double lower = integral(
      [&](double y) {
        const double f = below(p, y);
        return f * f * steepness(p, y);
      },
      range.low, at);
  const double upper = integral(
      [&](double y) {
        const double f = above(p, y);
        return f * f * steepness(p, y);
      },
      at, range.high);
  // Where the value lies beyond all mass, there is nothing but the way to it.
  return lower + upper + std::abs(on_scale(value) - on_scale(value_of(p, at)));
}

}  // namespace lacuna::model::log_normal
