#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "model/drift/bets.h"
#include "state/records/bytes.h"
#include "state/records/time.h"

namespace lacuna::drift {

/// Counts are halved when they reach this: what is normal may change slowly, and state stays small.
inline constexpr double kCellUpdatesMax = 20'000;

/// What is normal of a rate, learned from the stream: a rate per cell (what is known of the patient), times an odds factor per group
/// of cells and hour of day, times one per group and day of the week. All are shrunk: a cell towards the overall rate, a factor
/// towards 1. Not thread-safe.
class Baseline {
 public:
  /// Log odds by which a rate may lie below and above the estimate and still be normal, on top of the estimate's own uncertainty.
  struct Slack {
    double below = 0, above = 0;
  };
  struct Options {
    std::vector<std::uint8_t> groups = {0};  ///< of each cell
    Slack slack;
    double floor = 0;          ///< the expected rate is never taken to be lower
    double design_effect = 3;  ///< design effect: hours of one patient are alike; so many count as one
    bool calendar = true;      ///< factors of the hour and the day
  };
  explicit Baseline(Options options);

  Bounds bounds(std::size_t cell, Time at) const;
  void learn(std::size_t cell, Time at, double x);
  double overall() const;
  void forget();

  void save(ByteWriter& out) const;
  void load(ByteReader& in);

 private:
  struct Cell {
    float updates = 0, hits = 0;
  };
  struct Factor {
    float updates = 0, hits = 0, expected = 0;
    double log_odds(double prior) const;
    double variance(double prior) const;  ///< of log_odds
    void learn(double x, double p);
  };
  double log_odds(const Cell& cell) const;
  std::size_t hour_factor(std::size_t cell, Time at) const;
  std::size_t day_factor(std::size_t cell, Time at) const;
  template <typename Self, typename Visit>
  static void each_number(Self& self, Visit&& visit);

  /// So many days have taught the calendar's factors.
  double days() const { return std::max(1.0f, last_day_ - first_day_ + 1); }

  Options options_;
  float first_day_ = 0, last_day_ = -1;  ///< since 1970, of what was learned; the last before the first: nothing was
  Cell all_;
  std::vector<Cell> cells_;
  std::vector<Factor> hours_, days_;  ///< [group][hour of day], [group][day of the week]
};

}  // namespace lacuna::drift
