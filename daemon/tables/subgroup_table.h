#pragma once

#include <string>
#include <string_view>

#include "state/records/status.h"

namespace lacuna::daemon {

/// What /v1/subgroups tells, for people: one row a group; empty where everybody is the only one. `invalid` where the bytes are not such an
/// answer.
Result<std::string> subgroup_table(std::string_view json);

}  // namespace lacuna::daemon
