#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>

#include "model/drift/bets.h"
#include "state/records/bytes.h"
#include "state/records/time.h"

namespace lacuna::drift {


/// Strength of the bets: what the odds are multiplied with. Below 1: bets that the rate fell.
inline constexpr std::array<double, 8> kOldTilts = {0.002, 0.05, 0.2, 0.5, 1.5, 3, 8, 20};
inline constexpr std::size_t kOldFallingBets = 4;

/// A Shiryaev-Roberts mixture e-detector (Shin, Ramdas and Rinaldo, arXiv 2203.03532) for outcomes x in [0, 1] whose conditional
/// mean given the past lies within bounds known before. Bet k multiplies its stake by
///
///     L_k = (1 + (tilt_k - 1) x) / (1 + (tilt_k - 1) p),    p = bounds.low for tilt < 1, bounds.high for tilt > 1,
///
/// the likelihood ratio of odds tilted by tilt_k, linear in x, so that E[L_k] <= 1 for every mean within the bounds and any
/// dependence on the past. R_k = (1 + R_k) L_k starts a new unit stake at each step; the sum over bets of weight_k R_k minus
/// the number of steps has no upward drift, hence stopping at evidence() >= A takes at least A steps on average when nothing
/// changed. Plain values; not thread-safe.
class Detector {
 public:
  /// What is observed since the change is thought to have begun.
  struct Since {
    Time onset{};
    double outcomes = 0, expected = 0;       ///< sums of x and of bounds.expected
    std::uint64_t updates = 0;
    std::map<std::uint16_t, double> gap_by_site;  ///< sums of x - expected
  };

  /// `falling`: also bet that the rate falls; else only that it rises.
  explicit Detector(bool falling) : falling_(falling) { reset(); }

  void update(double x, const Bounds& bounds, Time at, std::uint16_t site);
  double evidence() const;
  /// Of the direction with more evidence.
  bool leans_down() const;
  const Since& since() const { return since_[leans_down() ? 0 : 1]; }
  /// Forgets all evidence.
  void reset();

  void save(ByteWriter& out) const;
  void load(ByteReader& in);

 private:
  struct Bet {
    double stake = 0;    ///< R_k
    double run = 1;      ///< the same without new stakes, not below 1: at 1 the bet sees no change (a CUSUM)
    Time left_floor{};   ///< when `run` last rose from 1
  };
  bool falling_;
  std::array<Bet, kOldTilts.size()> bets_;
  std::array<Since, 2> since_;   ///< fallen, risen
};

}  // namespace lacuna::drift
