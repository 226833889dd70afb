#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "state/records/status.h"

// Which files are read, and what their names say. For streaming/, daemon/guessing and daemon/table_imputation, but for without_packing.

namespace lacuna::streaming {

struct InputFile {
  std::string path;
  std::string name;  ///< without folders and packing
  std::string stem;  ///< the name without its extension: the patient id where no column names one
  std::uint64_t bytes = 0;
};

/// "a/b.csv.gz" as "a/b.csv": without the extension that says how it is compressed.
std::string without_packing(std::string path);

/// The file, or the folder's files by name; hidden ones and subfolders are left alone.
Result<std::vector<InputFile>> list_files(const std::string& path);

}  // namespace lacuna::streaming
