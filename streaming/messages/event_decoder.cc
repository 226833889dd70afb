#include "streaming/messages/event_decoder.h"

#include <algorithm>
#include <cmath>

#include "streaming/messages/fact_json.h"
#include "streaming/messages/foreign_format.h"
#include "streaming/messages/json_value.h"
#include "streaming/messages/payload_json.h"
#include "streaming/messages/refusal.h"

namespace lacuna::streaming {

namespace {

// Top-level members, each at most once.
enum Member : unsigned {
  kSchemaVersion = 1U << 0,
  kEventId = 1U << 1,
  kPatientId = 1U << 2,
  kSite = 1U << 3,
  kModality = 1U << 4,
  kTime = 1U << 5,
  kValues = 1U << 6,
  kAttributes = 1U << 7,
  kImputed = 1U << 8,
  kMeta = 1U << 9,
  kPayload = 1U << 10,
  kText = 1U << 11,
  kResult = 1U << 12,
  kStatus = 1U << 13,
  kPerson = 1U << 14,
  kStay = 1U << 15,
};

std::string quoted_or(std::string_view name, std::string_view otherwise) {
  return is_quotable_name(name) ? "'" + std::string(name) + "'" : std::string(otherwise);
}

}  // namespace

struct EventDecoder::Impl {
  Impl(const Schema& schema, CodecLimits codec_limits)
      : limits(codec_limits),
        schema_index(schema),
        resolver(schema_index),
        feature_slots(schema.feature_count()),
        attribute_slots(schema.attributes().size()) {}

  Outcome decode(std::string_view json, Time now);

 private:
  // One event's members as written. Views point into the parser's buffers.
  struct Members {
    unsigned seen = 0;
    std::string_view event_id, patient_id, site, modality, time;
    GivenPayload payload;
    GivenFacts facts;
    bool imputed = false;
    bool asserted_by_algorithm = false;
    std::optional<ValueProblem> problem;  // the first that refuses the whole event
  };

  // Says that a feature or attribute was met in this event, and where its value stands.
  struct Slot {
    std::uint64_t event = 0;  // number of the event that used it last
    enum class State : std::uint8_t { taken, refused } state = State::taken;
    std::size_t position = 0;
  };

  bool read_document(std::string_view json, Members& members);
  bool read_member(std::string_view key, ondemand::value value, Members& members);
  bool read_text_member(std::string_view key, ondemand::value value, std::string_view& out, Members& members);
  bool read_version(ondemand::value value, Members& members);
  bool read_flag(ondemand::value value, Members& members);
  void check_members(const Members& members, std::optional<ValueProblem>& problem) const;
  std::optional<ValueProblem> fill_identity(const Members& members, Time now, Event& event) const;
  std::optional<ValueProblem> find_modality(const Members& members, Event& event) const;
  std::optional<ValueProblem> check_content(const Members& members, const Event& event) const;
  std::optional<ValueProblem> resolve_value(const Event& event, FeatureId id, const RawValue& raw, FeatureValue& out);
  void fill_values(DecodedEvent& decoded);
  void fill_payload(const Members& members, DecodedEvent& decoded) const;
  void fill_attributes(DecodedEvent& decoded);

  // Resolves `raws` one by one; `find` gives an index for a name, `resolve` a value, `Item` is the record's entry.
  template <typename Item, typename Find, typename Resolve, typename Path>
  void fill(const std::vector<RawValue>& raws, std::vector<Slot>& slots, std::vector<Item>& items, std::vector<RefusedPart>& refused,
            std::string_view group, Find find, Resolve resolve, Path path);

  static void note(Members& members, Refusal reason, std::string message) {
    if (!members.problem) members.problem = ValueProblem{reason, std::move(message)};
  }

  const CodecLimits limits;
  const SchemaIndex schema_index;
  ValueResolver resolver;
  ondemand::parser parser;
  PaddedText padded;
  std::vector<RawValue> values;
  std::vector<RawValue> attributes;
  std::vector<Slot> feature_slots;
  std::vector<Slot> attribute_slots;
  std::uint64_t event_number = 0;
};

bool EventDecoder::Impl::read_text_member(std::string_view key, ondemand::value value, std::string_view& out, Members& members) {
  std::optional<std::string_view> text;
  if (!read_text(value, text)) return false;
  if (text) {
    out = *text;
  } else {
    note(members, Refusal::malformed, std::string(key) + " must be text");
  }
  return true;
}

bool EventDecoder::Impl::read_version(ondemand::value value, Members& members) {
  RawValue raw;
  if (!read_value(value, false, raw)) return false;
  if (raw.kind != RawValue::Kind::number || raw.number != 1) {
    note(members, Refusal::malformed, "schema_version must be 1");
  }
  return true;
}

bool EventDecoder::Impl::read_flag(ondemand::value value, Members& members) {
  RawValue raw;
  if (!read_value(value, false, raw)) return false;
  if (raw.kind != RawValue::Kind::truth) note(members, Refusal::malformed, "imputed must be true or false");
  members.imputed = raw.kind == RawValue::Kind::truth && raw.truth;
  return true;
}

bool EventDecoder::Impl::read_member(std::string_view key, ondemand::value value, Members& members) {
  const auto once = [&](unsigned member) {
    if ((members.seen & member) != 0) note(members, Refusal::malformed, std::string(key) + " is given twice");
    members.seen |= member;
  };
  const auto must_be_object = [&](bool is_object) {
    if (!is_object) note(members, Refusal::malformed, std::string(key) + " must be an object");
  };
  const auto read_into = [&](std::vector<RawValue>& out) {
    bool is_object = true;
    bool too_many = false;
    if (!read_values(value, false, limits.values_max, out, is_object, too_many)) return false;
    must_be_object(is_object);
    if (too_many) {
      note(members, Refusal::too_large, std::string(key) + " has more than " + std::to_string(limits.values_max) + " members");
    }
    return true;
  };
  if (key == "schema_version") return once(kSchemaVersion), read_version(value, members);
  if (key == "event_id") return once(kEventId), read_text_member(key, value, members.event_id, members);
  if (key == "patient_id") return once(kPatientId), read_text_member(key, value, members.patient_id, members);
  if (key == "site") return once(kSite), read_text_member(key, value, members.site, members);
  if (key == "modality") return once(kModality), read_text_member(key, value, members.modality, members);
  if (key == "time") return once(kTime), read_text_member(key, value, members.time, members);
  if (key == "values") return once(kValues), read_into(values);
  if (key == "payload") return once(kPayload), read_payload(value, members.payload.payload.emplace());
  if (key == "text") {
    once(kText);
    if (!read_text(value, members.payload.text)) return false;
    if (!members.payload.text) note(members, Refusal::malformed, "text must be text");
    return true;
  }
  if (key == "attributes") return once(kAttributes), read_into(attributes);
  if (key == "imputed") return once(kImputed), read_flag(value, members);
  if (key == "result") return once(kResult), read_result(value, members.facts);
  if (key == "status") return once(kStatus), read_status(value, members.facts);
  if (key == "patient") return once(kPerson), read_person(value, members.facts);
  if (key == "stay") return once(kStay), read_stay(value, members.facts);
  if (key == "meta") {
    once(kMeta);
    bool is_object = true;
    if (!read_meta(value, is_object, members.asserted_by_algorithm)) return false;
    must_be_object(is_object);
    return true;
  }
  // A member we do not know may carry what we should have heeded, so only what says of itself that it may be passed
  // over is passed over.
  if (!key.starts_with("x_")) note(members, Refusal::malformed, "unknown member " + quoted_or(key, "at the top level"));
  return skip_json(value, 2);
}

bool EventDecoder::Impl::read_document(std::string_view json, Members& members) {
  ondemand::document document;
  ondemand::object object;
  return parser.iterate(padded.set(json)).get(document) == simdjson::SUCCESS && document.get_object().get(object) == simdjson::SUCCESS &&
         each_member(object, [&](std::string_view key, ondemand::value value) { return read_member(key, value, members); }) &&
         document.current_location().error() == simdjson::OUT_OF_BOUNDS;  // nothing follows
}

void EventDecoder::Impl::check_members(const Members& members, std::optional<ValueProblem>& problem) const {
  // Before all else: an imputation has members of its own, and must be refused for what it is.
  if (members.imputed || members.asserted_by_algorithm) {
    problem = {Refusal::imputed, "an imputation is no observation"};
    return;
  }
  problem = members.problem;
  if (problem) return;
  constexpr std::pair<unsigned, const char*> kRequired[] = {
      {kSchemaVersion, "schema_version"}, {kEventId, "event_id"}, {kPatientId, "patient_id"}, {kTime, "time"}};
  for (const auto& [member, name] : kRequired) {
    if ((members.seen & member) != 0) continue;
    problem = {Refusal::malformed, std::string(name) + " is missing"};
    return;
  }
}

std::optional<ValueProblem> EventDecoder::Impl::check_content(const Members& members, const Event& event) const {
  if (event.person != PersonChange::none) {
    constexpr unsigned kOfNoPerson = kModality | kValues | kPayload | kText | kAttributes | kResult | kStatus | kStay;
    if ((members.seen & kOfNoPerson) == 0) return std::nullopt;
    return ValueProblem{Refusal::malformed, "an event with patient says nothing else"};
  }
  const bool of_stay = event.stay_ends || !event.stay_site.empty();
  if (withdraws(event.status)) {
    if (of_stay) return ValueProblem{Refusal::unsupported, "a stay's end or its new site cannot be withdrawn"};
    return std::nullopt;
  }
  const bool holds_payload = (members.seen & (kPayload | kText)) != 0;
  if (values.empty() && attributes.empty() && !holds_payload && !of_stay) {
    return ValueProblem{Refusal::malformed, "neither values, payload, text, attributes, patient nor stay"};
  }
  return std::nullopt;
}

// A withdrawal names values; what they were, or whether they are repeated at all, is nothing to it.
std::optional<ValueProblem> EventDecoder::Impl::resolve_value(const Event& event, FeatureId id, const RawValue& raw, FeatureValue& out) {
  if (!withdraws(event.status)) return resolver.feature(id, raw, out);
  const bool unreadable = raw.kind == RawValue::Kind::bad && !raw.is_null && raw.reason != Refusal::out_of_range;
  return unreadable ? std::optional(ValueProblem{raw.reason, raw.problem}) : std::nullopt;
}

std::optional<ValueProblem> EventDecoder::Impl::fill_identity(const Members& members, Time now, Event& event) const {
  if (members.event_id.empty()) return ValueProblem{Refusal::malformed, "event_id is empty"};
  if (members.patient_id.empty()) return ValueProblem{Refusal::malformed, "patient_id is empty"};
  if (auto problem = check_id("event_id", members.event_id, limits.id_bytes_max)) return problem;
  if (auto problem = check_id("patient_id", members.patient_id, limits.id_bytes_max)) return problem;
  if (auto problem = check_id("site", members.site, limits.id_bytes_max)) return problem;
  const auto time = parse_rfc3339(members.time);
  if (!time) return ValueProblem{Refusal::time, "time is not RFC 3339 with a zone"};
  if (now - *time > limits.past_max) {
    return ValueProblem{Refusal::time, "time is more than " + format_duration(limits.past_max) + " back (limits.past_max)"};
  }
  if (*time - now > limits.future_max) {
    return ValueProblem{Refusal::time, "time is more than " + format_duration(limits.future_max) + " in the future"};
  }
  event.event_id = members.event_id;
  event.patient_id = members.patient_id;
  event.site = members.site;
  event.time = *time;
  return std::nullopt;
}

std::optional<ValueProblem> EventDecoder::Impl::find_modality(const Members& members, Event& event) const {
  if ((members.seen & kModality) == 0) {
    if (values.empty() && (members.seen & (kPayload | kText)) == 0) return std::nullopt;
    return ValueProblem{Refusal::malformed, "modality is missing"};
  }
  event.modality = schema_index.find_modality(members.modality);
  if (event.modality == kNoModality) {
    return ValueProblem{Refusal::unknown_modality, "the schema has no modality " + quoted_or(members.modality, "of this name")};
  }
  const Modality& modality = schema_index.schema().modalities()[event.modality];
  const bool is_tabular = modality.kind == ModalityKind::tabular;
  const bool is_text = modality.kind == ModalityKind::text;
  const unsigned others = (is_tabular ? kPayload | kText : kValues | (is_text ? kPayload : kText)) & members.seen;
  if (others != 0) {
    return ValueProblem{Refusal::malformed, "modality '" + modality.name + "' is of kind " + std::string(to_string(modality.kind)) +
                                                ": it takes " +
                                                (is_tabular ? "values"
                                                 : is_text  ? "text"
                                                            : "payload") +
                                                ", not " +
                                                ((others & kValues) != 0 ? "values"
                                                 : (others & kText) != 0 ? "text"
                                                                         : "payload")};
  }
  return std::nullopt;
}

template <typename Item, typename Find, typename Resolve, typename Path>
void EventDecoder::Impl::fill(const std::vector<RawValue>& raws, std::vector<Slot>& slots, std::vector<Item>& items,
                              std::vector<RefusedPart>& refused, std::string_view group, Find find, Resolve resolve, Path path) {
  items.reserve(raws.size());
  bool removed = false;
  for (const RawValue& raw : raws) {
    const auto index = find(raw.name);
    if (!index) {
      const bool quotable = is_quotable_name(raw.name);
      refused.push_back({Refusal::unknown_feature, std::string(group) + (quotable ? "." + std::string(raw.name) : ""),
                         quotable ? "the schema has no such name" : "a name that no schema could have"});
      continue;
    }
    Slot& slot = slots[*index];
    if (slot.event == event_number) {
      // Which of the two is right is not ours to guess: neither is taken. Said once.
      if (slot.state == Slot::State::taken) {
        items[slot.position].value = std::nan("");
        removed = true;
        refused.push_back({Refusal::malformed, path(*index), "given twice"});
      }
      slot.state = Slot::State::refused;
      continue;
    }
    Item item{static_cast<std::uint32_t>(*index), 0};
    std::optional<ValueProblem> problem = resolve(*index, raw, item);
    slot = {event_number, problem ? Slot::State::refused : Slot::State::taken, items.size()};
    if (problem) {
      refused.push_back({problem->reason, path(*index), std::move(problem->message)});
    } else {
      items.push_back(item);
    }
  }
  if (removed) std::erase_if(items, [](const Item& item) { return std::isnan(item.value); });
}

void EventDecoder::Impl::fill_values(DecodedEvent& decoded) {
  const ModalityId modality = decoded.event.modality;
  if (modality == kNoModality) return;  // then there are no values
  fill(
      values, feature_slots, decoded.event.values, decoded.refused, schema_index.schema().modalities()[modality].name,
      [&](std::string_view name) { return schema_index.find_feature(modality, name); },
      [&](FeatureId id, const RawValue& raw, FeatureValue& out) { return resolve_value(decoded.event, id, raw, out); },
      [&](FeatureId id) { return schema_index.feature(id).path; });
}

void EventDecoder::Impl::fill_payload(const Members& members, DecodedEvent& decoded) const {
  if ((members.seen & (kPayload | kText)) == 0 || withdraws(decoded.event.status)) return;
  const Modality& modality = schema_index.schema().modalities()[decoded.event.modality];
  if (auto problem = take_payload(modality, members.payload, limits.payload_bytes_max, decoded.event.payload)) {
    const char* const member = (members.seen & kText) != 0 ? ".text" : ".payload";
    decoded.refused.push_back({problem->reason, modality.name + member, std::move(problem->message)});
  }
}

void EventDecoder::Impl::fill_attributes(DecodedEvent& decoded) {
  if (withdraws(decoded.event.status)) {
    if (!attributes.empty()) decoded.refused.push_back({Refusal::unsupported, "attributes", "what holds for the stay cannot be withdrawn"});
    return;
  }
  fill(
      attributes, attribute_slots, decoded.event.attributes, decoded.refused, "attributes",
      [&](std::string_view name) { return schema_index.find_attribute(name); },
      [&](std::size_t index, const RawValue& raw, AttributeValue& out) { return resolver.attribute(index, raw, out.value); },
      [&](std::size_t i) { return schema_index.attribute(i).path; });
}

namespace {

/// So that whoever finds the letter knows what was sent, and where to read on.
std::string resemblance(std::string_view json) {
  const std::string_view format = foreign_format(json);
  return format.empty() ? std::string() : "; it looks like " + std::string(format) + " (docs/messages.md#what-is-not-an-event)";
}

}  // namespace

EventDecoder::Outcome EventDecoder::Impl::decode(std::string_view json, Time now) {
  const auto refuse = [](Refusal reason, std::string message) { return Outcome{std::nullopt, Refused{reason, std::move(message)}}; };
  if (json.size() > limits.message_bytes_max) {
    return refuse(Refusal::too_large, "the message has more than " + std::to_string(limits.message_bytes_max) + " bytes");
  }
  ++event_number;
  values.clear();
  attributes.clear();
  Members members;
  if (!read_document(json, members)) return refuse(Refusal::malformed, "not one JSON object" + resemblance(json));

  std::optional<ValueProblem> problem;
  check_members(members, problem);
  Outcome outcome;
  DecodedEvent& decoded = outcome.decoded.emplace();
  if (!problem) problem = fill_identity(members, now, decoded.event);
  if (!problem) problem = take_facts(members.facts, limits.id_bytes_max, decoded.event);
  if (!problem) problem = check_content(members, decoded.event);
  if (!problem) problem = find_modality(members, decoded.event);
  if (problem) return refuse(problem->reason, problem->message + (problem->reason == Refusal::malformed ? resemblance(json) : ""));

  fill_values(decoded);
  fill_payload(members, decoded);
  fill_attributes(decoded);
  const Event& event = decoded.event;
  const bool measured = !event.values.empty() || event.payload;
  // A withdrawal that named nothing withdraws all: one whose names are all bad must not turn into it.
  const bool says_more = withdraws(event.status) ? values.empty()
                                                 : !event.attributes.empty() || event.person != PersonChange::none || event.stay_ends ||
                                                       !event.stay_site.empty();
  if (!measured && !says_more) {
    const RefusedPart& first = decoded.refused.front();
    return refuse(first.reason, first.what + ": " + first.message);
  }
  if (!measured && !withdraws(event.status)) decoded.event.modality = kNoModality;
  return outcome;
}

EventDecoder::EventDecoder(const Schema& schema, CodecLimits limits) : impl_(std::make_unique<Impl>(schema, limits)) {}
EventDecoder::~EventDecoder() = default;
EventDecoder::EventDecoder(EventDecoder&&) noexcept = default;
EventDecoder::Outcome EventDecoder::decode(std::string_view json, Time now) { return impl_->decode(json, now); }

}  // namespace lacuna::streaming
