#include "model/predictive/calibration_curve.h"

#include <boost/math/distributions/binomial.hpp>
#include <cmath>

#include "model/predictive/predictive.h"

namespace lacuna::model {

bool CalibrationCurve::takes(Likelihood likelihood) { return !is_discrete(likelihood) && likelihood != Likelihood::negative_binomial; }

void CalibrationCurve::add_own(double z) {
  count += 1;
  for (Point& p : points) p.inside_own += std::abs(z) <= normal_quantile((1 + p.level) / 2) ? 1 : 0;
}

std::pair<double, double> binomial_range(std::uint64_t count, double share) {
  if (count == 0 || share <= 0 || share >= 1) return {share, share};
  const auto n = static_cast<double>(count);
  // Each end the least number that at most so many draws come to: outside of both lie 5 % at most.
  using Up = boost::math::policies::policy<boost::math::policies::discrete_quantile<boost::math::policies::integer_round_up>>;
  const boost::math::binomial_distribution<double, Up> draws(n, share);
  return {boost::math::quantile(draws, 0.025) / n, boost::math::quantile(draws, 0.975) / n};
}

}  // namespace lacuna::model
