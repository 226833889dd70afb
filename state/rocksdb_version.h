#pragma once

#include <string>

namespace lacuna::state {

/// Of the library that is loaded: "7.8.3".
std::string rocksdb_version();

}  // namespace lacuna::state
