#pragma once

#include "state/records/comparator.h"

// What a normal distribution says of a value that is told as a limit.

namespace lacuna::model {

struct TruncatedNormal {
  double mean = 0;
  double variance = 1;
};

/// Of a standard normal, given that it lies on the limit's side of `limit` (censored comparators). Mills' ratio: Johnson, Kotz and
/// Balakrishnan 1994, section 13.10. Limits further out than 8 are taken as there.
TruncatedNormal truncated_normal(double limit, Comparator comparator);

}  // namespace lacuna::model
