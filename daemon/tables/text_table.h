#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/tables/screen.h"

namespace lacuna::daemon {

/// Columns as wide as they need to be, two spaces apart. `alignment`: for each column 'l' (texts) or 'r' (numbers); the last
/// letter goes for all further ones. A row with fewer cells ends early. Control characters become '.'. What is wider than `columns` has
/// its texts broken, behind a space or a sign, and then comes in blocks, one below the other, each with the first column.
std::string text_table(std::vector<std::vector<std::string>> rows, std::string_view alignment, std::size_t columns = screen_columns());

}  // namespace lacuna::daemon
