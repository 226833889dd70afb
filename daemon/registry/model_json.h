#pragma once

#include <string>

#include "daemon/config/config.h"
#include "model/learner.h"
#include "model/predictive/scores.h"
#include "state/records/status.h"

namespace lacuna::daemon {

/// {"version": ..., "steps": ..., "parameters": ..., "schema": {...}, "learned": {...}, "features": {...scores...}}: GET /v1/model.
std::string model_json(const Config& config, const model::ModelVersion& version, const model::LearnerStats& stats,
                       const model::ScoreBoard& scores);

/// The same of the newest checkpoint in data_dir, with which one it is and without scores, which are the stream's.
Result<std::string> newest_checkpoint_json(const Config& config);

}  // namespace lacuna::daemon
