#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "model/drift/missingness_matrix.h"
#include "state/records/status.h"

// What /v1/missingness tells, for people: a table. Its picture is daemon/plots/missingness_plot.h. `invalid` where the bytes are not such
// an answer.

namespace lacuna::daemon {

Result<std::vector<drift::MissingnessMatrix::Row>> read_missingness(std::string_view json);
/// The newest `weeks` weeks; each modality over all sites first, where there are several.
std::string missingness_table(const std::vector<drift::MissingnessMatrix::Row>& rows, std::size_t weeks);

}  // namespace lacuna::daemon
