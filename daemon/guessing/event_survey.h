#pragma once

#include "daemon/guessing/survey.h"

namespace lacuna::daemon {

/// Reads event messages, a line each. `invalid`: the lines are none.
Result<Survey> survey_events(const TableSample& table, const Progress& progress);

}  // namespace lacuna::daemon
