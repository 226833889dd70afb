#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "daemon/config/config.h"
#include "daemon/pipeline/operator_commands.h"
#include "daemon/pipeline/progress.h"
#include "model/drift/missingness_matrix.h"

// /v1/drift and /v1/missingness as JSON, and the bodies of the calls that change a subject (docs/operations.md).

namespace lacuna::daemon {

/// All subjects, and a summary of each family.
std::string drift_json(const Config& config, const Progress& progress);
/// One of them; empty where it is not watched.
std::string subject_json(const Progress& progress, std::string_view kind, std::string_view subject);
/// Open alerts as they are published, and the last decision about each subject.
std::string alerts_json(const Progress& progress);
/// How far behind the log this instance is, by partition.
std::string lag_json(const Progress& progress);
std::string missingness_json(const std::vector<drift::MissingnessMatrix::Row>& rows);

/// {"kind":...,"subject":...}, for a mute with "for":"24h", to accept with "force":true where nothing is alarmed; of any, "by" and "why".
/// `invalid` says what is wrong and quotes nothing.
Result<OperatorCommand> parse_command(OperatorCommand::Action action, std::string_view body);

}  // namespace lacuna::daemon
