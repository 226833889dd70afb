#pragma once

#include <string>

#include "daemon/config.h"
#include "model/learner.h"
#include "model/scores.h"

namespace lacuna::daemon {

/// {"version": ..., "steps": ..., "parameters": ..., "loss": ..., "features": {...scores...}}: GET /v1/model.
std::string model_json(const Config& config, const model::ModelVersion& version, const model::LearnerStats& stats,
                       const model::ScoreBoard& scores);

}  // namespace lacuna::daemon
