#include <algorithm>
#include <set>

#include "daemon/pipeline/person_ledger.h"

// What a batch does to the payloads of its patients: the newest of those that hold is in the snapshot, a few before it are kept beside it.

namespace lacuna::daemon {

using state::HeldPayloads;
using state::PartKey;

/// All that are known of, the newest last.
Result<HeldPayloads> PersonLedger::payloads_before(const std::string& patient, const Person& person, const state::Store& store,
                                                   ModalityId id) const {
  const ModalityState& known = person.modalities[id];
  HeldPayloads out;
  if (!known.payload) return out;
  const PartKey part = keys_.payload(id);
  const auto is_this = [part](const auto& kept) { return kept.first == part; };
  const auto in_flight = [&]() -> const state::StoredPayloads* {
    if (person.in_flight == nullptr) return nullptr;
    const auto at = std::ranges::find_if(person.in_flight->payloads, is_this);
    return at == person.in_flight->payloads.end() ? nullptr : &at->second;
  }();
  if (in_flight != nullptr) {
    out = in_flight->held;
  } else if (!person.begins) {
    auto stored = store.payloads(patient, {&part, 1});
    if (!stored.ok()) return stored.status();
    out = std::move(stored->front());
  }
  // The schema may have been without the modality for a while, and have another of its name since.
  const Modality& modality = config_.schema->modalities()[id];
  std::erase_if(out, [&](const auto& one) {
    return one.time > known.last_time || !check_payload(modality.kind, modality.payload, *one.payload).ok();
  });
  out.push_back({known.last_time, known.payload});
  return out;
}

Status PersonLedger::change_payloads(const std::string& patient, Person& person, const state::Store& store, Snapshot& snapshot) {
  std::set<ModalityId> touched;
  for (const PayloadChange& change : person.payloads) touched.insert(change.modality);
  for (const ModalityId id : touched) {
    Result<HeldPayloads> held = payloads_before(patient, person, store, id);
    if (!held.ok()) return held.status();
    HeldPayloads before = *held;
    if (!before.empty()) before.pop_back();
    for (const auto& [modality, corrects, change] : person.payloads) {
      if (modality != id) continue;
      const bool newest = !held->empty() && change.replaces != 0 &&
                          state::same_tag(state::payload_tag(*held->back().payload, held->back().time), change.replaces);
      if (corrects) corrections_.push_back({patient, 0, newest ? std::min(change.time, held->back().time) : Time::min(), true, {}});
      (void)state::apply_change(*held, change);
    }
    ModalityState& known = snapshot.modalities[id];
    if (held->empty()) {
      known = {};
    } else {
      known.payload = held->back().payload;
      known.last_time = held->back().time;
      known.count = std::max<std::uint32_t>(known.count, 1);
      held->pop_back();
    }
    const std::size_t kept = std::min(held->size(), config_.state_payloads);
    held->erase(held->begin(), held->end() - static_cast<std::ptrdiff_t>(kept));
    if (*held != before) person.kept_payloads.emplace_back(keys_.payload(id), std::move(*held));
  }
  return {};
}

}  // namespace lacuna::daemon
