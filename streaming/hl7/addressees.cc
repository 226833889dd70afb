#include "streaming/hl7/addressees.h"

#include <algorithm>

#include "streaming/hl7/obx_value.h"
#include "streaming/hl7/person.h"
#include "streaming/hl7/record_messages.h"

namespace lacuna::streaming::hl7 {

struct AddresseeReader::Impl {
  Impl(const FeedOptions& the_options, const CodecLimits& limits)
      : options(the_options), id_bytes_max(limits.id_bytes_max), messages(options.character_set, limits.message_bytes_max) {}
  void find(const PreparedMessage& prepared, Addressees& out);
  bool add(const Segment& segment, Addressees& out);

  const FeedOptions& options;
  const std::size_t id_bytes_max;
  RecordMessages messages;
  TextReader text;
  std::string id;
};

/// False: the segment holds none that can be taken.
bool AddresseeReader::Impl::add(const Segment& segment, Addressees& out) {
  identify(segment, options, id_bytes_max, text, id, out.refused);
  if (id.empty()) return false;
  if (std::ranges::find(out.persons, id) == out.persons.end()) out.persons.push_back(id);
  return true;
}

void AddresseeReader::Impl::find(const PreparedMessage& prepared, Addressees& out) {
  const Message& message = prepared.message;
  text.set(message, prepared.set);
  const MessageKind kind = kind_of(message);
  out.ignored = is_among(kind, options.ignored_messages);
  const auto segments = message.segments();
  const auto has = [&segments](std::uint32_t name) { return std::ranges::find(segments, name, &Segment::name) != segments.end(); };
  const bool merges = kind.rule.trigger == Trigger::merges;
  const bool told = has(kObx);
  bool surviving = false;
  for (const Segment& segment : segments) {
    if (out.persons.size() > kPersonsMax) break;
    if (segment.name == kMrg && merges) {
      add(segment, out);
    } else if (segment.name == kPid && merges && !told) {  // it must be there, and nothing is written for it
      identify(segment, options, id_bytes_max, text, id, out.refused);
      surviving = surviving || !id.empty();
    } else if (segment.name == kPid) {
      surviving = add(segment, out) || surviving;
    }
  }
  if (out.persons.size() > kPersonsMax) {
    out.refused.push_back({Refusal::too_large, "PID", "it tells of more than " + std::to_string(kPersonsMax) + " persons"});
    out.persons.clear();
  }
  if (!has(kPid)) out.refused.push_back({Refusal::malformed, "PID", "the message has none"});
  if (merges && !has(kMrg)) out.refused.push_back({Refusal::malformed, "MRG", "the message has none"});
  if (merges && (!surviving || !has(kMrg))) out.persons.clear();
}

AddresseeReader::AddresseeReader(const FeedOptions& options, const CodecLimits& limits) : impl_(std::make_unique<Impl>(options, limits)) {}
AddresseeReader::~AddresseeReader() = default;
AddresseeReader::AddresseeReader(AddresseeReader&&) noexcept = default;

void AddresseeReader::read(std::string_view bytes, Addressees& out) {
  out = {};
  const auto messages = impl_->messages.read(bytes, out.refused);
  if (messages.size() > 1) {
    out.refused = {{Refusal::malformed, "record", "it holds more than one message"}};
    return;
  }
  if (!messages.empty() && messages.front().readable) impl_->find(messages.front(), out);
}

}  // namespace lacuna::streaming::hl7
