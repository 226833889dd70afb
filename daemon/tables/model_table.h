#pragma once

#include <string>
#include <string_view>

#include "state/records/status.h"

// What /v1/model, or the newest checkpoint of a data folder, tells of a model, for people. `invalid` where the bytes are not such an
// answer.

namespace lacuna::daemon {

Result<std::string> model_table(std::string_view json);

}  // namespace lacuna::daemon
