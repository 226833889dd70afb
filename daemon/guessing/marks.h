#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "daemon/guessing/column_profile.h"

namespace lacuna::daemon {

/// What a quantity can be at all. Open where nothing is known.
struct Limits {
  bool known = false;
  double low = 0, high = 0;
};

/// Cells of one column that mean "not measured" although they are written as values.
struct Marks {
  std::set<double> numbers;
  std::vector<std::string> words;
  std::uint64_t cells = 0;       ///< how many are one of them
  std::uint64_t beyond = 0;      ///< of these, numbers outside of the limits
  bool too_many_beyond = false;  ///< values outside of the limits that are too many to be mistakes, or too different to be listed

  bool empty() const { return numbers.empty() && words.empty(); }
  /// As they are listed: numbers before words.
  std::vector<std::string> texts() const;
};

/// Values outside of known limits (a cholesterol of 0, a pH of 735), and the usual marks (-9, 99, 999, ...) that stand apart from all
/// others. Words among numbers too; words that mean "missing" everywhere (is_missing_word) are none of a column's own.
Marks guess_marks(const ColumnProfile& profile, const Limits& limits);

}  // namespace lacuna::daemon
