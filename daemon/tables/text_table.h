#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lacuna::daemon {

/// Columns as wide as they need to be, two spaces apart. `alignment`: for each column 'l' (texts) or 'r' (numbers); the last
/// letter goes for all further ones. A row with fewer cells ends early. Control characters become '.'.
std::string text_table(std::vector<std::vector<std::string>> rows, std::string_view alignment);

}  // namespace lacuna::daemon
