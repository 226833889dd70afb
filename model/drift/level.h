#pragma once

#include <array>
#include <cstdint>

#include "state/records/bytes.h"
#include "state/records/time.h"

namespace lacuna::drift {

/// What the values of a feature were before something changed, and whether they are so again: whatever a model that goes on learning has
/// made of the change. A histogram on the scale of the values' own mean and spread, against the one of the values since; the bet that it
/// is as before, against half-way to that, has gains of mean at most 1 while it is as it was when the alarm was raised. One outcome per
/// patient and hour; time is clinical. Plain values; not thread-safe.
class Level {
 public:
  static constexpr std::size_t kBins = 12;
  static constexpr double kLearnedMin = 200;  ///< values before which nothing is known

  /// `y`: a value on a scale on which they are about symmetric. `held`: something about it is alarmed; its onset was so many outcomes
  /// ago. What is seen then is held against what was learned before.
  void observe(double y, Time at, bool held, double outcomes_since_onset);
  /// What was observed last is normal. Not while it is held.
  void learn(double y);
  /// Is it as it was before the onset, or too near to that to be told from it? True where nothing is known of it.
  bool back() const;
  /// Enough was learned to tell.
  bool known() const { return count_ >= kLearnedMin; }
  /// Of the values since it is held: their mean, in standard deviations of those before, from their mean.
  double shift() const { return shift_; }
  double spread() const;  ///< and their standard deviation
  /// When what made it be back began.
  Time recovering_since() const { return recovering_since_; }
  /// The values have another unit: they are factor * y + offset.
  void convert(double factor, double offset);

  void save(ByteWriter& out) const;
  void load(ByteReader& in);

 private:
  static constexpr std::size_t kRecent = 64;
  double score(double y) const;
  void hold(double outcomes_since_onset);
  void weigh(std::size_t bin, Time at);

  double count_ = 0, mean_ = 0, squares_ = 0;
  std::array<float, kBins> before_{}, since_{};
  std::array<std::uint8_t, kRecent> recent_{};  ///< bins of the newest values, a ring
  std::uint32_t recent_count_ = 0;
  bool held_ = false;
  float since_total_ = 0, evidence_ = 1;
  double shift_ = 0, square_ = 1, updates_ = 0;  ///< while held
  Time newest_ = Time::min(), not_before_ = Time::min(), recovering_since_{};
};

}  // namespace lacuna::drift
