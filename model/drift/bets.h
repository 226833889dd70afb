#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <vector>

#include "state/records/bytes.h"

// The bets: what turns an outcome into the gains that Evidence multiplies. Every gain is at least 0 and has a mean of at most 1
// while the outcome is distributed as the baseline says, for every baseline within the bounds given.

namespace lacuna::drift {

/// What a rate is known to be before an outcome is seen: any rate in [low, high] counts as no change.
struct Bounds {
  double low = 0;
  double expected = 0;
  double high = 0;
};

// --- rates: outcomes x in [0, 1], of which the conditional mean given the past is known within bounds ---

/// What the odds are multiplied with; the first kFallingBets bet that the rate fell. Rises get three quarters of the weight
/// where both are watched: half of the grid finds 0.10 -> 0.20 at a stated run length of 10 million in 290 outcomes.
inline constexpr std::size_t kFallingBets = 4, kRisingBets = 5, kRateBets = kFallingBets + kRisingBets;
inline constexpr std::array<double, kRateBets> kTilts = {0.05, 0.25, 0.5, 0.7, 1.4, 1.9, 2.8, 5, 12};
enum class Direction : unsigned char { fall, rise, both };
/// Of kRateBets bets; those of the other direction weigh 0.
std::span<const double> rate_weights(Direction direction);

///     L_k = (1 + (tilt_k - 1) x) / (1 + (tilt_k - 1) p),    p = bounds.low for tilt < 1, bounds.high for tilt > 1,
/// the likelihood ratio of odds tilted by tilt_k, linear in x, so that it bounds the mean of every x in [0, 1] as well.
void rate_gains(double x, const Bounds& bounds, std::span<double> gains);

// --- scores: z, which is standard normal when nothing changed (a probability integral transform on the normal scale) ---

inline constexpr std::size_t kScoreBets = 12;
inline constexpr double kScoreMax = 4;  ///< |z| beyond it counts as it: one outcome must not decide
std::span<const double> score_weights();
/// Bets that the mean moved, exp(delta z - delta^2 / 2), and that the sd became s, exp(z^2 (1 - s^-2) / 2) / s. E[L_k] <= 1 for z
/// exactly standard normal; where z is only roughly so, divide by a bound on the mean gain (Reference).
void score_gains(double z, std::span<double> gains);
/// For people: the location (or 0) and the sd (or 1) that a bet stands for.
struct ScoreBet {
  double delta = 0, sd = 1;
};
const std::array<ScoreBet, kScoreBets>& score_bets();

// --- categories: j in 0..J-1, of which the probability is known within bounds ---

/// Forecasts that forget with different memories, each a Dirichlet posterior around the baseline: a mixture over what the
/// distribution may have become (Dirichlet mixture, Csiszar and Shields 2004, section 6; with exponential forgetting).
class Forecasts {
 public:
  static constexpr std::array<double, 3> kMemories = {12, 48, 200};  ///< outcomes
  explicit Forecasts(std::size_t categories);
  static std::span<const double> weights();
  /// L_r = q_r(j) / high(j), with the forecast q_r made before j was seen; then learns j. `expected`, `high`: per category, the
  /// baseline and the upper bound on its probabilities.
  void gains(std::size_t category, std::span<const double> expected, std::span<const double> high, std::span<double> gains);
  void reset();
  /// The same categories in another order: from[j] is where the one at j was.
  void reorder(std::span<const std::size_t> from);
  void save(ByteWriter& out) const;
  void load(ByteReader& in);

 private:
  std::size_t categories_;
  std::vector<float> counts_;  ///< [memory][category], forgotten exponentially
};

}  // namespace lacuna::drift
