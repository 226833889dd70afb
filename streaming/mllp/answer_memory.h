#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string_view>
#include <unordered_map>

#include "streaming/mllp/acknowledgement.h"

namespace lacuna::streaming::mllp {

/// Which of the newest accepted messages came before, byte for byte, from the same sender under the same control id: so that a second one
/// gets the same answer and is not written again. A control id that comes back with other bytes is another message. Bounded; the oldest is
/// forgotten. One thread.
class AnswerMemory {
 public:
  explicit AnswerMemory(std::size_t capacity) : capacity_(capacity) {}

  struct Key {
    std::uint64_t sender = 0;   ///< of MSH-3, MSH-4 and MSH-10
    std::uint64_t content = 0;  ///< of all its bytes
    bool known = false;         ///< false: MSH-10 is empty, and nothing is remembered
  };
  static Key key_of(const MessageHeader& header, std::string_view message);

  std::optional<AnswerStamp> find(const Key& key) const;
  /// The sender used this control id for another message before.
  bool is_reused(const Key& key) const;
  void remember(const Key& key, const AnswerStamp& stamp);

 private:
  struct Entry {
    std::uint64_t content = 0;
    AnswerStamp stamp;
  };
  const std::size_t capacity_;
  std::unordered_map<std::uint64_t, Entry> entries_;  // by sender
  std::deque<std::uint64_t> order_;                   // their keys, the oldest first
};

}  // namespace lacuna::streaming::mllp
