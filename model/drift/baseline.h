#pragma once

#include <cstdint>
#include <vector>

#include "model/drift/detector.h"

namespace lacuna::drift {

/// A cell's counts are halved when they reach this: what is normal may change slowly, and state stays small.
inline constexpr double kCellUpdatesMax = 20'000;
inline constexpr int kHoursOfDay = 24;

/// What is normal, learned from the stream: a rate per cell (what is known of the patient), times an odds factor per group
/// of cells and hour of day. Both are shrunk: a cell towards the overall rate, a factor towards 1. Not thread-safe.
class Baseline {
 public:
  /// `group_of[c]`: group of cell c. `slack`: log odds by which a rate may lie below and above the estimate and still be normal, on
  /// top of the estimate's own uncertainty. `floor`: the expected rate is never taken to be lower.
  struct Slack {
    double below = 0, above = 0;
  };
  Baseline(std::vector<std::uint8_t> group_of, Slack slack, double floor);

  Bounds bounds(std::size_t cell, int hour_of_day) const;
  void learn(std::size_t cell, int hour_of_day, double x);
  double overall() const;

  void save(ByteWriter& out) const;
  void load(ByteReader& in);

 private:
  struct Cell {
    double updates = 0, hits = 0;
  };
  struct Factor {
    double updates = 0, hits = 0, expected = 0;
  };
  double log_odds(const Cell& cell) const;
  template <typename Self, typename Visit>
  static void each_number(Self& self, Visit&& visit);

  std::vector<std::uint8_t> group_of_;
  Slack slack_;
  double floor_;
  Cell all_;
  std::vector<Cell> cells_;
  std::vector<Factor> factors_;  ///< [group][hour of day]
};

}  // namespace lacuna::drift
