#include "state/deliveries.h"

#include <algorithm>
#include <bit>
#include <string>

#include "state/records/hash.h"

namespace lacuna::state {

namespace {

// Apart from one another, and from every other use of the hash.
constexpr std::uint64_t kEventSalt = 0x6576656e74ULL;
constexpr std::uint64_t kResultSalt = 0x726573756c74ULL;
constexpr std::uint64_t kPatientSalt = 0x70657273ULL;

/// Never 0: that is the tag of what was withdrawn before it came.
Tag tag_of(std::uint64_t hash) { return std::max<std::uint64_t>(hash >> 48, 1); }

Tag wide_tag_of(std::uint64_t hash) { return is_wide(hash) ? hash : hash + 0x10000; }

std::uint64_t time_hash(Time time) { return mix64(static_cast<std::uint64_t>(time.time_since_epoch().count())); }

bool kinds_differ(const Revision& a, const Revision& b) {
  return a.kind != Revision::Kind::none && b.kind != Revision::Kind::none && a.kind != b.kind;
}

// Which of two reports is the newer; 0 also where one of them has no revision, and the later in the partition holds.
int compare(const Revision& a, const Revision& b) {
  if (a.kind == Revision::Kind::none || b.kind == Revision::Kind::none) return 0;
  return a.value < b.value ? -1 : a.value > b.value ? 1 : 0;
}

const DeliveredPart* find(const Delivery* delivery, PartKey part) { return delivery == nullptr ? nullptr : delivery->find(part); }

}  // namespace

PartKeys::PartKeys(const Schema& schema) {
  const auto add = [this](std::string_view kind, const std::string& modality, const std::string& name, std::uint32_t index) {
    PartKey key = static_cast<PartKey>(hash64(name, hash64(modality, hash64(kind))) % kEnd);
    // Two names of one schema seldom meet; the later in the schema takes the next free key.
    while (key <= kStay || by_key_.contains(key)) key = (key + 1) % kEnd;
    by_key_.emplace(key, index);
    return key;
  };
  std::uint32_t index = 0;
  for (const Feature& f : schema.features()) features_.push_back(add("feature", schema.modalities()[f.modality].name, f.name, index++));
  for (const Modality& m : schema.modalities()) payloads_.push_back(add("payload", m.name, {}, index++));
  for (const Attribute& a : schema.attributes()) attributes_.push_back(add("attribute", a.name, {}, index++));
}

std::optional<FeatureId> PartKeys::find_feature(PartKey key) const {
  const auto found = by_key_.find(key);
  if (found == by_key_.end() || found->second >= features_.size()) return std::nullopt;
  return found->second;
}

std::optional<ModalityId> PartKeys::find_payload(PartKey key) const {
  const auto found = by_key_.find(key);
  if (found == by_key_.end() || found->second < features_.size()) return std::nullopt;
  if (found->second >= features_.size() + payloads_.size()) return std::nullopt;
  return static_cast<ModalityId>(found->second - features_.size());
}

const DeliveredPart* Delivery::find(PartKey part) const {
  const auto at = std::find_if(parts.begin(), parts.end(), [part](const DeliveredPart& p) { return p.part == part; });
  return at == parts.end() ? nullptr : &*at;
}

std::uint32_t hour_of(Time time) {
  constexpr std::int64_t kHoursMax = (1 << 24) - 1;
  const std::int64_t hours = std::chrono::duration_cast<std::chrono::hours>(time.time_since_epoch()).count();
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(hours, 0, kHoursMax));
}

std::uint64_t event_key(std::string_view event_id) { return hash64(event_id, kEventSalt); }
std::uint64_t result_key(std::string_view result_id) { return hash64(result_id, kResultSalt); }
std::uint64_t patient_key(std::string_view patient_id) { return hash64(patient_id, kPatientSalt); }
std::uint64_t fact_key(const Event& event) { return event.result_id.empty() ? event_key(event.event_id) : result_key(event.result_id); }

bool is_newer(const Revision& a, const Revision& b) { return !kinds_differ(a, b) && compare(a, b) > 0; }

Tag value_tag(double value, Time time, Comparator comparator) {
  const std::uint64_t side = is_censored(comparator) ? mix64(static_cast<std::uint64_t>(comparator)) : 0;
  return tag_of(mix64(std::bit_cast<std::uint64_t>(value) ^ time_hash(time) ^ side));
}

namespace {
/// Of one of these categories; 0 where it is none of them.
std::uint64_t category_hash(const std::vector<std::string>& categories, double value) {
  const auto index = static_cast<std::size_t>(std::max(value, 0.0));
  return index < categories.size() ? hash64(categories[index]) : 0;
}
}  // namespace

Tag value_tag(const Feature& feature, double value, Time time, Comparator comparator) {
  if (feature.categories.empty()) return value_tag(value, time, comparator);
  return tag_of(mix64(category_hash(feature.categories, value) ^ time_hash(time)));
}

bool same_tag(Tag a, Tag b) {
  if (is_wide(a) == is_wide(b)) return a == b;
  return is_wide(a) ? tag_of(a) == b : a == tag_of(b);
}

Tag payload_tag(const Payload& payload, Time time) {
  const auto bytes = [](const auto& values) {
    return std::string_view(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(values[0]));
  };
  return wide_tag_of(hash64(payload.text, hash64(bytes(payload.observed), hash64(bytes(payload.values), time_hash(time)))));
}

Tag attribute_tag(const Attribute& attribute, double value) {
  const auto& categories = attribute.categories;
  return tag_of(mix64(categories.empty() ? std::bit_cast<std::uint64_t>(value) : category_hash(categories, value)));
}

Tag event_tag(const Event& event) {
  return tag_of(hash64(event.stay_site, hash64(event.result_id, mix64(time_hash(event.time)) + (event.stay_ends ? 1 : 0))));
}

namespace {
/// Withdrawn before any value of it came.
bool never_taken(const DeliveredPart& part) { return part.withdrawn && part.tag == 0; }
}  // namespace

Verdict judge(const Delivery* by_event, const Delivery* by_result, bool has_result, const Claim& claim) {
  const DeliveredPart* seen = find(by_event, claim.part);
  if (seen != nullptr && never_taken(*seen)) seen = nullptr;
  const DeliveredPart* const own = find(has_result ? by_result : by_event, claim.part);
  const DeliveredPart* const fact = own != nullptr || !has_result ? own : find(by_result, PartKeys::kAll);
  // Whichever of its parts told a revision: they are a result's.
  if (has_result && by_result != nullptr &&
      std::ranges::any_of(by_result->parts, [&claim](const DeliveredPart& p) { return kinds_differ(claim.revision, p.revision); })) {
    return Verdict::mixed;
  }
  if (!claim.withdraws && seen != nullptr && compare(claim.revision, seen->revision) <= 0) {
    return same_tag(seen->tag, claim.tag) ? Verdict::duplicate : Verdict::conflict;
  }
  if (fact == nullptr) return Verdict::fresh;
  const int order = compare(claim.revision, fact->revision);
  if (order < 0) return Verdict::superseded;
  if (claim.withdraws) return fact->withdrawn && order == 0 ? Verdict::duplicate : Verdict::correction;
  if (fact->withdrawn) return own == nullptr || never_taken(*own) ? Verdict::fresh : Verdict::restored;
  return Verdict::correction;
}

void record(Delivery& delivery, const Claim& claim) {
  auto at = std::find_if(delivery.parts.begin(), delivery.parts.end(), [&](const DeliveredPart& p) { return p.part == claim.part; });
  if (at == delivery.parts.end()) at = delivery.parts.insert(at, DeliveredPart{claim.part, claim.tag, false, {}});
  if (!claim.withdraws) at->tag = claim.tag;
  at->withdrawn = claim.withdraws;
  if (at->revision.kind == Revision::Kind::none || compare(claim.revision, at->revision) > 0) at->revision = claim.revision;
}

}  // namespace lacuna::state
