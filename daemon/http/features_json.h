#pragma once

#include <string>

#include "daemon/config/config.h"
#include "daemon/pipeline/progress.h"

// /v1/features as JSON (docs/operations.md).

namespace lacuna::daemon {

/// Of each feature and payload modality: what it is, what the serving version has learned of it, and how well it was predicted so far.
std::string features_json(const Config& config, const Progress& progress);

}  // namespace lacuna::daemon
