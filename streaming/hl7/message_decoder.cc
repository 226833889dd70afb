#include "streaming/hl7/message_decoder.h"

#include <algorithm>
#include <map>
#include <utility>

#include "state/records/digest.h"
#include "streaming/files/time_zone.h"
#include "streaming/hl7/character_set.h"
#include "streaming/hl7/code_map.h"
#include "streaming/hl7/message.h"
#include "streaming/hl7/observations.h"
#include "streaming/hl7/person.h"
#include "streaming/hl7/stamp.h"
#include "streaming/hl7/trigger.h"

namespace lacuna::streaming::hl7 {

namespace {

/// A record of more messages is refused: it is no record but a file.
constexpr std::size_t kMessagesMax = 10'000;

std::map<std::string, TimeZone, std::less<>> find_zones(const FeedOptions& options, std::vector<CodeMap::Problem>& problems) {
  std::map<std::string, TimeZone, std::less<>> out;  // by sender; "": all others
  const auto add = [&](const std::string& sender, const std::string& name, const std::string& key) {
    if (name.empty()) return;
    const Result<TimeZone> zone = TimeZone::find(name);
    if (zone.ok()) out.emplace(sender, *zone);
    else problems.emplace_back(key, zone.status().message());
  };
  add("", options.time_zone, "time_zone");
  for (const auto& [sender, name] : options.sender_zones) add(sender, name, "senders." + sender + ".time_zone");
  return out;
}

std::string hex(std::uint64_t number) {
  std::string out;
  for (int shift = 60; shift >= 0; shift -= 4) out.push_back("0123456789abcdef"[(number >> shift) & 15U]);
  return out;
}

/// UTF-16 is none of the sets that a field of the message could tell.
bool is_utf16(std::string_view bytes) {
  using namespace std::string_view_literals;
  return bytes.starts_with("\xff\xfe"sv) || bytes.starts_with("\xfe\xff"sv) || bytes.starts_with("M\0S\0"sv) ||
         bytes.starts_with("\0M\0S"sv);
}

}  // namespace

struct MessageDecoder::Impl {
  Impl(const Schema& the_schema, FeedOptions the_options, const CodecLimits& the_limits)
      : limits(the_limits),
        options(std::move(the_options)),
        index(the_schema),
        codes(index, options, problems),
        persons(index, options, the_limits.id_bytes_max, problems),
        zones(find_zones(options, problems)),
        observations(the_schema, limits, codes, unmapped, persons) {
    if (sets.find(options.character_set, '\0') == nullptr)
      problems.emplace_back("character_set", "is none of HL7's table 0211 that is read here");
  }

  /// One message of a record, in UTF-8.
  struct Prepared {
    Message message;
    std::string converted;  // what `message` is a view of, where its bytes were converted
    std::uint64_t digest = 0;
    CharacterSet* set = nullptr;
    bool readable = false;
  };

  void prepare(std::string_view bytes, Decoded& out);
  void convert(Prepared& prepared, const std::string& label, Decoded& out);
  bool choose_person(const Addressee& addressee, Decoded& out);
  void find_persons();
  void decode_message(const Prepared& prepared, Decoded& out);
  void begin_message(const Prepared& prepared);
  bool is_ignored(std::string_view type, std::string_view trigger) const;
  void begin_person(const Segment& pid, Decoded& out);
  void take_segment(const Segment& segment, std::size_t at, Decoded& out);
  void end_person(Decoded& out);
  void merge(const Segment& mrg, Decoded& out);
  bool find_moment(bool cancels, std::string_view own_time, Moment& moment, Decoded& out) const;
  void refuse(Refusal reason, std::string what, std::string message, Decoded& out) const {
    out.refused.push_back({reason, context.label.empty() ? std::move(what) : std::string(context.label) + what, std::move(message)});
  }

  std::vector<CodeMap::Problem> problems;  // before what fills it
  const CodecLimits limits;
  const FeedOptions options;
  const SchemaIndex index;
  CodeMap codes;
  const PersonReader persons;
  const std::map<std::string, TimeZone, std::less<>> zones;
  UnmappedCodes unmapped;
  Observations observations;
  CharacterSets sets;
  TextReader text;
  std::string whole;  // of a record in UTF-16
  std::vector<Prepared> messages;
  std::size_t message_count = 0;
  std::vector<std::string> told_of;  // persons
  std::optional<std::string> only;   // whose events are taken

  // Of the message that is decoded.
  MessageContext context;
  std::string message_id, label;
  TriggerRule rule;
  Segment msh, evn;
  std::optional<PersonContext> person;
  std::uint64_t administrative = 0;
  std::size_t persons_met = 0;
};

void MessageDecoder::Impl::convert(Prepared& prepared, const std::string& at, Decoded& out) {
  const Message& message = prepared.message;
  const auto refuse_all = [&](Refusal reason, const char* what, std::string why) {
    out.refused.push_back({reason, at + what, std::move(why)});
  };
  prepared.readable = false;
  prepared.converted.clear();
  if (!message.problem().empty()) return refuse_all(Refusal::malformed, "MSH", std::string(message.problem()));
  const std::string_view told = field_of(message.segments().front(), message.delimiters(), 18);
  prepared.set = sets.find(told.empty() || is_null(told) ? std::string_view(options.character_set) : told, message.delimiters().repetition);
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

/// Fills `messages` with what the record holds.
void MessageDecoder::Impl::prepare(std::string_view bytes, Decoded& out) {
  message_count = 0;
  if (bytes.size() > limits.message_bytes_max) {
    out.refused.push_back({Refusal::too_large, "record", "it has more than " + std::to_string(limits.message_bytes_max) + " bytes"});
    return;
  }
  if (is_utf16(bytes)) {
    whole.clear();
    using namespace std::string_view_literals;
    const bool marked = bytes.starts_with("\xff\xfe"sv) || bytes.starts_with("\xfe\xff"sv);
    CharacterSet utf16(marked ? "UTF-16" : bytes.front() == '\0' ? "UTF-16BE" : "UTF-16LE");
    if (!utf16.to_utf8(bytes, whole)) {
      out.refused.push_back({Refusal::malformed, "record", "it begins as UTF-16 and is none"});
      return;
    }
    bytes = whole;
  }
  MessageReader reader(bytes);
  for (;; ++message_count) {
    if (messages.size() <= message_count) messages.emplace_back();
    if (!reader.next(messages[message_count].message)) break;
    if (message_count == kMessagesMax) {
      out.refused.push_back({Refusal::too_large, "record", "it has more than " + std::to_string(kMessagesMax) + " messages"});
      message_count = 0;
      return;
    }
  }
  for (std::size_t i = 0; i < message_count; ++i) {
    convert(messages[i], message_count == 1 ? "" : "message " + std::to_string(i + 1) + ": ", out);
  }
  out.counts.messages = message_count;
  if (message_count == 0) out.refused.push_back({Refusal::malformed, "record", "it holds no MSH, so no HL7 v2 message"});
  else if (reader.stray_lines() > 0) out.refused.push_back({Refusal::malformed, "record", "lines stand before its first MSH"});
  if (reader.wrong_batches() > 0)
    out.refused.push_back({Refusal::malformed, "BTS-1", "the batch tells another number of messages than it holds"});
}

/// Of a merge, the prior one.
void MessageDecoder::Impl::find_persons() {
  told_of.clear();
  std::vector<RefusedPart> ignored;
  std::string id;
  for (std::size_t i = 0; i < message_count; ++i) {
    if (!messages[i].readable) continue;
    const Message& message = messages[i].message;
    text.set(message, messages[i].set);
    const std::string_view type = field_of(message.segments().front(), message.delimiters(), 9);
    const bool merges = trigger_rule(piece(type, message.delimiters().component, 2)).trigger == Trigger::merges;
    for (const Segment& segment : message.segments()) {
      if (segment.name != (merges ? kMrg : kPid)) continue;
      persons.identify(segment, text, id, ignored);
      ignored.clear();
      if (!id.empty() && std::find(told_of.begin(), told_of.end(), id) == told_of.end()) told_of.push_back(id);
    }
  }
}

/// False: the record is refused.
bool MessageDecoder::Impl::choose_person(const Addressee& addressee, Decoded& out) {
  only.reset();
  if (addressee.everyone) return true;
  if (addressee.person) {
    only = *addressee.person;
    return true;
  }
  std::ptrdiff_t told = 0;
  for (std::size_t i = 0; i < message_count; ++i) {
    const auto segments = messages[i].message.segments();
    told += std::count_if(segments.begin(), segments.end(), [](const Segment& s) { return s.name == kPid || s.name == kMrg; });
  }
  if (told <= 1) return true;
  find_persons();
  if (told_of.size() <= 1) return true;
  const auto keyed = addressee.key ? std::find(told_of.begin(), told_of.end(), *addressee.key) : told_of.end();
  if (keyed == told_of.end()) {
    out.refused.push_back(
        {Refusal::malformed, "PID-3", "the record tells of " + std::to_string(told_of.size()) + " persons, and its key is none of them"});
    return false;
  }
  only = *keyed;
  out.refused.push_back({Refusal::malformed, "PID-3",
                         "the record tells of " + std::to_string(told_of.size()) +
                             " persons, of whom the one that its key names is taken: write it once for each"});
  return true;
}

bool MessageDecoder::Impl::is_ignored(std::string_view type, std::string_view trigger) const {
  return std::any_of(options.ignored_messages.begin(), options.ignored_messages.end(), [&](const std::string& one) {
    return one == type ||
           (one.size() == type.size() + 1 + trigger.size() && one.starts_with(type) && one[type.size()] == '^' && one.ends_with(trigger));
  });
}

void MessageDecoder::Impl::begin_message(const Prepared& prepared) {
  const Message& message = prepared.message;
  const Delimiters& d = message.delimiters();
  text.set(message, prepared.set);
  msh = message.segments().front();
  evn = {};
  Fields<9> f;
  split_fields(msh, d, f);
  message_id = hex(prepared.digest);
  context = {&message, &text, {}, f[7], message_id, label, context.now};
  if (const auto sent = read_stamp(f[7], d)) context.zones.message_east = sent->east;
  auto zone = zones.end();
  for (const std::size_t field : {3, 4}) {
    if (zone == zones.end() && zones.size() > 1) zone = zones.find(piece(f[field], d.component, 1));
  }
  if (zone == zones.end()) zone = zones.find(std::string_view());
  context.zones.sender = zone == zones.end() ? nullptr : &zone->second;
  person.reset();
  administrative = 0;
  persons_met = 0;
}

void MessageDecoder::Impl::begin_person(const Segment& pid, Decoded& out) {
  end_person(out);
  observations.begin_person();
  persons_met += 1;
  person.emplace();
  person->number = static_cast<std::uint32_t>(persons_met);
  person->segments.msh = msh;
  person->segments.pid = pid;
  persons.identify(pid, text, person->id, out.refused);
  person->wanted = !only || *only == person->id;
}

/// When what an ADT tells was so.
bool MessageDecoder::Impl::find_moment(bool cancels, std::string_view own_time, Moment& moment, Decoded& out) const {
  const Delimiters& d = context.message->delimiters();
  const auto of_event = [&](std::size_t field) { return evn.text.empty() ? std::string_view() : field_of(evn, d, field); };
  NamedStamp own[4] = {
      {"EVN-6", cancels ? std::string_view() : of_event(6)}, {own_time, {}}, {"EVN-2", of_event(2)}, {"MSH-7", context.sent}};
  const auto path = FieldPath::parse(own_time);
  if (path && person && !person->segments.pv1.text.empty()) own[1].text = field_of(person->segments.pv1, d, path->field);
  moment = moment_of(own, {}, d, context.zones);
  std::optional<ValueProblem> problem;
  if (moment.problem != Moment::Problem::none) {
    if (moment.field.empty() || moment.problem == Moment::Problem::absent) moment.field = "EVN-2";
    problem = moment_problem(moment);
  } else {
    problem = check_time(moment.time, context.now, limits);
  }
  if (problem) refuse(problem->reason, std::string(moment.field), std::move(problem->message), out);
  return !problem;
}

/// What the event of a patient administration says of the person before.
void MessageDecoder::Impl::end_person(Decoded& out) {
  observations.flush();
  if (!person || person->id.empty() || !person->wanted) return;
  if (rule.trigger != Trigger::attributes && rule.trigger != Trigger::arrives && rule.trigger != Trigger::leaves) return;
  Moment moment;
  if (!find_moment(rule.cancels, rule.own_time, moment, out)) return;
  persons.know(*person, moment.time, text, out.refused);
  Event event;
  event.event_id = message_id + "-a" + std::to_string(++administrative);
  event.patient_id = person->id;
  event.site = person->site;
  event.time = moment.time;
  event.attributes = std::exchange(person->attributes, {});
  event.stay_ends = rule.trigger == Trigger::leaves;
  if (rule.trigger == Trigger::arrives) event.stay_site = person->site;
  if (event.attributes.empty() && !event.stay_ends && event.stay_site.empty()) return;
  out.events.push_back(std::move(event));
  out.counts.administrative += 1;
}

void MessageDecoder::Impl::merge(const Segment& mrg, Decoded& out) {
  if (!person || person->id.empty()) return;  // it is refused for that
  std::string prior;
  persons.identify(mrg, text, prior, out.refused);
  if (prior.empty() || (only && *only != prior)) return;
  if (prior == person->id) return refuse(Refusal::malformed, "MRG-1", "it is the patient of PID-3", out);
  Moment moment;
  if (!find_moment(false, {}, moment, out)) return;
  Event event;
  event.event_id = message_id + "-m" + std::to_string(++administrative);
  event.patient_id = prior;
  event.merged_into = person->id;
  event.person = PersonChange::merge;
  event.time = moment.time;
  if (!person->known) persons.know(*person, moment.time, text, out.refused);
  event.site = person->site;
  out.events.push_back(std::move(event));
  out.counts.administrative += 1;
}

void MessageDecoder::Impl::take_segment(const Segment& segment, std::size_t at, Decoded& out) {
  switch (segment.name) {
    case kPid: return begin_person(segment, out);
    case kEvn: evn = segment; return;
    case kMrg:
      if (rule.trigger == Trigger::merges) merge(segment, out);
      return;
    case kPd1:
      if (person) person->segments.pd1 = segment;
      return;
    case kPv1:
      if (person) person->segments.pv1 = segment;
      return;
    case kPv2:
      if (person) person->segments.pv2 = segment;
      return;
    case kOrc:
    case kObr: return observations.take_order(segment, at);
    case kObx: return observations.take(segment, person ? &*person : nullptr);
    default: return;
  }
}

void MessageDecoder::Impl::decode_message(const Prepared& prepared, Decoded& out) {
  begin_message(prepared);
  const Message& message = prepared.message;
  const Delimiters& d = message.delimiters();
  const std::string_view kind = field_of(msh, d, 9);
  const std::string_view type = piece(kind, d.component, 1);
  std::string_view trigger = piece(kind, d.component, 2);
  observations.begin(context, out);
  const auto segments = message.segments();
  if (trigger.empty()) {  // of versions before 2.2
    const auto found = std::find_if(segments.begin(), segments.end(), [](const Segment& s) { return s.name == kEvn; });
    if (found != segments.end()) trigger = field_of(*found, d, 1);
  }
  const bool ignored = is_ignored(type, trigger);
  const std::uint64_t before = out.counts.observations;
  rule = type == "ADT" ? trigger_rule(trigger) : TriggerRule{};
  for (std::size_t i = 1; i < segments.size(); ++i) {
    if (!ignored) take_segment(segments[i], i, out);
    else if (segments[i].name == kObx) observations.pass(&FeedCounts::ignored);
  }
  end_person(out);
  if (ignored) return;
  if (rule.trigger == Trigger::unsupported) return refuse(Refusal::unsupported, "MSH-9", std::string(rule.problem), out);
  if (rule.trigger != Trigger::none && persons_met == 0) return refuse(Refusal::malformed, "PID", "the message has none", out);
  if (rule.trigger == Trigger::none && out.counts.observations == before) {
    refuse(Refusal::unsupported, "MSH-9",
           "a message of this kind without OBX holds nothing that is taken (hl7.ignored_messages passes it over)", out);
  }
}

MessageDecoder::MessageDecoder(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
MessageDecoder::~MessageDecoder() = default;
MessageDecoder::MessageDecoder(MessageDecoder&&) noexcept = default;

std::vector<MessageDecoder::Problem> MessageDecoder::check(const Schema& schema, const FeedOptions& options) {
  const Impl impl(schema, options, {});
  std::vector<Problem> out;
  for (const auto& [key, message] : impl.problems) out.push_back({key, message});
  return out;
}

Result<MessageDecoder> MessageDecoder::make(const Schema& schema, const FeedOptions& options, const CodecLimits& limits) {
  auto impl = std::make_unique<Impl>(schema, options, limits);
  if (impl->problems.empty()) return MessageDecoder(std::move(impl));
  const auto& [key, message] = impl->problems.front();
  return {Code::invalid, "hl7." + key + ": " + message};
}

const UnmappedCodes& MessageDecoder::unmapped() const { return impl_->unmapped; }

void MessageDecoder::decode(std::string_view bytes, const Addressee& addressee, Time now, Decoded& out) {
  Impl& impl = *impl_;
  out.clear();
  impl.context.now = now;
  impl.prepare(bytes, out);
  if (impl.message_count == 0 || !impl.choose_person(addressee, out)) return;
  for (std::size_t i = 0; i < impl.message_count; ++i) {
    if (!impl.messages[i].readable) continue;
    impl.label.clear();
    if (impl.message_count > 1) impl.label = "message " + std::to_string(i + 1) + ": ";
    impl.decode_message(impl.messages[i], out);
  }
}

}  // namespace lacuna::streaming::hl7
