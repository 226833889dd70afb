#pragma once

#include <string>

namespace lacuna::streaming {

/// Of the library that is loaded: "2.0.2".
std::string librdkafka_version();

}  // namespace lacuna::streaming
