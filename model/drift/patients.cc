#include "model/drift/patients.h"

#include <algorithm>
#include <array>
#include <utility>

#include "state/records/hash.h"

namespace lacuna::drift {
namespace {

constexpr Millis kAbsenceMax = std::chrono::hours(12);
// In stored order.
constexpr std::array<Set Patient::*, 6> kSets = {&Patient::seen,  &Patient::in_last_panel, &Patient::scored,
                                                 &Patient::known, &Patient::missed,        &Patient::missed_before};

}  // namespace

std::int64_t hour_of(Time t) { return std::chrono::floor<std::chrono::hours>(t).time_since_epoch().count(); }
Time begin_of(std::int64_t hour) { return Time(hour * Millis(std::chrono::hours(1))); }

bool test_bit(const Set& set, std::size_t i) { return (set[i / 64] >> (i % 64) & 1) != 0; }
void put_bit(Set& set, std::size_t i, bool value) {
  const std::uint64_t bit = std::uint64_t{1} << (i % 64);
  set[i / 64] = value ? set[i / 64] | bit : set[i / 64] & ~bit;
}

void Patient::skip_to(Time time) {
  for (std::size_t i = 0; i < open.size(); ++i) {
    for (std::size_t m = 0; m < past.size(); ++m) {
      if ((open[i] >> m & 1) != 0)
        past[m].last_hour = std::max(past[m].last_hour, static_cast<std::int32_t>(open_hour) + static_cast<std::int32_t>(i));
    }
  }
  open.clear();
  open_hour = hour_of(time) + 1;
  newest = time;
}

Patient Patients::fresh(std::size_t modalities, std::size_t features) {
  Patient p;
  p.past.resize(modalities);
  p.scores.resize(features);
  for (const auto set : kSets) (p.*set).resize((features + 63) / 64);
  return p;
}

void Patient::join(const Snapshot& before) {
  joined = admitted = coded = true;
  gone = false;
  skip_to(before.last_time);
  for (std::size_t m = 0; m < past.size(); ++m) {
    past[m].panel_hour = kNever;
    if (before.modalities[m].count > 0)
      past[m].last_hour = std::max(past[m].last_hour, static_cast<std::int32_t>(hour_of(before.modalities[m].last_time)));
  }
  for (std::size_t f = 0; f < scores.size(); ++f) {
    scores[f] = {};
    for (const auto set : {&Patient::in_last_panel, &Patient::known}) put_bit(this->*set, f, false);
    if (before.features[f].count > 0) put_bit(seen, f, true);
  }
}

std::size_t recency_cell(std::int64_t hour, const Patient::Past& past) {
  if (past.last_hour == kNever) return 0;
  const std::int64_t since = hour - past.last_hour;
  if (since <= 2) return since <= 1 ? 1 : 2;
  if (since <= 8) return since <= 4 ? 3 : 4;
  return since <= 16 ? 5 : 6;
}

std::size_t frequency_cell(const Patient& patient, const Patient::Past& past) {
  if (patient.hours < kEarlyHours) return 0;
  if (past.frequency < 0.2f) return past.frequency < 0.05f ? 1 : 2;
  return past.frequency < 0.5f ? 3 : 4;
}

Patient& Patients::find(std::string_view id, Time time, const Snapshot* before) {
  const std::uint64_t key = hash64(id);
  changed_.insert(key);
  auto found = by_hash_.find(key);
  const Time seen = found != by_hash_.end() ? found->second.newest : Time::min();
  const bool elsewhere =
      before != nullptr && before->event_count > 0 && before->last_time > seen && time - before->last_time <= kAbsenceMax;
  if (found != by_hash_.end()) {
    const Patient& p = found->second;
    const Time newest = elsewhere ? before->last_time : time;
    if (newest - p.newest > kAbsenceMax || (p.gone && newest > p.newest)) {
      by_hash_.erase(found);
      found = by_hash_.end();
    }
  }
  if (found == by_hash_.end()) {
    found = by_hash_.emplace(key, fresh(modalities_, features_)).first;
    Patient& p = found->second;
    p.first = p.newest = time;
    p.open_hour = hour_of(time) + 1;
  }
  if (elsewhere) found->second.join(*before);
  return found->second;
}

void Patients::forget(std::string_view id) {
  const std::uint64_t key = hash64(id);
  if (by_hash_.erase(key) > 0) changed_.insert(key);
}

std::size_t Patients::size() const {
  return static_cast<std::size_t>(std::count_if(by_hash_.begin(), by_hash_.end(), [](const auto& entry) { return !entry.second.gone; }));
}

void Patients::sweep(Time watermark) {
  std::erase_if(by_hash_, [this, watermark](const auto& entry) {
    const bool silent = watermark - entry.second.newest > kAbsenceMax;
    if (silent) changed_.insert(entry.first);
    return silent;
  });
}

void Patients::save(ByteWriter& out) const {
  std::vector<std::uint64_t> keys;
  keys.reserve(by_hash_.size());
  for (const auto& entry : by_hash_) keys.push_back(entry.first);
  if (keys.size() > kPatientsInWhole) {
    const auto came_last = [this](std::uint64_t key) { return std::pair(by_hash_.at(key).newest, key); };
    std::nth_element(keys.begin(), keys.begin() + kPatientsInWhole, keys.end(),
                     [&](std::uint64_t a, std::uint64_t b) { return came_last(a) > came_last(b); });
    keys.resize(kPatientsInWhole);
  }
  std::sort(keys.begin(), keys.end());  // equal states are equal bytes
  out.put<std::uint32_t>(static_cast<std::uint32_t>(keys.size()));
  for (const std::uint64_t key : keys) {
    out.put(key);
    save(by_hash_.at(key), out);
  }
}

void Patients::save(const Patient& p, ByteWriter& out) {
  for (const Time t : {p.first, p.newest}) out.put<std::int64_t>(t.time_since_epoch().count());
  out.put(p.site);
  for (const std::int64_t v : {p.hours, p.open_hour, p.scored_hour}) out.put(v);
  out.put_all(p.open);
  for (const Patient::Past& past : p.past) {
    out.put(past.last_hour);
    out.put(past.panel_hour);
    out.put(past.frequency);
  }
  // Most features have no scores yet.
  std::uint32_t scored = 0;
  for (const Patient::Scores& s : p.scores) scored += s.count > 0;
  out.put(scored);
  for (std::uint32_t f = 0; f < p.scores.size(); ++f) {
    const Patient::Scores& s = p.scores[f];
    if (s.count == 0) continue;
    out.put(f);
    out.put(s.z);
    out.put(s.error);
    out.put(s.count);
  }
  for (const auto set : kSets) {
    for (const std::uint64_t word : p.*set) out.put(word);
  }
  for (const float v : {p.misses, p.errors, p.values, p.miss_mean, p.error_mean}) out.put(v);
  out.put(p.hours_scored);
  out.put(static_cast<std::uint8_t>((p.admitted ? 1 : 0) | (p.coded ? 2 : 0) | (p.gone ? 4 : 0) | (p.joined ? 8 : 0)));
}

bool Patients::load(ByteReader& in, const SchemaMapping* grown) {
  by_hash_.clear();
  changed_.clear();
  const auto count = in.get<std::uint32_t>();
  if (!in.ok() || count > kPatientsInWhole) return false;
  for (std::uint32_t i = 0; i < count; ++i) {
    if (!load_one(in.get<std::uint64_t>(), in, grown)) return false;
  }
  return true;
}

bool Patients::load_one(std::uint64_t key, ByteReader& in, const SchemaMapping* grown) {
  Patient p = grown != nullptr ? fresh(grown->from_modality_count(), grown->from_feature_count()) : fresh(modalities_, features_);
  if (!load(in, p)) return false;
  by_hash_.emplace(key, grown != nullptr ? carried(std::move(p), *grown) : std::move(p));
  return true;
}

bool Patients::load_row(std::uint64_t key, std::string_view bytes, const SchemaMapping* grown) {
  ByteReader in(bytes);
  return load_one(key, in, grown) && in.at_end();
}

std::map<std::uint64_t, std::optional<std::string>> Patients::take_changed() {
  std::map<std::uint64_t, std::optional<std::string>> out;
  for (const std::uint64_t key : std::exchange(changed_, {})) {
    const auto found = by_hash_.find(key);
    ByteWriter row;
    if (found != by_hash_.end()) save(found->second, row);
    out.emplace(key, found != by_hash_.end() ? std::optional(row.take()) : std::nullopt);
  }
  return out;
}

void Patients::all_changed() {
  for (const auto& entry : by_hash_) changed_.insert(entry.first);
}

bool Patients::load(ByteReader& in, Patient& p) {
  for (Time* t : {&p.first, &p.newest}) *t = Time(Millis(in.get<std::int64_t>()));
  p.site = in.get<std::uint16_t>();
  for (std::int64_t* v : {&p.hours, &p.open_hour, &p.scored_hour}) *v = in.get<std::int64_t>();
  p.open = in.get_all<std::uint64_t>();
  if (!in.ok() || p.open.size() > kOpenHoursMax) return false;
  // The hours from there to the newest event are closed one by one.
  const std::int64_t newest = hour_of(p.newest);
  if (p.open_hour < newest - static_cast<std::int64_t>(kOpenHoursMax) || p.open_hour > newest + 1) return false;
  for (Patient::Past& past : p.past) {
    past.last_hour = in.get<std::int32_t>();
    past.panel_hour = in.get<std::int32_t>();
    past.frequency = in.get<float>();
  }
  const auto scored = in.get<std::uint32_t>();
  if (scored > p.scores.size()) return false;
  for (std::uint32_t s = 0; s < scored; ++s) {
    const auto f = in.get<std::uint32_t>();
    if (!in.ok() || f >= p.scores.size()) return false;
    p.scores[f].z = in.get<float>();
    p.scores[f].error = in.get<float>();
    p.scores[f].count = in.get<std::uint8_t>();
  }
  for (const auto set : kSets) {
    for (std::uint64_t& word : p.*set) word = in.get<std::uint64_t>();
  }
  for (float* v : {&p.misses, &p.errors, &p.values, &p.miss_mean, &p.error_mean}) *v = in.get<float>();
  p.hours_scored = in.get<std::uint8_t>();
  const auto flags = in.get<std::uint8_t>();
  p.admitted = (flags & 1) != 0;
  p.coded = (flags & 2) != 0;
  p.gone = (flags & 4) != 0;
  p.joined = (flags & 8) != 0;
  return in.ok();
}

/// Of a modality or feature that is new, what is known of one who has just come. Scores are in standard deviations, whatever the unit.
Patient Patients::carried(Patient there, const SchemaMapping& grown) const {
  Patient p = fresh(modalities_, features_);
  for (ModalityId m = 0; m < modalities_; ++m) {
    if (const auto from = grown.modalities()[m]) p.past[m] = there.past[*from];
  }
  for (std::uint64_t& open : there.open) {
    const std::uint64_t was = std::exchange(open, 0);
    for (ModalityId m = 0; m < modalities_; ++m) {
      if (const auto from = grown.modalities()[m]) open |= (was >> *from & 1) << m;
    }
  }
  for (FeatureId f = 0; f < features_; ++f) {
    const auto& from = grown.features()[f];
    if (!from) continue;
    p.scores[f] = there.scores[from->from];
    for (const auto set : kSets) put_bit(p.*set, f, test_bit(there.*set, from->from));
  }
  there.past = std::move(p.past);
  there.scores = std::move(p.scores);
  for (const auto set : kSets) there.*set = std::move(p.*set);
  return there;
}

}  // namespace lacuna::drift
