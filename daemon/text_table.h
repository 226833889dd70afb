#pragma once

#include <string>
#include <vector>

namespace lacuna::daemon {

/// Columns as wide as they need to be, two spaces apart. `left`: how many of the first columns are texts; the others are numbers,
/// aligned right. A row with fewer cells ends early; the last column is never filled up. Control characters become '.'.
std::string text_table(std::vector<std::vector<std::string>> rows, std::size_t left);

}  // namespace lacuna::daemon
