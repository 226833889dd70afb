#pragma once

#include <string>
#include <vector>

#include "model/drift/missingness_matrix.h"

namespace lacuna::daemon {

/// What /v1/missingness tells as a heat map: a row per modality and site, a column per week.
std::string missingness_plot(const std::vector<drift::MissingnessMatrix::Row>& rows);

}  // namespace lacuna::daemon
