#pragma once

#include <string>
#include <string_view>

#include "state/records/status.h"

// What /v1/drift tells, for people. `invalid` where the bytes are not such an answer.

namespace lacuna::daemon {

struct DriftTableOptions {
  std::string kind;   ///< empty: every
  std::string state;  ///< learning, armed, alarmed or muted; empty: every
  bool all = false;   ///< else those alarmed or muted, and the few nearest to it
};
Result<std::string> drift_table(std::string_view json, const DriftTableOptions& options);

}  // namespace lacuna::daemon
