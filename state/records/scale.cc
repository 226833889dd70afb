#include "state/records/scale.h"

#include <algorithm>
#include <cmath>

namespace lacuna {

double to_scale(Likelihood likelihood, double value) {
  return likelihood == Likelihood::log_normal ? std::log1p(std::max(value, 0.0)) : value;
}

double from_scale(Likelihood likelihood, double y) {
  return likelihood == Likelihood::log_normal ? std::max(0.0, std::expm1(std::min(y, kExponentMax))) : y;
}

double to_symmetric_scale(Likelihood likelihood, double value) {
  return likelihood == Likelihood::negative_binomial ? std::log1p(value) : to_scale(likelihood, value);
}

double StandardScale::distance(double a, double b) const { return std::abs(of(a) - of(b)) / sd; }

double StandardScale::from_mean(double value) const { return std::abs(mean - of(value)) / sd; }

}  // namespace lacuna
