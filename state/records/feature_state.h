#pragma once

#include "state/records/records.h"

// How one value changes what is known of its feature: the same for whoever keeps it and for whoever learns from it. Pure.

namespace lacuna {

/// As a float, which snapshots hold: a value beyond its range (the schema may allow any) ends there, and does not become infinite.
float to_float(double x);

/// One value into what is known of its feature: a late one counts, and changes nothing else.
void apply_value(Likelihood likelihood, FeatureState& state, double value, Time time);

}  // namespace lacuna
