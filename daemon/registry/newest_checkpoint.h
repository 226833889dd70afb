#pragma once

#include <memory>

#include "daemon/config/config.h"
#include "model/learner.h"
#include "state/records/status.h"

namespace lacuna::daemon {

/// The model of the newest checkpoint in data_dir that can be read. Works beside a running daemon, and writes nothing. not_found when
/// there is none yet.
Result<std::shared_ptr<const model::ModelVersion>> open_newest_checkpoint(const Config& config);

}  // namespace lacuna::daemon
