#pragma once

#include <functional>
#include <iosfwd>

#include "daemon/table_imputation/table_output.h"

namespace lacuna::daemon {

/// write_table() for TableForm::wide: the files are read once more, and each row goes out with what is imputed beside its cells. `invalid`
/// where the files have not all the same header, or one of the columns that would be added.
Status write_wide_rows(const TableOutput& what, std::ostream& out, const std::function<void(std::uint64_t, std::uint64_t)>& progress,
                       OutputCounts& counts);

}  // namespace lacuna::daemon
