#pragma once

#include <string>
#include <string_view>

#include "state/records/status.h"

// What /v1/alerts and /v1/lag tell, for people. `invalid` where the bytes are not such an answer.

namespace lacuna::daemon {

/// What is open, and what operators have decided.
Result<std::string> alerts_table(std::string_view json);
Result<std::string> lag_table(std::string_view json);

}  // namespace lacuna::daemon
