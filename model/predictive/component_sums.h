#pragma once

#include "model/predictive/predictive.h"

// Sums over the components of a mixture of normals (normal, log_normal), on the mixture's scale: as many components at a time as the
// processor's instructions take, chosen when the program starts. A prediction that is no number gives a sum that is none.

namespace lacuna::model::component_sums {

struct Tails {
  double lower = 0, upper = 0, density = 0;
};

/// Mass at or below y and above it, each with full relative accuracy when it is the small one, and the density at y. By erfc and exp of
/// the C library, which where it has them for several numbers at a time (glibc's libmvec) are within 4 units in the last place.
Tails tails(const Predictive& p, double y);

/// Continuous ranked probability score (Grimit et al. 2006, eq. 5). To the value in double precision; from component to component in single
/// precision, within 1e-6 of their mean distance and scale.
double crps(const Predictive& p, double y);

}  // namespace lacuna::model::component_sums
