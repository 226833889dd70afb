#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "state/records/records.h"
#include "streaming/hl7/character_set.h"
#include "streaming/hl7/code_map.h"
#include "streaming/hl7/message.h"
#include "streaming/messages/schema_index.h"

// What OBX-5 says, by OBX-2: numbers as written, structured numerics as comparator, range or ratio, coded values as categories, texts and
// arrays as payloads.

namespace lacuna::streaming::hl7 {

/// How the texts of one message are read: its delimiters, and what \X..\ means.
class TextReader {
 public:
  void set(const Message& message, CharacterSet* set) {
    delimiters_ = &message.delimiters();
    has_escapes_ = message.has_escapes();
    set_ = set;
  }
  const Delimiters& delimiters() const { return *delimiters_; }
  /// Without escape sequences. Lives until the next call.
  std::string_view plain(std::string_view text) { return has_escapes_ ? hl7::plain(text, *delimiters_, buffer_, &to_utf8, set_) : text; }
  /// The same, appended.
  void append(std::string_view text, std::string& out) { unescape(text, *delimiters_, out, &to_utf8, set_); }
  /// The n-th component, without escape sequences.
  std::string_view component(std::string_view field, std::size_t n) { return plain(piece(field, delimiters_->component, n)); }

 private:
  static void to_utf8(void* set, std::string& bytes);
  const Delimiters* delimiters_ = nullptr;
  bool has_escapes_ = true;
  CharacterSet* set_ = nullptr;
  std::string buffer_;
};

/// OBX-2, OBX-5 and OBX-6 as they stand in the message.
struct ObxValue {
  std::string_view type, value, unit;
};

/// Nothing stands in it, or HL7's null alone.
bool is_empty_value(std::string_view value, const Delimiters& delimiters);

struct ReadValue {
  FeatureValue value{};
  bool missing = false;                   ///< a text that means "not measured"
  std::optional<ValueProblem> problem{};  ///< never quotes the value
};

/// Of a feature.
ReadValue read_feature(CodeRow& row, const ObxValue& obx, TextReader& text);

/// Appends what a text modality takes, each repetition a line. Empty: done.
std::optional<ValueProblem> read_text(const ObxValue& obx, TextReader& text, std::string& out);

/// NA, whose repetitions are rows, to an image, a signal or an embedding.
std::optional<ValueProblem> read_array(const Modality& modality, const ObxValue& obx, TextReader& text, PayloadRef& out);

/// The unit as it is looked up: its code, and where it was written with the delimiter in it ("10^3/uL"), the whole.
std::string_view unit_code(std::string_view field, const Delimiters& delimiters);

}  // namespace lacuna::streaming::hl7
