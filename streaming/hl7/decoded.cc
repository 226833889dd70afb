#include "streaming/hl7/decoded.h"

namespace lacuna::streaming::hl7 {

FeedCounts& FeedCounts::operator+=(const FeedCounts& more) {
  constexpr std::uint64_t FeedCounts::*kAll[] = {
      &FeedCounts::messages,       &FeedCounts::observations, &FeedCounts::taken,        &FeedCounts::joined,
      &FeedCounts::withdrawn,      &FeedCounts::no_result,    &FeedCounts::empty,        &FeedCounts::missing,
      &FeedCounts::unmapped,       &FeedCounts::ignored,      &FeedCounts::elsewhere,    &FeedCounts::refused,
      &FeedCounts::administrative, &FeedCounts::clocks_twice, &FeedCounts::clocks_never, &FeedCounts::refined};
  static_assert(sizeof(FeedCounts) == sizeof(std::uint64_t) * (sizeof kAll / sizeof kAll[0]), "each count is added");
  for (const auto one : kAll) this->*one += more.*one;
  return *this;
}

}  // namespace lacuna::streaming::hl7
