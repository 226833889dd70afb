#include "model/predictive/small_sample.h"

#include <algorithm>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>

#include "model/predictive/predictive.h"

namespace lacuna::model {

namespace {

/// Values that a declared range is worth. A plausible range is many standard deviations wide: more would make intervals of five values
/// wider than these alone do.
constexpr double kPriorWeight = 0.02;
/// The moments are robust: of a few values some count as if they lay nearer, which takes from the spread. Simulated: with this factor t
/// intervals of 4 to 32 normal values hold what they say; two values are told as they are.
double robustness(double n) { return n < 3 ? 1 : 1 + 3 / (n * n); }
/// At so many values what the network says and what the population says have the same say in a location.
constexpr double kHalfWeight = 20;

}  // namespace

double SmallSample::corrected_scale(double of_network) const {
  if (!corrects()) return of_network;
  // Never surer than the network: of those in whom a feature is not measured it may know that they differ from all who are in the spread.
  return std::max(of_network, std::sqrt(keep * keep * of_network * of_network + (1 - keep * keep) * spread * spread));
}

double SmallSample::corrected_probability(double of_network, std::size_t classes) const {
  return (weight * of_network + 0.5) / (weight + 0.5 * static_cast<double>(classes));
}

SmallSample small_sample(double weight, double mean, double sd, double low, double high, double level) {
  SmallSample out;
  if (weight >= kMatureWeight) return out;
  const double n = std::max(weight, 1.0), z = normal_quantile((1 + level) / 2);
  const bool ranged = std::isfinite(low) && std::isfinite(high);
  const double prior = ranged ? kPriorWeight : 0, width = ranged ? (high - low) / (2 * z) : 0, off = ranged ? (low + high) / 2 - mean : 0;
  const double freedom = ranged ? prior + n - 1 : std::max(n - 1, 1.0);
  const double variance = (prior * width * width + sd * sd * n + prior * n / (prior + n) * off * off) / freedom;
  const double quantile = boost::math::quantile(boost::math::students_t(freedom), (1 + level) / 2);
  double spread = robustness(n) * std::sqrt(variance * (1 + 1 / (prior + n))) * quantile / z;
  if (ranged) spread = std::min(spread, width);
  out.weight = n;
  out.keep = n * n / (n * n + kHalfWeight * kHalfWeight);
  out.location = prior * off / (prior + n) / sd;
  out.spread = spread / sd;
  return out;
}

}  // namespace lacuna::model
