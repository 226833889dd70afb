#include "model/predictive/truncated_normal.h"

#include <algorithm>
#include <cmath>

#include "model/predictive/predictive.h"

namespace lacuna::model {

TruncatedNormal truncated_normal(double limit, Comparator comparator) {
  constexpr double kLimitMax = 8, kInvSqrt2Pi = 0.3989422804014327;
  const double sign = is_below(comparator) ? 1 : -1, z = sign * std::clamp(limit, -kLimitMax, kLimitMax);
  const double ratio = kInvSqrt2Pi * std::exp(-0.5 * z * z) / normal_cdf(z);
  return {-sign * ratio, std::clamp(1 - z * ratio - ratio * ratio, 0.0, 1.0)};
}

}  // namespace lacuna::model
