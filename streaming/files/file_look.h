#pragma once

#include <set>
#include <string>

#include "streaming/files/input_files.h"

// For whoever reads a file of another kind than the mapping says.

namespace lacuna::streaming {

/// What a file that gave nothing looks like beside what `mapping` says: "a.csv looks like an Excel workbook", "a.csv: the header has one
/// column; separated by ';' it would have 12". Of a folder, its first file. Empty: nothing is known, or it cannot be opened. Looks at the
/// first 64 KiB; tells no value.
std::string look_at(const std::string& path, const FileMapping& mapping);

/// Columns that a mapping of wide CSV takes values from and that the header of no file of `path` has: misspelled, or not in this export.
/// Empty for other formats, and where what cannot be read twice (a pipe) is among the files.
std::set<std::string> absent_columns(const std::string& path, const FileMapping& mapping);

}  // namespace lacuna::streaming
