#include "tests/soak/traffic.h"

#include <utility>

#include "state/records/hash.h"
#include "streaming/messages/encoders.h"

namespace lacuna::soak {

namespace {

using streaming::Refusal;

constexpr Time kStart{std::chrono::sys_days{std::chrono::year{2020} / 1 / 1}};
constexpr std::chrono::seconds kStep{10};
constexpr std::chrono::days kLateBy{30};
/// Of a patient's records that may be sent again: far fewer than the daemon remembers (kRecentIdsMax).
constexpr std::size_t kRecent = 8;
constexpr double kOutOfRange = 9999;  // of hr

// Shares of what is not an event in order.
constexpr double kSwapped = 0.02, kDuplicate = 0.04, kLate = 0.02, kBad = 0.03, kPartial = 0.01;

std::string replaced(std::string text, std::string_view what, std::string_view with) {
  if (const std::size_t at = text.find(what); at != std::string::npos) text.replace(at, what.size(), with);
  return text;
}

}  // namespace

std::string patient_name(std::uint32_t patient) { return "p" + std::to_string(patient); }

Time event_time(std::uint32_t sequence) { return kStart + sequence * kStep; }

std::uint64_t content_hash(const std::string& key, const std::optional<std::string>& value) {
  return value ? hash64(*value, hash64(key)) : hash64(key) + 1;
}

Traffic::Traffic(const Schema& schema, std::string topic, std::int32_t partitions, std::uint32_t patients, std::uint64_t seed)
    : schema_(schema),
      topic_(std::move(topic)),
      partitions_(partitions),
      vitals_(schema.find_modality("vitals")),
      labs_(schema.find_modality("labs")),
      counter_(schema.find_feature(vitals_, "counter").value()),
      hr_(schema.find_feature(vitals_, "hr").value()),
      k_(schema.find_feature(labs_, "k").value()),
      patients_(patients),
      random_(seed) {}

std::vector<Outgoing> Traffic::one_each() {
  std::vector<Outgoing> out;
  for (std::uint32_t p = 0; p < patients_.size(); ++p) out.push_back(good(p, ++patients_[p].sequence));
  return out;
}

std::vector<Outgoing> Traffic::next() {
  const auto p = static_cast<std::uint32_t>(random_() % patients_.size());
  Patient& patient = patients_[p];
  double draw = to_unit(random_());
  const auto within = [&draw](double share) { return (draw -= share) < 0; };
  if (within(kSwapped)) {
    patient.sequence += 2;
    return {good(p, patient.sequence), good(p, patient.sequence - 1)};
  }
  if (within(kDuplicate)) {
    Outgoing again = patient.recent[random_() % patient.recent.size()];
    again.sent.fate = Fate::duplicate;
    return {std::move(again)};
  }
  if (within(kLate)) return {late(p)};
  if (within(kBad)) return {bad(p)};
  ++patient.sequence;
  return {good(p, patient.sequence, within(kPartial) && has_counter(patient.sequence))};
}

Event Traffic::event(std::uint32_t patient, std::uint32_t sequence) const {
  Event out;
  out.patient_id = patient_name(patient);
  out.event_id = out.patient_id + "-" + std::to_string(sequence);
  out.site = "ward-" + std::to_string(patient % 3);
  out.time = event_time(sequence);
  const double wave = to_unit(mix64(sequence * 1'000'003ULL + patient));
  if (has_counter(sequence)) {
    out.modality = vitals_;
    out.values = {{counter_, static_cast<double>(sequence)}, {hr_, 60 + 40 * wave}};
  } else {
    out.modality = labs_;
    out.values = {{k_, 3 + 2 * wave}};
  }
  return out;
}

Outgoing Traffic::good(std::uint32_t patient, std::uint32_t sequence, bool partial) {
  Event e = event(patient, sequence);
  if (partial) e.values[1].value = kOutOfRange;
  Outgoing out = finish(patient, sequence, streaming::encode_event(schema_, e), partial ? Fate::partial : Fate::applied,
                        partial ? std::optional(Refusal::out_of_range) : std::nullopt);
  // A second copy of one with a bad part would be a duplicate and a dead letter as well: it is not sent
  // again.
  std::deque<Outgoing>& recent = patients_[patient].recent;
  if (!partial) recent.push_back(out);
  if (recent.size() > kRecent) recent.pop_front();
  return out;
}

Outgoing Traffic::late(std::uint32_t patient) {
  Event e = event(patient, 1);
  e.event_id = e.patient_id + "-late-" + std::to_string(++patients_[patient].odd);
  e.time = kStart - kLateBy;
  return finish(patient, 0, streaming::encode_event(schema_, e), Fate::late, Refusal::late);
}

Outgoing Traffic::bad(std::uint32_t patient) {
  Event e = event(patient, patients_[patient].sequence / 8 * 8 + 1);
  e.event_id = e.patient_id + "-bad-" + std::to_string(++patients_[patient].odd);
  std::optional<std::string> value;
  Refusal reason = Refusal::malformed;
  switch (random_() % 6) {
    case 0: value = streaming::encode_event(schema_, e).substr(0, 20); break;
    case 1: break;  // a tombstone, of nobody
    case 2:
      value = replaced(streaming::encode_event(schema_, e), "\"vitals\"", "\"unheard_of\""), reason = Refusal::unknown_modality;
      break;
    case 3: value = replaced(streaming::encode_event(schema_, e), "Z\"", "\""), reason = Refusal::time; break;
    case 4: value = replaced(streaming::encode_event(schema_, e), "{", "{\"imputed\":true,"), reason = Refusal::imputed; break;
    default:
      e.values = {{hr_, kOutOfRange}};
      value = streaming::encode_event(schema_, e);
      reason = Refusal::out_of_range;
  }
  const bool nobody = !value;
  Outgoing out = finish(patient, 0, std::move(value), Fate::refused, reason);
  if (nobody) {
    out.record.key.clear();
    out.sent.hash = content_hash("", out.record.value);
  }
  return out;
}

Outgoing Traffic::finish(std::uint32_t patient, std::uint32_t sequence, std::optional<std::string> value, Fate fate,
                         std::optional<Refusal> reason) const {
  Outgoing out;
  out.record.topic = topic_;
  out.record.key = patient_name(patient);
  out.record.partition = streaming::partition_for(out.record.key, partitions_);
  out.sent = {content_hash(out.record.key, value), patient, sequence, fate, reason};
  out.record.value = std::move(value);
  return out;
}

Journal::Journal(std::int32_t partitions)
    : partitions_(static_cast<std::size_t>(partitions)), ends_(std::make_unique<End[]>(partitions_.size())) {}

void Journal::append(const std::vector<Outgoing>& batch) {
  for (const Outgoing& one : batch) {
    const auto partition = static_cast<std::size_t>(one.record.partition.value());
    partitions_[partition].push_back(one.sent);
    End& end = ends_[partition];
    if (changes_state(one.sent.fate)) end.newest_change = end.end.load();
    end.end += 1;
  }
  size_ += batch.size();
}

}  // namespace lacuna::soak
