#pragma once

#include <string>
#include <vector>

#include "state/records/time.h"

// Where values lie in a picture, and what is written beside them.

namespace lacuna::daemon {

/// A stretch of values on a stretch of pixels; a stretch of no length is widened about its place.
class Axis {
 public:
  Axis(double low, double high, double from, double to);
  double at(double value) const { return from_ + (value - low_) / (high_ - low_) * (to_ - from_); }
  double low() const { return low_; }
  double high() const { return high_; }

 private:
  double low_, high_, from_, to_;
};

struct Tick {
  double value = 0;
  std::string text;
  std::string below{};  ///< a second line: the date of an hour, the year of a day, where it is another than before
};

/// About `wanted` round numbers within [low, high]: multiples of 1, 2 or 5 times a power of ten.
std::vector<Tick> number_ticks(double low, double high, int wanted);
/// The same of times (milliseconds since 1970, UTC): full minutes, hours, days, months or years.
std::vector<Tick> time_ticks(Time low, Time high, int wanted);

inline double to_number(Time time) { return static_cast<double>(time.time_since_epoch().count()); }

/// Two digits that count: "42 %", "0.4 %".
std::string percent(double share);

}  // namespace lacuna::daemon
