#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace lacuna::model {

/// Values in a row over which coverage is followed.
inline constexpr std::size_t kCoverageWindow = 500;

/// How often the intervals of one feature held: over all its values, and in the best and the worst of all runs of kCoverageWindow values.
/// Bounded, whatever comes.
struct Coverage {
  std::uint64_t count = 0, covered = 0;
  std::uint64_t central = 0;       ///< how often the model's own central interval held, before calibration, by the randomised PIT
  double lowest = 0, highest = 0;  ///< of the values, on any one scale (see another_unit); no meaning when count is 0
  std::array<std::uint64_t, (kCoverageWindow + 63) / 64> window{};  ///< of the newest values, a bit each, as a ring
  std::uint64_t in_window = 0;                                      ///< of these, how many were covered
  std::uint64_t least = 0, most = 0;  ///< covered in the worst and the best window; no meaning before there is one

  void add(bool held, bool held_centrally, double value);
  /// What comes is on another scale than what came. Whether all were the same is still known when they were not; else it is of those
  /// that come.
  void another_unit();

  bool has_window() const { return count >= kCoverageWindow; }
  double ratio() const { return share(covered, count); }
  double central_ratio() const { return share(central, count); }
  double worst_window() const { return share(least, kCoverageWindow); }
  double best_window() const { return share(most, kCoverageWindow); }
  /// Every value was the same: then no interval but a wrong one misses any.
  bool single_valued() const { return count > 0 && lowest == highest; }

 private:
  static double share(std::uint64_t part, std::uint64_t whole) {
    return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
  }
};

/// Every field in stored order, for writing and reading alike.
template <typename CoverageType, typename Visit>
void each_coverage_field(CoverageType& c, Visit&& visit) {
  visit(c.count), visit(c.covered), visit(c.central), visit(c.lowest), visit(c.highest);
  for (auto& word : c.window) visit(word);
  visit(c.in_window), visit(c.least), visit(c.most);
}

}  // namespace lacuna::model
