#include "state/records/digest.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstring>

#include "state/records/hash.h"

namespace lacuna {

std::uint64_t digest64(std::string_view bytes) {
  constexpr std::size_t kLanes = 4, kWord = sizeof(std::uint64_t);
  constexpr std::uint64_t kPrime = 0x9e3779b185ebca87ULL;
  // Little-endian, whatever the machine is.
  const auto word = [](const char* at, std::size_t size) {
    std::uint64_t w = 0;
    if constexpr (std::endian::native == std::endian::little) {
      std::memcpy(&w, at, size);
    } else {
      for (std::size_t i = 0; i < size; ++i) w |= static_cast<std::uint64_t>(static_cast<unsigned char>(at[i])) << (8 * i);
    }
    return w;
  };
  const auto step = [](std::uint64_t h, std::uint64_t w) { return std::rotl(h ^ (w * kPrime), 29) * 0xbf58476d1ce4e5b9ULL; };
  std::uint64_t lanes[kLanes] = {1, 2, 3, 4};
  const char* at = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= kLanes * kWord; left -= kLanes * kWord) {
    for (std::uint64_t& lane : lanes) {
      lane = step(lane, word(at, kWord));
      at += kWord;
    }
  }
  std::uint64_t h = mix64(bytes.size());
  for (const std::uint64_t lane : lanes) h = step(h, mix64(lane));
  for (; left > 0;) {
    const std::size_t size = std::min(left, kWord);
    h = step(h, word(at, size));
    at += size;
    left -= size;
  }
  return mix64(h);
}

}  // namespace lacuna
