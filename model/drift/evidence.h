#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "state/records/bytes.h"

namespace lacuna::drift {

/// values[from[i]] for each i.
template <typename Values>
Values reordered(const Values& values, std::span<const std::size_t> from) {
  Values out;
  out.reserve(from.size());
  for (const std::size_t i : from) out.push_back(values[i]);
  return out;
}

/// A Shiryaev-Roberts mixture e-detector (Shin, Ramdas and Rinaldo, arXiv 2203.03532, section 4). Each of K bets turns an
/// outcome into a gain L_k >= 0 with E[L_k | past] <= 1 while nothing has changed; R_k = (1 + R_k) L_k starts a new unit stake
/// at each step. With weights that sum to 1, value() = sum of weight_k R_k, minus the number of steps, has no upward drift, hence
/// stopping at value() >= A takes at least A steps on average when nothing changed, whatever the outcomes depend on.
///
/// Stakes are capped at 1e250, far above any threshold, and cannot underflow: R_k >= L_k, and a gain below 1e-250 counts as
/// that. So they are held as they are: their logarithms would cost ten times as much and tell the same. 8 bytes a bet.
/// Plain values; not thread-safe.
class Evidence {
 public:
  /// One stake for each weight; `weights` must outlive this (they are constants of a family of bets).
  explicit Evidence(std::span<const double> weights) : weights_(weights), stakes_(weights.size()) {}

  /// `gains`: one for each weight. Returns the logarithm of the factor by which the stakes at hand, without new ones, grew in
  /// weighted mean: what the bets, weighted by their success so far, say for this one outcome.
  double update(std::span<const double> gains);
  double value() const;
  double log_value() const;
  /// weight_k R_k.
  double share(std::size_t bet) const { return weights_[bet] * stakes_[bet]; }
  std::size_t size() const { return stakes_.size(); }
  void reset();
  /// The same bets in another order: from[k] is where the one at k was.
  void reorder(std::span<const std::size_t> from);

  void save(ByteWriter& out) const;
  void load(ByteReader& in);

 private:
  std::span<const double> weights_;
  std::vector<double> stakes_;
};

}  // namespace lacuna::drift
