#pragma once

#include "state/records/schema.h"

// The scale of a likelihood: where means, slopes, errors and predictive distributions of a feature live. One home, since a snapshot's
// mean, a network's input and a score have to agree on it.

namespace lacuna {

/// log(1 + x) for log_normal, of which what is below 0 counts as 0; x for others.
double to_scale(Likelihood likelihood, double value);
/// Back: never negative for log_normal, whatever mass a normal on log(1 + x) has below 0, and never infinite.
double from_scale(Likelihood likelihood, double y);
/// Where values of the likelihood are about symmetric, as detectors of a shift want them: log(1 + x) of counts too, whose errors are
/// scored as they are.
double to_symmetric_scale(Likelihood likelihood, double value);

/// Exponents beyond it are taken as it: their exponential is finite still.
inline constexpr double kExponentMax = 300;

/// A feature's scale with the mean and spread of a population on it: what errors are told in.
struct StandardScale {
  Likelihood likelihood = Likelihood::normal;
  double mean = 0;
  double sd = 1;  ///< above 0

  double of(double value) const { return to_scale(likelihood, value); }
  /// How far apart two values (natural units) are, in standard deviations.
  double distance(double a, double b) const;
  /// How far a value (natural units) is from the mean.
  double from_mean(double value) const;
};

}  // namespace lacuna
