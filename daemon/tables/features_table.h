#pragma once

#include <string>
#include <string_view>

#include "state/records/status.h"

// What /v1/features tells, for people. `invalid` where the bytes are not such an answer.

namespace lacuna::daemon {

/// `state`: warming_up, ready or constant; empty: every.
Result<std::string> features_table(std::string_view json, std::string_view state);

}  // namespace lacuna::daemon
