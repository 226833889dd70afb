#pragma once

#include <string>

#include "daemon/config/config.h"
#include "model/learner.h"
#include "model/predictive/scores.h"

namespace lacuna::daemon {

/// {"version": ..., "steps": ..., "parameters": ..., "loss": ..., "features": {...scores...}}: GET /v1/model.
std::string model_json(const Config& config, const model::ModelVersion& version, const model::LearnerStats& stats,
                       const model::ScoreBoard& scores);

}  // namespace lacuna::daemon
