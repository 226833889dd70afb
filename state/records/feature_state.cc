#include "state/records/feature_state.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "state/records/scale.h"

namespace lacuna {

namespace {

constexpr double kShortHours = 2;
constexpr double kLongHours = 24;
constexpr double kSlopeHours = 6;

// Moves an exponential mean towards `x`, which came `hours` after the value before it. With irregular sampling the old
// mean keeps exp(-hours / tau), so that what counts is elapsed time and not how often somebody measured.
float follow(float mean, double x, double hours, double tau) {
  const double kept = std::exp(-hours / tau);
  return to_float(kept * mean + (1 - kept) * x);
}

}  // namespace

float to_float(double x) {
  constexpr double kMax = std::numeric_limits<float>::max();
  return static_cast<float>(std::clamp(x, -kMax, kMax));
}

void apply_value(Likelihood likelihood, FeatureState& state, double value, Time time) {
  const double x = to_scale(likelihood, value);
  const bool first = state.count == 0;
  // A correction of the only value there ever was restarts the summaries; of a later one it changes `last` alone, since
  // what the corrected value did to the means can no longer be told apart.
  const bool only_one = state.count == 1 && time == state.time;
  if (state.count < std::numeric_limits<std::uint32_t>::max()) ++state.count;
  if (first || only_one) {
    state.mean_short = state.mean_long = state.previous = to_float(x);
    state.slope = 0;
  } else if (time < state.time) {
    return;
  } else if (time > state.time) {
    const double hours = hours_between(state.time, time);
    const double before = to_scale(likelihood, state.last);
    state.mean_short = follow(state.mean_short, x, hours, kShortHours);
    state.mean_long = follow(state.mean_long, x, hours, kLongHours);
    // The rate is weighted by the time over which it held, so two values a second apart cannot make a spike.
    state.slope = follow(state.slope, (x - before) / hours, hours, kSlopeHours);
    state.previous = to_float(before);
  }
  state.last = value;
  state.time = time;
}

}  // namespace lacuna
