#pragma once

#include <cstdint>
#include <set>
#include <vector>

#include "daemon/guessing/survey.h"

namespace lacuna::daemon {

/// How a variable goes on in its patients.
struct Course {
  std::uint64_t values = 0;
  std::uint32_t patients = 0;  ///< that have a value
  std::uint32_t repeated = 0;  ///< of these, with values at several times
  std::uint32_t constant = 0;  ///< of these, with one and the same
  double gap_ms = 0;           ///< median time from one value to the patient's next; 0: no patient has a next one
};

struct Courses {
  std::vector<Course> of;      ///< by variable
  std::uint32_t patients = 0;  ///< that were followed
  std::uint64_t moments = 0;   ///< at which one of them has a value
  double span_ms = 0;          ///< median time from a patient's first value to the last, of those with several moments
  /// Of two variables: moments that have both, over moments that have either; 0 to 1. From up to 200 million pairs.
  double together(std::size_t a, std::size_t b) const;
  std::vector<std::uint32_t> pairs;  ///< variables x variables; the diagonal has the moments of one
};

/// `marks`: by variable, hashes of what means "not measured". Sorts the cells.
Courses measure_courses(std::vector<MeasuredCell>& cells, std::size_t variables, const std::vector<std::set<std::uint32_t>>& marks);

}  // namespace lacuna::daemon
