#pragma once

#include <string>
#include <vector>

#include "daemon/guessing/table_sample.h"
#include "streaming/files/input_files.h"

namespace lacuna::daemon {

/// What is left out, and why: "row_id", "numbers the rows".
struct LeftOut {
  std::string name;
  std::string why;
};

/// Which column says who, when and what.
struct Roles {
  streaming::FileMapping mapping;  ///< form, columns, times, separator, decimal; nothing of the values yet
  std::vector<LeftOut> left_out;   ///< columns that say none of it and are no measurements either
  std::vector<std::string> told;   ///< what was decided, a comment each: "patient: the column id, ..."
  std::vector<std::string> doubts;
};

/// From the names of the columns and the first rows. `invalid`: no column can be a table's, with what to do.
Result<Roles> guess_roles(const TableSample& table);

}  // namespace lacuna::daemon
