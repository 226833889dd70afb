#pragma once

#include "model/predictive/predictive.h"

// The Student t half of Predictive: mixtures of location[k] + scale[k] T, T with freedom[k] degrees of freedom. Distribution
// function: Abramowitz and Stegun 1964, 26.7.1 (regularised incomplete beta). CRPS of one component: Jordan, Krueger and Lerch
// 2019, appendix A.

namespace lacuna::model::student_t {

/// P(T <= t), with full relative accuracy in the lower tail.
double distribution(double freedom, double t);
/// Variance of T: freedom / (freedom - 2).
double variance(double freedom);

double mixture_distribution(const Predictive& p, double y);
/// normal_quantile(mixture_distribution(p, y)), with full relative accuracy in both tails.
double mixture_score(const Predictive& p, double y);
/// The y whose score is z, within 1e-4 scale units or 1e-8 of its distance to the mixture's middle, whichever is more.
double mixture_at(const Predictive& p, double z);
double mixture_log_density(const Predictive& p, double y);
/// Within 1e-6 of the sum of scale[k] weights[k] and the distance between the components. One component: closed form.
double mixture_crps(const Predictive& p, double y);

}  // namespace lacuna::model::student_t
