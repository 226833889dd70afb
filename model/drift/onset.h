#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "state/records/bytes.h"
#include "state/records/time.h"

namespace lacuna::drift {

/// When a change began. Fed with what each outcome says for a change (Evidence::update), whose sum S falls while nothing has
/// changed and rises afterwards: the maximum likelihood estimate of the onset is where S was lowest (Page 1954), and the
/// onsets that the data speak against by no more than a likelihood ratio of 20 make an interval. Keeps kPoints moments of S,
/// denser the newer they are, and sums of outcomes with them, so that before and after can be told. Plain values.
class Onset {
 public:
  static constexpr std::size_t kPoints = 20;
  /// What was observed since the onset.
  struct Since {
    Time onset{}, earliest{}, latest{};
    double updates = 0, sum = 0, expected = 0;  ///< sums over the updates after the onset
  };

  /// An outcome at `at` (not necessarily in order of time), `x` of which `expected` was expected, and its log gain.
  void update(double log_gain, double x, double expected, Time at);
  /// Where S is lowest now: nothing observed so far speaks for a change.
  bool empty() const { return lead_ <= 0; }
  Since estimate() const;
  /// How far S is above its lowest: what the outcomes so far say for a change, as a logarithm (a CUSUM).
  double lead() const { return lead_; }
  void reset() { *this = Onset(); }

  void save(ByteWriter& out) const;
  void load(ByteReader& in);

 private:
  /// A moment, and what S and the sums have grown by since it.
  struct Point {
    Time time{};
    float log_gain = 0, updates = 0, sum = 0, expected = 0;
  };
  void make_room();
  std::array<Point, kPoints> points_;  ///< [0, count_), oldest first
  std::uint32_t count_ = 0;
  float lead_ = 0;
};

}  // namespace lacuna::drift
