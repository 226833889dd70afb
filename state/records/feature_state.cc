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

/// The true value that is nearest to `near`, of which `limit` is told.
double nearest(Comparator comparator, double limit, double near) {
  if (!is_censored(comparator)) return limit;
  return is_below(comparator) ? std::min(near, limit) : std::max(near, limit);
}

/// The summaries of a feature of which nothing else was measured.
void begin(FeatureState& state, double x, Comparator comparator) {
  state.mean_short = state.mean_long = state.previous = to_float(x);
  state.slope = 0;
  state.unmeasured = is_censored(comparator);
}

}  // namespace

float to_float(double x) {
  constexpr double kMax = std::numeric_limits<float>::max();
  return static_cast<float>(std::clamp(x, -kMax, kMax));
}

void apply_value(Likelihood likelihood, FeatureState& state, double value, Time time, Comparator comparator) {
  const double x = to_scale(likelihood, value);
  const bool first = state.count == 0;
  // A correction of the only value there ever was restarts the summaries; of a later one it changes `last` alone, since
  // what the corrected value did to the means can no longer be told apart.
  const bool only_one = state.count == 1 && time == state.time;
  if (state.count < std::numeric_limits<std::uint32_t>::max()) ++state.count;
  if (!first && !only_one && time < state.time) return;
  if (first || only_one || state.unmeasured) {
    begin(state, x, comparator);
  } else if (time > state.time) {
    const double hours = hours_between(state.time, time);
    const double before = to_scale(likelihood, state.last);
    state.mean_short = follow(state.mean_short, nearest(comparator, x, state.mean_short), hours, kShortHours);
    state.mean_long = follow(state.mean_long, nearest(comparator, x, state.mean_long), hours, kLongHours);
    if (!is_censored(state.comparator)) {
      // The rate is weighted by the time over which it held, so two values a second apart cannot make a spike.
      if (!is_censored(comparator)) state.slope = follow(state.slope, (x - before) / hours, hours, kSlopeHours);
      state.previous = to_float(before);
    }
  }
  state.last = value;
  state.time = time;
  state.comparator = comparator;
}

namespace {
constexpr std::uint32_t kUnmeasured = 8;
}  // namespace

std::uint8_t censoring_of(const FeatureState& state) {
  return static_cast<std::uint8_t>(static_cast<std::uint32_t>(state.comparator) | (state.unmeasured ? kUnmeasured : 0));
}

bool take_censoring(std::uint32_t stored, Comparator& comparator) {
  if (stored > static_cast<std::uint32_t>(Comparator::greater)) return false;
  comparator = static_cast<Comparator>(stored);
  return true;
}

bool take_censoring(std::uint32_t stored, FeatureState& state) {
  state.unmeasured = (stored & kUnmeasured) != 0;
  return take_censoring(stored & ~kUnmeasured, state.comparator) && !(state.unmeasured && !is_censored(state.comparator));
}

bool is_censored(const Example& example) {
  const auto of_state = [](const FeatureState& f) { return is_censored(f.comparator); };
  const auto of_value = [](const FeatureValue& v) { return is_censored(v.comparator); };
  return std::any_of(example.before.features.begin(), example.before.features.end(), of_state) ||
         std::any_of(example.arrived.begin(), example.arrived.end(), of_value);
}

}  // namespace lacuna
