#pragma once

#include <cstdint>
#include <string_view>

namespace lacuna {

/// A hash of a whole message, eight bytes a step where hash64 takes one. Its values are part of event ids: they must never change.
std::uint64_t digest64(std::string_view bytes);

}  // namespace lacuna
