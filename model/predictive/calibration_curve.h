#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "state/records/schema.h"

// How often central intervals hold, level by level.

namespace lacuna::model {

/// Counts of values inside intervals of several levels. Plain values.
struct CalibrationCurve {
  struct Point {
    double level = 0;
    std::uint64_t inside = 0;      ///< of intervals that were calibrated
    std::uint64_t inside_own = 0;  ///< of the model's own
  };
  static constexpr std::size_t kLevels = 10;
  std::uint64_t count = 0;  ///< values
  std::array<Point, kLevels> points{{{0.1}, {0.2}, {0.3}, {0.4}, {0.5}, {0.6}, {0.7}, {0.8}, {0.9}, {0.95}}};

  /// Numbers alone: of counts and classes an interval holds whole values, so that it is right to hold more often than its level.
  static bool takes(Likelihood likelihood);
  /// A further value, whose normal score under the model's own distribution is `z`. Adds to `count` and `inside_own`.
  void add_own(double z);
};

/// Between which shares the share of `count` independent draws lies that come true with probability `share`: the central 95 %.
std::pair<double, double> binomial_range(std::uint64_t count, double share);

}  // namespace lacuna::model
