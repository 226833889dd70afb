#include "streaming/hl7/record_messages.h"

#include <algorithm>
#include <utility>

#include "state/records/digest.h"

namespace lacuna::streaming::hl7 {

namespace {

/// A record of more messages is refused: it is no record but a file.
constexpr std::size_t kMessagesMax = 10'000;

/// UTF-16 is none of the sets that a field of the message could tell.
bool is_utf16(std::string_view bytes) {
  using namespace std::string_view_literals;
  return bytes.starts_with("\xff\xfe"sv) || bytes.starts_with("\xfe\xff"sv) || bytes.starts_with("M\0S\0"sv) ||
         bytes.starts_with("\0M\0S"sv);
}

}  // namespace

MessageKind kind_of(const Message& message) {
  const Delimiters& d = message.delimiters();
  const auto segments = message.segments();
  const std::string_view told = field_of(segments.front(), d, 9);
  MessageKind kind{piece(told, d.component, 1), piece(told, d.component, 2), {}};
  if (kind.trigger.empty()) {  // of versions before 2.2
    const auto evn = std::ranges::find(segments, kEvn, &Segment::name);
    if (evn != segments.end()) kind.trigger = field_of(*evn, d, 1);
  }
  if (kind.type == "ADT") kind.rule = trigger_rule(kind.trigger);
  return kind;
}

bool is_among(const MessageKind& kind, const std::vector<std::string>& names) {
  return std::ranges::any_of(names, [&](const std::string& one) {
    return one == kind.type || (one.size() == kind.type.size() + 1 + kind.trigger.size() && one.starts_with(kind.type) &&
                                one[kind.type.size()] == '^' && one.ends_with(kind.trigger));
  });
}

void RecordMessages::convert(PreparedMessage& prepared, const std::string& at, std::vector<RefusedPart>& refused) {
  const Message& message = prepared.message;
  const auto refuse_all = [&](Refusal reason, const char* what, std::string why) {
    refused.push_back({reason, at + what, std::move(why)});
  };
  prepared.readable = false;
  prepared.converted.clear();
  if (!message.problem().empty()) return refuse_all(Refusal::malformed, "MSH", std::string(message.problem()));
  const std::string_view told = field_of(message.segments().front(), message.delimiters(), 18);
  prepared.set = sets_.find(told.empty() || is_null(told) ? std::string_view(character_set_) : told, message.delimiters().repetition);
  prepared.digest = digest64(message.bytes());
  prepared.readable = true;
  if (prepared.set != nullptr && prepared.set->is_utf8()) return;
  if (is_ascii(message.bytes()) && message.bytes().find('\x1b') == std::string_view::npos) return;
  prepared.readable = false;
  if (prepared.set == nullptr) return refuse_all(Refusal::unsupported, "MSH-18", "a character set that is not read here");
  if (!prepared.set->to_utf8(message.bytes(), prepared.converted)) {
    return refuse_all(Refusal::malformed, "MSH-18", "the message holds bytes that its character set does not have");
  }
  MessageReader again(prepared.converted);
  prepared.readable = again.next(prepared.message) && prepared.message.problem().empty();
  if (!prepared.readable) refuse_all(Refusal::malformed, "MSH", "it cannot be read in its character set");
}

std::span<const PreparedMessage> RecordMessages::read(std::string_view bytes, std::vector<RefusedPart>& refused) {
  if (bytes.size() > bytes_max_) {
    refused.push_back({Refusal::too_large, "record", "it has more than " + std::to_string(bytes_max_) + " bytes"});
    return {};
  }
  if (is_utf16(bytes)) {
    whole_.clear();
    using namespace std::string_view_literals;
    const bool marked = bytes.starts_with("\xff\xfe"sv) || bytes.starts_with("\xfe\xff"sv);
    CharacterSet utf16(marked ? "UTF-16" : bytes.front() == '\0' ? "UTF-16BE" : "UTF-16LE");
    if (!utf16.to_utf8(bytes, whole_)) {
      refused.push_back({Refusal::malformed, "record", "it begins as UTF-16 and is none"});
      return {};
    }
    bytes = whole_;
  }
  MessageReader reader(bytes);
  std::size_t count = 0;
  for (;; ++count) {
    if (messages_.size() <= count) messages_.emplace_back();
    if (!reader.next(messages_[count].message)) break;
    if (count == kMessagesMax) {
      refused.push_back({Refusal::too_large, "record", "it has more than " + std::to_string(kMessagesMax) + " messages"});
      return {};
    }
  }
  for (std::size_t i = 0; i < count; ++i) {
    convert(messages_[i], count == 1 ? "" : "message " + std::to_string(i + 1) + ": ", refused);
  }
  if (count == 0) refused.push_back({Refusal::malformed, "record", "it holds no MSH, so no HL7 v2 message"});
  else if (reader.stray_lines() > 0) refused.push_back({Refusal::malformed, "record", "lines stand before its first MSH"});
  if (reader.wrong_batches() > 0) {
    refused.push_back({Refusal::malformed, "BTS-1", "the batch tells another number of messages than it holds"});
  }
  return std::span(messages_).first(count);
}

}  // namespace lacuna::streaming::hl7
