#include "model/predictive/component_sums.h"

#include <array>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <utility>
#include <vector>

// Compiled with -O3 -ffast-math (CMakeLists.txt), without which a compiler may neither reorder a sum nor call several erfc at once. Nothing
// is decided here by what is not finite. The sanitizers cannot follow a choice that is made before they are ready.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define LACUNA_FOR_EACH_PROCESSOR __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#else
#define LACUNA_FOR_EACH_PROCESSOR
#endif

namespace lacuna::model::component_sums {
namespace {

// E|Z + t| for a standard normal Z is sqrt(t^2 + h(t^2)): 2 phi(t) + t erf(t / sqrt 2). h falls smoothly from 2 / pi to 2.3e-7 at the
// reach, and is interpolated at Chebyshev's nodes: the expectation is within 5e-7 of itself, rounding included.
constexpr std::size_t kTerms = 18;
constexpr float kReach = 28;

std::array<float, kTerms> expansion() {
  std::array<float, kTerms> out{};
  for (std::size_t j = 0; j < kTerms; ++j) {
    double sum = 0;
    for (std::size_t k = 0; k < kTerms; ++k) {
      const double angle = std::numbers::pi * (static_cast<double>(k) + 0.5) / kTerms;
      const double square = 0.5 * kReach * (std::cos(angle) + 1), t = std::sqrt(square);
      const double mean = t * std::erf(t / std::numbers::sqrt2) + std::sqrt(2 / std::numbers::pi) * std::exp(-0.5 * square);
      sum += (mean * mean - square) * std::cos(angle * static_cast<double>(j));
    }
    out[j] = static_cast<float>((j == 0 ? 1 : 2) * sum / kTerms);
  }
  return out;
}

const std::array<float, kTerms> kExpansion = expansion();

// E|S Z + d| for a standard normal Z, S^2 = variance, by Clenshaw's recurrence, each term written out: a loop within a loop is not
// vectorised.
template <std::size_t... kFromLast>
inline float distance(const float* expansion, float d, float variance, std::index_sequence<kFromLast...>) {
  const float square = d * d, ratio = square / variance;
  const float u = (ratio < kReach ? ratio : kReach) * (2 / kReach) - 1;
  float here = 0, next = 0, after = 0;
  ((here = expansion[kTerms - 1 - kFromLast] - after + 2 * u * next, after = next, next = here), ...);
  return std::sqrt(square + variance * (expansion[0] - after + u * next));
}

inline float distance(const float* expansion, float d, float variance) {
  return distance(expansion, d, variance, std::make_index_sequence<kTerms - 1>());
}

LACUNA_FOR_EACH_PROCESSOR void add_tails(const float* weight, const float* location, const float* scale, std::size_t count, double y,
                                         Tails& out) {
  double lower = 0, upper = 0, density = 0;
  for (std::size_t k = 0; k < count; ++k) {
    const double w = weight[k], per = 1.0 / scale[k], t = (y - location[k]) * per;
    const double tail = 0.5 * std::erfc(std::abs(t) * (std::numbers::sqrt2 / 2));
    const double below = t < 0 ? 1 : 0;
    lower += w * (below * tail + (1 - below) * (1 - tail));
    upper += w * (below * (1 - tail) + (1 - below) * tail);
    density += w * per * std::exp(-0.5 * t * t);
  }
  out = {lower, upper, density * (std::numbers::inv_sqrtpi / std::numbers::sqrt2)};
}

// Of all components to y.
LACUNA_FOR_EACH_PROCESSOR double distance_to_value(const float* weight, const float* location, const float* scale, std::size_t count,
                                                   double y) {
  constexpr double kAtZero = std::numbers::inv_sqrtpi * std::numbers::sqrt2;  // E|Z|
  double sum = 0;
  for (std::size_t k = 0; k < count; ++k) {
    const double s = scale[k], t = (y - location[k]) / s;
    sum += weight[k] * s * (t * std::erf(t * (std::numbers::sqrt2 / 2)) + kAtZero * std::exp(-0.5 * t * t));
  }
  return sum;
}

struct Normals {
  const float *weight, *location, *variance;
};

// Of each of `count` normals to that which lies `apart` behind it.
LACUNA_FOR_EACH_PROCESSOR float distance_to_others(Normals n, std::size_t apart, std::size_t count, const float* expansion) {
  const Normals o{n.weight + apart, n.location + apart, n.variance + apart};
  float sum = 0;
  for (std::size_t k = 0; k < count; ++k) {
    sum += n.weight[k] * o.weight[k] * distance(expansion, n.location[k] - o.location[k], n.variance[k] + o.variance[k]);
  }
  return sum;
}

}  // namespace

Tails tails(const Predictive& p, double y) {
  Tails out;
  add_tails(p.weights.data(), p.location.data(), p.scale.data(), p.location.size(), y, out);
  return out;
}

double crps(const Predictive& p, double y) {
  const std::size_t count = p.location.size();
  double unit = 0, to_itself = 0;
  for (std::size_t k = 0; k < count; ++k) {
    const double weight = p.weights[k];
    unit += weight * p.scale[k];
    to_itself += weight * weight * p.scale[k];
  }
  const double per = 1 / unit;
  std::vector<float> numbers(6 * count);  // each component twice
  float *const weight = numbers.data(), *const location = weight + 2 * count, *const variance = location + 2 * count;
  for (std::size_t k = 0; k < count; ++k) {
    const double scale = p.scale[k] * per;
    weight[k] = weight[k + count] = p.weights[k];
    location[k] = location[k + count] = static_cast<float>((p.location[k] - p.location[0]) * per);
    variance[k] = variance[k + count] = static_cast<float>(scale * scale);
  }
  // In a ring each pair is met once at a distance below half of the way round, and those that lie opposite from one half of them.
  double to_others = 0;
  for (std::size_t apart = 1; 2 * apart <= count; ++apart) {
    to_others +=
        static_cast<double>(distance_to_others({weight, location, variance}, apart, 2 * apart == count ? apart : count, kExpansion.data()));
  }
  return distance_to_value(p.weights.data(), p.location.data(), p.scale.data(), count, y) - std::numbers::inv_sqrtpi * to_itself -
         unit * to_others;
}

}  // namespace lacuna::model::component_sums
