#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "state/records/records.h"
#include "streaming/messages/refusal.h"

// What becomes of a record that holds HL7 v2 messages.

namespace lacuna::streaming::hl7 {

/// Of messages, and of each OBX of them exactly one: see sum().
struct FeedCounts {
  std::uint64_t messages = 0;
  std::uint64_t observations = 0;  ///< OBX
  std::uint64_t taken = 0;         ///< became a value, a payload or a text
  std::uint64_t joined = 0;        ///< lines of a text behind its first
  std::uint64_t withdrawn = 0;     ///< OBX-11 D, W, X
  std::uint64_t no_result = 0;     ///< OBX-11 I, N, O
  std::uint64_t empty = 0;         ///< nothing in OBX-5
  std::uint64_t missing = 0;       ///< a text that the map calls missing
  std::uint64_t unmapped = 0;      ///< the map has no such code
  std::uint64_t ignored = 0;       ///< left out on purpose: the code, or the message
  std::uint64_t elsewhere = 0;     ///< of another person than the record is about
  std::uint64_t refused = 0;
  // Not of OBX.
  std::uint64_t administrative = 0;  ///< events of ADT: stays, places, merges, attributes
  std::uint64_t clocks_twice = 0;    ///< times that a clock showed twice: the earlier was taken
  std::uint64_t clocks_never = 0;    ///< times that a clock never showed
  std::uint64_t refined = 0;         ///< times that were told coarsely, and finer by another field
  std::uint64_t sum() const { return taken + joined + withdrawn + no_result + empty + missing + unmapped + ignored + elsewhere + refused; }
  FeedCounts& operator+=(const FeedCounts& more);
  friend bool operator==(const FeedCounts&, const FeedCounts&) = default;
};

struct Decoded {
  std::vector<Event> events;         ///< in the order of the message, of one person unless `everyone` was asked for
  std::vector<RefusedPart> refused;  ///< with segment and field; without events it is the whole record's
  FeedCounts counts;
  void clear() {
    events.clear();
    refused.clear();
    counts = {};
  }
};

/// Whom a record is about.
struct Addressee {
  std::optional<std::string_view> key;     ///< the record's: decides where messages tell of several persons
  std::optional<std::string_view> person;  ///< the header kPersonHeader: nobody else's is taken
  bool everyone = false;                   ///< of a file
};
inline constexpr std::string_view kPersonHeader = "lacuna-person";

}  // namespace lacuna::streaming::hl7
