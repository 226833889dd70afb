#pragma once

#include <algorithm>
#include <array>
#include <cstddef>

#include "model/drift/options.h"

namespace lacuna::drift {

inline constexpr double kHoursPerMonth = 30 * 24;

/// Thresholds from the one number an operator sets. A subject whose run length to a false alarm is at least A updates raises
/// at most (updates a month) / A false alarms a month; the sum over all subjects is the budget. Subjects may join at any time: all
/// thresholds of their kind rise with them. Plain values.
class Budget {
 public:
  explicit Budget(const MonitorOptions& options) : options_(options) {}

  void join(Kind kind) { subjects_[index(kind)] += 1; }
  /// False alarms a month that one subject of this kind may raise.
  double share(Kind kind) const {
    double weights = 0;
    for (std::size_t k = 0; k < kKinds; ++k) weights += subjects_[k] > 0 ? options_.weights[k] : 0;
    const std::size_t k = index(kind);
    return options_.false_per_month * options_.weights[k] / weights / static_cast<double>(subjects_[k]);
  }
  /// Also with a lavish budget, an alert is not a coin toss.
  static constexpr double kThresholdMin = 1000;
  double threshold(Kind kind, double updates_per_month) const { return std::max(kThresholdMin, updates_per_month / share(kind)); }

 private:
  static std::size_t index(Kind kind) { return static_cast<std::size_t>(kind); }
  MonitorOptions options_;
  std::array<std::size_t, kKinds> subjects_{};
};

}  // namespace lacuna::drift
