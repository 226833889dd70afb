#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

// What laboratories say of what is beyond what they can measure: "<5", ">=1000". Such a value is censored: it is told as its limit, and the
// true one lies on one side of that.

namespace lacuna {

/// How the true value stands to the one that is told.
enum class Comparator : std::uint8_t { equal, less, at_most, at_least, greater };

constexpr bool is_censored(Comparator c) { return c != Comparator::equal; }
/// The true value lies below the limit, or at it.
constexpr bool is_below(Comparator c) { return c == Comparator::less || c == Comparator::at_most; }
/// -1: below, 1: above, 0: it is the value that is told.
constexpr int side_of(Comparator c) { return is_below(c) ? -1 : is_censored(c) ? 1 : 0; }

/// What it is where greater values are smaller ones: a conversion by a negative factor.
constexpr Comparator turned(Comparator c) {
  constexpr int kCount = static_cast<int>(Comparator::greater) + 1;
  return static_cast<Comparator>((kCount - static_cast<int>(c)) % kCount);
}

/// "<", "<=", ">=", ">"; "" for equal.
std::string_view to_string(Comparator c);
/// Of the first four.
std::optional<Comparator> parse_comparator(std::string_view text);

}  // namespace lacuna
