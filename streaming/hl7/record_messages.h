#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "streaming/hl7/character_set.h"
#include "streaming/hl7/feed_options.h"
#include "streaming/hl7/message.h"
#include "streaming/hl7/trigger.h"
#include "streaming/messages/refusal.h"

namespace lacuna::streaming::hl7 {

/// One message of a record, in UTF-8.
struct PreparedMessage {
  Message message;
  std::string converted;     ///< what `message` is a view of, where its bytes were converted
  std::uint64_t digest = 0;  ///< of its bytes as they came
  CharacterSet* set = nullptr;
  bool readable = false;  ///< if not, it was said why
};

/// What a message is: MSH-9, with EVN-1 for the event in versions before 2.2.
struct MessageKind {
  std::string_view type, trigger;  ///< "ADT", "A40"
  TriggerRule rule;                ///< of an ADT
};
MessageKind kind_of(const Message& message);
/// Whether `names` has it: as "SIU", or "ADT^A15".
bool is_among(const MessageKind& kind, const std::vector<std::string>& names);

/// Finds the messages of a record. One thread; the messages live until the next call, and as long as the record's bytes.
class RecordMessages {
 public:
  /// `character_set`: of messages without MSH-18.
  RecordMessages(std::string character_set, std::size_t bytes_max) : character_set_(std::move(character_set)), bytes_max_(bytes_max) {}
  /// Whether `character_set` is one that is read here.
  bool knows_character_set() { return sets_.find(character_set_, '\0') != nullptr; }

  /// What cannot be read goes to `refused`; none at all are found in a record that is too large.
  std::span<const PreparedMessage> read(std::string_view bytes, std::vector<RefusedPart>& refused);

 private:
  void convert(PreparedMessage& prepared, const std::string& at, std::vector<RefusedPart>& refused);

  std::string character_set_;
  std::size_t bytes_max_;
  CharacterSets sets_;
  std::string whole_;  // of a record in UTF-16
  std::vector<PreparedMessage> messages_;
};

}  // namespace lacuna::streaming::hl7
