#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "streaming/files/input_files.h"

namespace lacuna::daemon {

/// How the times of a column are written.
struct TimeGuess {
  streaming::FileMapping::TimeForm form = streaming::FileMapping::TimeForm::none;
  std::string zone, pattern;
  std::string doubt;  ///< what another reader might have taken otherwise; empty: nothing

  bool relative() const { return form >= streaming::FileMapping::TimeForm::hours_minutes; }
};

/// Of cells that are not empty. Empty: they are in none of the forms. `name`: of the column, which tells what plain numbers count.
std::optional<TimeGuess> guess_time(std::string_view name, const std::vector<std::string>& cells, char decimal);

}  // namespace lacuna::daemon
