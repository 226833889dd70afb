#pragma once

#include <cstdint>
#include <string_view>

// Small fixed hashes whose values are part of stored data and of reproducible randomness: they must never change.

namespace lacuna {

/// FNV-1a, 64 bit, finished with mix64 so that all bits are usable.
std::uint64_t hash64(std::string_view bytes, std::uint64_t seed = 0);

/// The finaliser of SplitMix64: a bijection that spreads every bit.
constexpr std::uint64_t mix64(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

/// Uniform in [0, 1) from a hash.
constexpr double to_unit(std::uint64_t hash) { return static_cast<double>(hash >> 11) * 0x1.0p-53; }

}  // namespace lacuna
