#pragma once

#include <vector>

#include "state/records/schema.h"

// What may be said of a feature of which little is known. A network that has seen few values of a feature knows these by heart, and is
// surer of all others than it can be.

namespace lacuna::model {

/// Values of which so many were learned from are told as the network has them.
inline constexpr double kMatureWeight = 400;

/// How a prediction of a feature is drawn towards what as many values, and no network, would say. Standardised units.
struct SmallSample {
  double weight = kMatureWeight;  ///< values learned from, a patient's further ones for less (patient_weight())
  double keep = 1;                ///< of the network's locations; of its variances the square of it; 1: nothing is corrected
  double location = 0;            ///< what the rest says: the population's mean
  double spread = 1;              ///< and a normal's scale whose interval at the level is that of the population's next value

  bool corrects() const { return keep < 1; }
  double corrected_location(double of_network) const { return keep * of_network + (1 - keep) * location; }
  double corrected_scale(double of_network) const;
  /// Of one class of `classes`, for `of_network` values that sum to 1: as if each had been seen half a time more (Jeffreys 1946).
  double corrected_probability(double of_network, std::size_t classes) const;
};

/// `weight`, `mean` and `sd`: of the values seen, on the feature's scale (of counts: of the values). `low` and `high`: the declared range
/// on that scale; not finite: there is none. `level`: of the intervals.
///
/// The population's next value is told by a Student t distribution: mean and variance of `weight` values, and kPriorWeight more at the
/// middle of the declared range, so spread that they fill it at the level (Gelman et al., Bayesian Data Analysis, 3rd ed., section 3.3).
/// One value alone gives the declared range, which no interval is wider than.
SmallSample small_sample(double weight, double mean, double sd, double low, double high, double level);

}  // namespace lacuna::model
