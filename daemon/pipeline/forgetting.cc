#include "daemon/pipeline/forgetting.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "state/records/person_key.h"

namespace lacuna::daemon {

Status Forgetting::add(const std::string& patient, const SourcePosition& at, const state::Store& store, const state::StateChange* before) {
  const auto [found, first] = patients_.try_emplace(patient);
  found->second.partitions.insert(at.partition);
  found->second.number = std::max(found->second.number, static_cast<std::uint64_t>(at.offset));
  if (!first) return {};
  const std::vector<std::string> one{patient};
  const auto stored = store.persons(one);
  if (!stored.ok()) return stored.status();
  found->second.number = std::max(found->second.number, stored->front().begun);
  Result<std::vector<std::string>> keys = store.person_keys(patient);
  if (!keys.ok()) return keys.status();
  found->second.keys.insert(keys->begin(), keys->end());
  if (before == nullptr) return {};
  for (const state::PersonUpdate& update : before->persons) {
    if (update.patient_id != patient) continue;
    found->second.number = std::max(found->second.number, update.journals.back().state.begun);
    for (state::PersonRecord& record : state::to_records(update)) found->second.keys.insert(std::move(record.key));
  }
  return {};
}

void Forgetting::encode(const Config& config, streaming::Transaction& out) const {
  for (const auto& [patient, forgotten] : patients_) {
    const streaming::Headers headers{{std::string(kForgottenAtHeader), std::to_string(forgotten.number)}};
    const auto drop = [&, &partitions = forgotten.partitions](const std::string& key) {
      for (const std::int32_t p : partitions) out.outputs.push_back({config.topics.state, p, key, std::nullopt, headers});
    };
    drop(patient + std::string(kSnapshotKeySuffix));
    for (const std::string& key : forgotten.keys) drop(key);
    out.outputs.push_back({config.topics.imputations, std::nullopt, patient, std::nullopt, {}, std::string(split_person_key(patient).id)});
  }
}

std::vector<std::string> Forgetting::patients() const {
  std::vector<std::string> out;
  for (const auto& [patient, forgotten] : patients_) out.push_back(patient);
  return out;
}

std::optional<Event> forgetting_event(const Config& config, const streaming::Record& tombstone) {
  if (tombstone.key.empty() || tombstone.key.size() > config.limits.id_bytes_max) return std::nullopt;
  if (config.identity_namespace == NamespaceSource::site) return std::nullopt;
  Event event;
  event.patient_id = tombstone.key;
  event.person = PersonChange::forget;
  return event;
}

std::optional<std::string_view> forgotten_by(const streaming::Record& record) {
  const std::string_view key = record.key;
  if (record.value || !key.ends_with(kSnapshotKeySuffix)) return std::nullopt;
  return key.substr(0, key.size() - kSnapshotKeySuffix.size());
}

bool began_after(const streaming::Record& tombstone, const state::PersonState& known) {
  for (const auto& [name, value] : tombstone.headers) {
    if (name != kForgottenAtHeader) continue;
    std::uint64_t offset = 0;
    std::from_chars(value.data(), value.data() + value.size(), offset);
    return known.sequence > 0 && known.begun > offset;
  }
  return false;
}

}  // namespace lacuna::daemon
