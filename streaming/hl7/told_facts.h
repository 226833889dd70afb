#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace lacuna::streaming::hl7 {

/// How often each fact was told in a message, so that those that a sender gives one name are told apart. Reused; one thread.
class ToldFacts {
 public:
  /// Another message, or another person of it.
  void clear();
  /// The how-manieth it is, from 1, among those with a value, or among those that withdraw one. `fact`: a hash.
  std::uint32_t note(std::uint64_t fact, bool withdraws);

 private:
  struct Slot {
    std::uint64_t fact = 0;
    std::uint32_t round = 0;  // in which it was used
    std::uint32_t valued = 0, withdrawn = 0;
  };
  Slot& find(std::uint64_t fact);
  std::vector<Slot> slots_{64};  // a power of two
  std::size_t used_ = 0;
  std::uint32_t round_ = 1;
};

}  // namespace lacuna::streaming::hl7
