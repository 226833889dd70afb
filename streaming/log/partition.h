#pragma once

#include <cstdint>
#include <string_view>

namespace lacuna::streaming {

/// MurmurHash2 with the seed and byte order of Kafka's Java client (Utils.murmur2).
std::int32_t murmur2(std::string_view bytes);

}  // namespace lacuna::streaming
