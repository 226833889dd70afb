#include "streaming/hl7/message_decoder.h"

#include <algorithm>
#include <map>
#include <span>
#include <utility>

#include "streaming/files/time_zone.h"
#include "streaming/hl7/code_map.h"
#include "streaming/hl7/message.h"
#include "streaming/hl7/observations.h"
#include "streaming/hl7/person.h"
#include "streaming/hl7/record_messages.h"
#include "streaming/hl7/stamp.h"
#include "streaming/hl7/trigger.h"

namespace lacuna::streaming::hl7 {

namespace {

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

}  // namespace

struct MessageDecoder::Impl {
  Impl(const Schema& the_schema, FeedOptions the_options, const CodecLimits& the_limits)
      : limits(the_limits),
        options(std::move(the_options)),
        index(the_schema),
        codes(index, options, problems),
        persons(index, options, the_limits.id_bytes_max, problems),
        zones(find_zones(options, problems)),
        observations(the_schema, limits, codes, unmapped, persons),
        reader(options.character_set, limits.message_bytes_max) {
    if (!reader.knows_character_set()) problems.emplace_back("character_set", "is none of HL7's table 0211 that is read here");
  }

  bool choose_person(const Addressee& addressee, Decoded& out);
  void find_persons();
  void decode_message(const PreparedMessage& prepared, Decoded& out);
  void begin_message(const PreparedMessage& prepared);
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
  RecordMessages reader;
  std::span<const PreparedMessage> messages;
  TextReader text;
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

/// Of a merge, the prior one.
void MessageDecoder::Impl::find_persons() {
  told_of.clear();
  std::vector<RefusedPart> ignored;
  std::string id;
  for (const PreparedMessage& one : messages) {
    if (!one.readable) continue;
    text.set(one.message, one.set);
    const bool merges = kind_of(one.message).rule.trigger == Trigger::merges;
    for (const Segment& segment : one.message.segments()) {
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
  for (const PreparedMessage& one : messages) {
    const auto segments = one.message.segments();
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

void MessageDecoder::Impl::begin_message(const PreparedMessage& prepared) {
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

void MessageDecoder::Impl::decode_message(const PreparedMessage& prepared, Decoded& out) {
  begin_message(prepared);
  const Message& message = prepared.message;
  const MessageKind kind = kind_of(message);
  observations.begin(context, out);
  const auto segments = message.segments();
  const bool ignored = is_among(kind, options.ignored_messages);
  const std::uint64_t before = out.counts.observations;
  rule = kind.rule;
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
  impl.messages = impl.reader.read(bytes, out.refused);
  out.counts.messages = impl.messages.size();
  if (impl.messages.empty() || !impl.choose_person(addressee, out)) return;
  for (std::size_t i = 0; i < impl.messages.size(); ++i) {
    if (!impl.messages[i].readable) continue;
    impl.label.clear();
    if (impl.messages.size() > 1) impl.label = "message " + std::to_string(i + 1) + ": ";
    impl.decode_message(impl.messages[i], out);
  }
}

}  // namespace lacuna::streaming::hl7
