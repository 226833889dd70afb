#include "model/predictive/coverage.h"

#include <algorithm>
#include <limits>

namespace lacuna::model {

void Coverage::add(bool held, bool held_centrally, double value) {
  const std::size_t slot = count % kCoverageWindow;
  const std::uint64_t bit = std::uint64_t{1} << (slot % 64);
  std::uint64_t& word = window[slot / 64];
  if ((word & bit) != 0) in_window -= 1;
  word = held ? word | bit : word & ~bit;
  in_window += held ? 1 : 0;
  lowest = count == 0 ? value : std::min(lowest, value);
  highest = count == 0 ? value : std::max(highest, value);
  count += 1;
  covered += held ? 1 : 0;
  central += held_centrally ? 1 : 0;
  if (count < kCoverageWindow) return;
  least = count == kCoverageWindow ? in_window : std::min(least, in_window);
  most = count == kCoverageWindow ? in_window : std::max(most, in_window);
}

void Coverage::another_unit() {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const bool single = single_valued() || lowest > highest;
  lowest = single ? kInfinity : -kInfinity;
  highest = -lowest;
}

}  // namespace lacuna::model
