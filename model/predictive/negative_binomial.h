#pragma once

#include "model/predictive/predictive.h"

// The negative binomial half of Predictive: mixtures over counts, location = mean, scale = dispersion r.

namespace lacuna::model::negative_binomial {

/// P(X = count) of one component.
double probability(double mean, double dispersion, double count);
/// P(X <= count) of one component: the regularised incomplete beta function I_{r/(r+mean)}(r, count + 1).
double distribution(double mean, double dispersion, double count);

double mixture_probability(const Predictive& p, double count);
double mixture_distribution(const Predictive& p, double count);
/// Smallest count whose distribution function reaches `probability`.
double mixture_quantile(const Predictive& p, double probability);
double mixture_crps(const Predictive& p, double count);

}  // namespace lacuna::model::negative_binomial
