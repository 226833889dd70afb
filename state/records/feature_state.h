#pragma once

#include "state/records/records.h"

// How one value changes what is known of its feature: the same for whoever keeps it and for whoever learns from it. Pure.

namespace lacuna {

/// As a float, which snapshots hold: a value beyond its range (the schema may allow any) ends there, and does not become infinite.
float to_float(double x);

/// One value into what is known of its feature: a late one counts, and changes nothing else. Of a censored one `value` is the limit, and
/// the true one is taken to be as near to a mean as it may be: a mean that the limit allows stays, any other goes towards the limit.
/// The slope and the previous value are of measured ones alone. Until one was measured there are none of these
/// (FeatureState::unmeasured).
void apply_value(Likelihood likelihood, FeatureState& state, double value, Time time, Comparator comparator = Comparator::equal);

/// What a state has beside its numbers (comparator, unmeasured) as one, as it is stored: below 16, and 0 where nothing is censored.
std::uint8_t censoring_of(const FeatureState& state);
/// Back. False: it is none.
[[nodiscard]] bool take_censoring(std::uint32_t stored, FeatureState& state);
/// The same of a value that arrived.
[[nodiscard]] bool take_censoring(std::uint32_t stored, Comparator& comparator);

/// Whether any value in it is.
bool is_censored(const Example& example);

}  // namespace lacuna
