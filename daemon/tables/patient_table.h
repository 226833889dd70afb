#pragma once

#include <string>
#include <string_view>

#include "state/records/status.h"

// What GET /v1/patients/{id} tells, for people. `invalid` where the bytes are not such an answer.

namespace lacuna::daemon {

Result<std::string> patient_table(std::string_view json);

/// How much is kept of the person, and with whom this one was merged, a line each.
Result<std::string> kept_lines(std::string_view json);

}  // namespace lacuna::daemon
