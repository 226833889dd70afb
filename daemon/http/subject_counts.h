#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "model/drift/monitor.h"

namespace lacuna::daemon {

/// The subjects of one kind together.
struct SubjectCounts {
  std::array<std::size_t, 3> states{};  ///< how many, by SubjectState
  std::size_t muted = 0;                ///< whatever state they are in
  /// Of those that are armed or alarmed, the largest log evidence less its log threshold; -infinity: there are none.
  double over_threshold_max = -std::numeric_limits<double>::infinity();
  std::size_t size() const { return states[0] + states[1] + states[2]; }
};

/// By kind. `now`: clinical time.
inline std::map<std::string, SubjectCounts> count_subjects(const std::vector<drift::SubjectView>& subjects, Time now) {
  std::map<std::string, SubjectCounts> out;
  for (const drift::SubjectView& s : subjects) {
    SubjectCounts& counts = out[s.kind];
    counts.states[static_cast<std::size_t>(s.state)] += 1;
    if (s.muted_until > now) counts.muted += 1;
    if (s.state != drift::SubjectState::learning) {
      counts.over_threshold_max = std::max(counts.over_threshold_max, s.log_evidence - s.log_threshold);
    }
  }
  return out;
}

}  // namespace lacuna::daemon
