#pragma once

#include <cstdint>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "model/predictive/subgroup_board.h"

// Groups of patients as JSON (docs/operations.md): of /v1/subgroups, and of `lacuna evaluate`, whoever scored them.

namespace lacuna::daemon {

/// {"patients_min","level","groups":[{"group","patients","values","mae","mae_mean","skill","coverage","coverage_error","width"}]}. Of a
/// group with fewer than `patients_min` scored patients "patients" alone is told.
nlohmann::ordered_json subgroups_json(const std::vector<model::SubgroupFigures>& groups, std::uint64_t patients_min, double level);

}  // namespace lacuna::daemon
