#pragma once

#include <string>

#include "daemon/config/config.h"
#include "daemon/pipeline/progress.h"

namespace lacuna::daemon {

/// The pipeline's progress as Prometheus text exposition (prometheus-cpp), metrics named lacuna_*; labels only from closed
/// sets (modality, feature, refusal reason, stage), never a patient.
std::string prometheus_text(const Config& config, const Progress& progress);

}  // namespace lacuna::daemon
