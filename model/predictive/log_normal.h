#pragma once

#include <utility>

#include "model/predictive/predictive.h"

// Of Predictive: a log-normal mixture whose values are asked for in another unit (Predictive::unit). On log(1 + x) of that unit it is no
// mixture of normals, so that what is said on this scale takes an integral: by adaptive quadrature, to 1e-6 of the spread.

namespace lacuna::model::log_normal {

/// A value in the caller's unit, of one on the mixture's scale; never negative. And back.
double value_of(const Predictive& p, double y);
double scale_of(const Predictive& p, double value);
/// d log(1 + value) / dy at the mixture's y.
double steepness(const Predictive& p, double y);

/// Mean and standard deviation of log(1 + value).
std::pair<double, double> moments_on_scale(const Predictive& p);
/// Continuous ranked probability score on log(1 + value).
double mixture_crps(const Predictive& p, double value);

}  // namespace lacuna::model::log_normal
