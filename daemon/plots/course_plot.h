#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "state/records/time.h"

// A patient's course: what was measured, and what is imputed where it was not.

namespace lacuna::daemon {

/// One value of a feature at a moment, measured or imputed.
struct CourseCell {
  enum class Kind {
    measured,
    limit_below,      ///< measured: at most `value`
    limit_above,      ///< measured: at least `value`
    measured_before,  ///< imputed; and so the two below
    stale,
    never_measured,
  };
  Time time{};
  Kind kind = Kind::measured;
  double value = 0;  ///< of classes the index; imputed: the median
  double low = 0, high = 0;
  std::vector<double> shares{};  ///< imputed, of classes: how likely each is
  std::string tip{};
};

struct CoursePanel {
  std::string name, unit;
  std::vector<std::string> classes{};                ///< empty: numbers
  std::optional<std::pair<double, double>> usual{};  ///< of numbers: where the table's values lie
  std::vector<CourseCell> cells;                     ///< by time
};

struct Course {
  std::string title;
  std::vector<std::string> notes;  ///< below the title, a line each
  std::optional<Time> zero{};      ///< times are told as the time since then; absent: as dates
  std::vector<CoursePanel> panels;
};

/// A panel a feature, three in a row, all over the same time; six in a row without an axis of time where there is one moment. Where moments
/// lie closely, what is imputed in a row is drawn as a line in its band in place of marks with bars. Of more than kPanelClasses classes the
/// likeliest are shown.
std::string course_plot(const Course& course);
inline constexpr std::size_t kPanelClasses = 8;

}  // namespace lacuna::daemon
