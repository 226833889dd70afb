#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "state/records/records.h"

// What was delivered under which id: whether a value that arrives is new, a second delivery, a newer report of its result, or in conflict
// with what was taken. Pure values and functions; where they are kept is the store's business.

namespace lacuna::state {

/// A part of an event that is taken or refused by itself: a feature's value, a modality's payload, an attribute, what is said of the stay.
/// From names, not positions, so that it outlives a schema that grows; below 2^23.
using PartKey = std::uint32_t;

/// The keys of a schema's parts. Immutable; any thread.
class PartKeys {
 public:
  static constexpr PartKey kEvent = 0;  ///< the event itself: one without any other part, or a withdrawal
  static constexpr PartKey kAll = 1;    ///< every part of a result: one that was withdrawn as a whole
  static constexpr PartKey kStay = 2;   ///< what is said of the stay
  static constexpr PartKey kEnd = 1U << 23;

  explicit PartKeys(const Schema& schema);
  PartKey feature(FeatureId id) const { return features_.at(id); }
  PartKey payload(ModalityId id) const { return payloads_.at(id); }
  PartKey attribute(std::size_t index) const { return attributes_.at(index); }
  /// Empty when the schema has no such feature (any more).
  std::optional<FeatureId> find_feature(PartKey key) const;
  std::optional<ModalityId> find_payload(PartKey key) const;

 private:
  std::vector<PartKey> features_, payloads_, attributes_;
  std::unordered_map<PartKey, std::uint32_t> by_key_;  ///< features, then payloads, then attributes
};

/// Of a value and its time: tells a repetition from a change. Of a payload 64 bits, since it also tells which of the patient's payloads one
/// is; of all else 16, as of payloads that an earlier build noted. 0: nothing came.
using Tag = std::uint64_t;
constexpr bool is_wide(Tag tag) { return tag > 0xffff; }
/// Whether both are of the same value. One that is wide is held against one that is not by the bits that both have.
bool same_tag(Tag a, Tag b);

/// What stands of one part under one id.
struct DeliveredPart {
  PartKey part = 0;
  Tag tag = 0;
  bool withdrawn = false;
  Revision revision{};  ///< the highest so far
  friend bool operator==(const DeliveredPart&, const DeliveredPart&) = default;
};

/// All that was taken under one id of one patient: an event's, or a result's.
struct Delivery {
  std::uint32_t hour = 0;  ///< the patient's newest clinical time then, see hour_of()
  std::vector<DeliveredPart> parts;
  const DeliveredPart* find(PartKey part) const;
  friend bool operator==(const Delivery&, const Delivery&) = default;
};

/// Hours since 1970, from 0 to 2^24 - 1.
std::uint32_t hour_of(Time time);

/// Within one patient.
std::uint64_t event_key(std::string_view event_id);
std::uint64_t result_key(std::string_view result_id);
std::uint64_t patient_key(std::string_view patient_id);
/// Of the fact that the event reports: its result's key, or its own.
std::uint64_t fact_key(const Event& event);

/// So many bits at the end of an id's key are not kept.
inline constexpr int kLostIdBits = 8;

/// Of two reports of one part of a result: whether `a` has the higher revision. False also where they cannot be compared.
bool is_newer(const Revision& a, const Revision& b);

// Tags outlive a schema that grows: what has a name is told by it, never by its position.
Tag value_tag(double value, Time time, Comparator comparator = Comparator::equal);
Tag value_tag(const Feature& feature, double value, Time time, Comparator comparator = Comparator::equal);
Tag payload_tag(const Payload& payload, Time time);
/// Of an attribute, which has no time.
Tag attribute_tag(const Attribute& attribute, double value);
/// Of an event without its values, payload and attributes.
Tag event_tag(const Event& event);

/// One part as an event claims it.
struct Claim {
  PartKey part = 0;
  Tag tag = 0;
  Revision revision{};
  bool withdraws = false;
};

enum class Verdict : std::uint8_t {
  fresh,       ///< never seen: a value is applied, scored and learned from
  correction,  ///< takes the place of what its result said before; of a withdrawal: takes it away
  restored,    ///< holds again after it was withdrawn
  duplicate,   ///< a second delivery
  superseded,  ///< an older report than the one that holds
  conflict,    ///< taken under this event id with another content, and no higher revision
  mixed,       ///< its revision is a number where the result's is a time, or the other way round
};

/// `by_event`: what stands under the event's id; `by_result`: under its result's (both null where nothing does). An event without a result
/// is a fact of its own.
Verdict judge(const Delivery* by_event, const Delivery* by_result, bool has_result, const Claim& claim);

/// Notes the claim under an id. The highest revision stays.
void record(Delivery& delivery, const Claim& claim);

}  // namespace lacuna::state
