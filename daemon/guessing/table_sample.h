#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "state/records/status.h"
#include "streaming/files/file_list.h"

namespace lacuna::daemon {

/// The beginning of a table: enough to tell which column is what.
struct TableSample {
  struct Row {
    std::uint32_t file = 0;  ///< position in `files`
    std::vector<std::string> cells;
  };
  bool ndjson = false;  ///< lines are JSON objects: nothing below `files` is filled
  std::vector<streaming::InputFile> files;
  char separator = ',';
  char decimal = '.';
  std::vector<std::string> header;  ///< without blanks around names
  std::vector<Row> rows;            ///< without blanks around cells; those of another length than the header are left out
};

/// Of files and folders, as `lacuna replay` reads them. At most 20,000 rows or 32 MiB, from up to 200 files. `invalid`: what the files are
/// instead of a table with a header, and what to do; `not_found` and `internal` as they come.
Result<TableSample> sample_table(const std::vector<std::string>& paths);

}  // namespace lacuna::daemon
