#include "daemon/pipeline/person_ledger.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "state/patient.h"
#include "state/person_history.h"
#include "state/records/hash.h"

namespace lacuna::daemon {

using state::Claim;
using state::HistoryChange;
using state::PartKey;
using state::PartKeys;
using state::Verdict;

/// What is wrong with an event goes into one dead letter: the first reason, and what else there was.
void PersonLedger::Judged::refuse(streaming::Refusal reason, const std::string& message) {
  if (!refused) refused.emplace(reason, message);
  else if (refused->second.find(message) == std::string::npos) refused->second += "; " + message;
}

PersonLedger::Person PersonLedger::new_person(const Snapshot& snapshot) {
  Person person;
  person.key = state::patient_key(snapshot.patient_id);
  person.features = snapshot.features;
  person.modalities = snapshot.modalities;
  person.last_time = snapshot.last_time;
  person.any = snapshot.event_count > 0;
  person.old_ids = snapshot.recent_ids;
  return person;
}

void PersonLedger::forget(const std::string& patient, const Snapshot& snapshot) {
  Person& person = people_.at(patient);
  const std::uint64_t above = std::max(person.begun_min, person.state.begun + 1);
  std::erase_if(rows_, [&person](const auto& row) { return row.first.patient == person.key; });
  person = new_person(snapshot);
  person.begins = true;
  person.begun_min = above;
}

Status PersonLedger::load(const std::vector<const Event*>& events, const Snapshots& snapshots, const state::Store& store,
                          const state::StateChange* before) {
  schemas_ = &store.schemas();
  std::vector<std::string> ids;
  for (const Event* event : events) {
    const auto [at, first] = people_.try_emplace(event->patient_id);
    if (!first) continue;
    at->second = new_person(snapshots.at(at->first));
    at->second.begins = before != nullptr && std::ranges::find(before->forgotten, at->first) != before->forgotten.end();
  }
  for (const auto& [id, person] : people_) ids.push_back(id);
  const auto stored = store.persons(ids);
  if (!stored.ok()) return stored.status();
  std::size_t i = 0;
  for (auto& [id, person] : people_) {
    const state::PersonState& found = (*stored)[i++];
    if (person.begins) person.begun_min = found.begun + 1;
    else person.stored = person.state = found;
  }
  if (before != nullptr) {
    for (const state::PersonUpdate& update : before->persons) {
      const auto at = people_.find(update.patient_id);
      if (at == people_.end()) continue;
      at->second.in_flight = &update;
      at->second.state = update.journals.back().state;
      for (const state::DeliveryRow& r : update.rows) rows_[{at->second.key, r.id}] = {r.delivery, true, false};
    }
  }
  std::vector<state::DeliveryKey> keys;
  const auto want = [&](const state::DeliveryKey& key) {
    if (rows_.try_emplace(key).second) keys.push_back(key);
  };
  for (const Event* event : events) {
    const Person& person = people_.at(event->patient_id);
    if (person.begins) continue;
    want({person.key, state::event_key(event->event_id)});
    if (!event->result_id.empty()) want({person.key, state::result_key(event->result_id)});
  }
  auto found = store.deliveries(keys);
  if (!found.ok()) return found.status();
  for (std::size_t k = 0; k < keys.size(); ++k) {
    if ((*found)[k]) rows_[keys[k]] = {std::move(*(*found)[k]), true, false};
  }
  return {};
}

Result<state::PersonPast> PersonLedger::past(const std::string& patient, const Person& person, const state::Store& store,
                                             std::span<const PartKey> parts) const {
  if (person.begins) return state::PersonPast{{}, std::vector<std::optional<state::FeatureHistory>>(parts.size())};
  return store.past(patient, person.stored, parts);
}

const state::Delivery* PersonLedger::known(const Person& person, std::uint64_t id) const {
  const auto at = rows_.find({person.key, id});
  return at == rows_.end() || at->second.delivery.parts.empty() ? nullptr : &at->second.delivery;
}

void PersonLedger::note(Person& person, std::uint64_t id, const Claim& claim, Time time) {
  Row& to = row(person, id);
  state::record(to.delivery, claim);
  to.delivery.hour = state::hour_of(person.any ? std::max(person.last_time, time) : time);
  if (!to.changed) person.rows.push_back(id);
  to.changed = true;
}

/// Whatever comes in this batch too: what is newer in it does not make an event late.
bool PersonLedger::is_late(const Person& person, Time time) const { return person.any && person.last_time - time > config_.late_max; }

/// Of what looks like a conflict: whether an earlier schema had it as what was taken.
bool PersonLedger::was_taken(const Person& person, const Event& event, const Claim& claim) {
  if (!earlier_readings_) earlier_readings_.emplace(config_, *schemas_);
  return earlier_readings_->have(bytes_, claim.part, known(person, state::event_key(event.event_id))->find(claim.part)->tag);
}

Verdict PersonLedger::judge_part(Person& person, const Event& event, const Claim& claim, bool& in_time, Judged& out) {
  const bool has_result = !event.result_id.empty();
  const std::uint64_t event_id = state::event_key(event.event_id);
  const Verdict verdict =
      state::judge(known(person, event_id), has_result ? known(person, state::fact_key(event)) : nullptr, has_result, claim);
  switch (verdict) {
    case Verdict::duplicate: return verdict;
    case Verdict::conflict:
      if (was_taken(person, event, claim)) return Verdict::duplicate;
      out.refuse(streaming::Refusal::id_conflict, "taken before under this event_id with another value, and no higher revision");
      return verdict;
    case Verdict::mixed:
      out.refuse(streaming::Refusal::malformed, "result.revision: the revisions of a result are all numbers or all times");
      return verdict;
    case Verdict::fresh:
      in_time = in_time && !is_late(person, event.time);
      if (is_late(person, event.time)) return verdict;
      break;
    case Verdict::correction:
    case Verdict::restored: out.changes = true; break;
    case Verdict::superseded: break;
  }
  note(person, event_id, claim, event.time);
  if (has_result && verdict != Verdict::superseded) note(person, state::fact_key(event), claim, event.time);
  return verdict;
}

void PersonLedger::change(Person& person, const Event& event, PartKey part, HistoryChange::Kind kind, const FeatureValue& v) {
  person.changes.push_back({part, {kind, state::fact_key(event), event.time, v.value, v.comparator}});
}

void PersonLedger::judge_values(Person& person, Event& event, bool& in_time, Judged& out) {
  std::vector<FeatureValue> fresh;
  for (const FeatureValue& v : event.values) {
    const PartKey part = keys_.feature(v.feature);
    bool on_time = true;
    switch (judge_part(
        person, event,
        {part, state::value_tag(config_.schema->features()[v.feature], v.value, event.time, v.comparator), event.revision, false}, on_time,
        out)) {
      case Verdict::fresh:
        in_time = in_time && on_time;
        if (!on_time) continue;
        fresh.push_back(v);
        change(person, event, part, HistoryChange::Kind::insert, v);
        // It belongs before what is known: its place in the means is found in the history.
        if (person.features[v.feature].count > 0 && event.time < person.features[v.feature].time) person.touched.insert(part);
        continue;
      case Verdict::restored:
        change(person, event, part, HistoryChange::Kind::insert, v);
        person.touched.insert(part);
        continue;
      case Verdict::correction:
        change(person, event, part, HistoryChange::Kind::replace, v);
        person.touched.insert(part);
        continue;
      default: continue;
    }
  }
  event.values = std::move(fresh);
}

void PersonLedger::judge_payload(Person& person, Event& event, bool& in_time, Judged& out) {
  const PartKey part = keys_.payload(event.modality);
  const state::Delivery* const fact = known(person, state::fact_key(event));
  const state::DeliveredPart* const before = fact == nullptr ? nullptr : fact->find(part);
  const state::Tag replaced = before == nullptr ? 0 : before->tag;
  bool on_time = true;
  const Verdict verdict =
      judge_part(person, event, {part, state::payload_tag(*event.payload, event.time), event.revision, false}, on_time, out);
  in_time = in_time && on_time;
  const bool fresh = verdict == Verdict::fresh && on_time;
  const bool corrects = verdict == Verdict::correction || verdict == Verdict::restored;
  if (fresh || corrects)
    person.payloads.push_back({event.modality, corrects, {verdict == Verdict::correction ? replaced : 0, event.time, event.payload}});
  if (!fresh) event.payload = {};
}

/// Attributes, and what is said of the stay, which is never corrected: it has happened.
void PersonLedger::judge_rest(Person& person, Event& event, bool& in_time, Judged& out) {
  const auto is_fresh = [&](const Claim& claim, Verdict& verdict) {
    bool on_time = true;
    verdict = judge_part(person, event, claim, on_time, out);
    in_time = in_time && on_time;
    return on_time && verdict == Verdict::fresh;
  };
  Verdict verdict{};
  std::erase_if(event.attributes, [&](const AttributeValue& a) {
    if (is_fresh(
            {keys_.attribute(a.attribute), state::attribute_tag(config_.schema->attributes()[a.attribute], a.value), event.revision, false},
            verdict))
      return false;
    if (verdict == Verdict::correction || verdict == Verdict::restored) person.attributes.push_back(a);
    return true;
  });
  if (!event.stay_ends && event.stay_site.empty()) return;
  if (is_fresh({PartKeys::kStay, state::event_tag(event), event.revision, false}, verdict)) return;
  event.stay_ends = false;
  event.stay_site.clear();
}

PersonLedger::Judged PersonLedger::judge(Event& event, std::size_t record, const SourcePosition& source, std::string_view bytes) {
  Judged out;
  bytes_ = bytes;
  Person& person = people_.at(event.patient_id);
  person.partition = source.partition;
  if (!person.first_offset) person.first_offset = static_cast<std::uint64_t>(source.offset);
  const auto& old = person.old_ids;
  if (std::find(old.begin(), old.end(), hash64(event.event_id)) != old.end()) return out;
  bool in_time = true;
  if (withdraws(event.status)) {
    withdraw(person, event, out);
  } else if (event.values.empty() && !event.payload && event.attributes.empty() && !event.stay_ends && event.stay_site.empty()) {
    const Verdict verdict = judge_part(person, event, {PartKeys::kEvent, state::event_tag(event), {}, false}, in_time, out);
    out.fresh = verdict == Verdict::fresh && in_time;
  } else {
    const bool measures = !event.values.empty() || event.payload;
    if (event.payload) judge_payload(person, event, in_time, out);
    judge_values(person, event, in_time, out);
    judge_rest(person, event, in_time, out);
    const bool measured = !event.values.empty() || event.payload;
    if (measures && !measured) event.modality = kNoModality;  // of which nothing is new
    out.fresh = measured || !event.attributes.empty() || event.stay_ends || !event.stay_site.empty();
  }
  if (!in_time) {
    out.refuse(streaming::Refusal::late,
               "older than the patient's newest event by more than lateness.max (" + format_duration(config_.late_max) + ")");
  }
  if (out.changes) {
    if (!out.fresh) person.only_changed += 1;
    if (!person.source || *person.source < source) {
      person.source = source;
      person.record = record;
    }
    if (!withdraws(event.status)) person.newest = std::max(person.newest, event.time);
  }
  return out;
}

std::vector<PartKey> PersonLedger::parts_to_withdraw(const Event& event, const state::Delivery* fact) const {
  std::vector<PartKey> out;
  for (const FeatureValue& v : event.values) out.push_back(keys_.feature(v.feature));
  if (!out.empty() || fact == nullptr) return out;
  for (const state::DeliveredPart& p : fact->parts) {
    const std::optional<FeatureId> feature = keys_.find_feature(p.part);
    const std::optional<ModalityId> payload = keys_.find_payload(p.part);
    const ModalityId modality = feature ? config_.schema->features()[*feature].modality : payload.value_or(kNoModality);
    if (modality != kNoModality && (event.modality == kNoModality || event.modality == modality)) out.push_back(p.part);
  }
  return out;
}

/// Of a result, what has not come yet as well: it is withdrawn when it comes.
void PersonLedger::add_modality(ModalityId id, std::vector<PartKey>& parts) const {
  const Modality& modality = config_.schema->modalities()[id];
  const auto add = [&parts](PartKey part) {
    if (std::find(parts.begin(), parts.end(), part) == parts.end()) parts.push_back(part);
  };
  if (modality.kind != ModalityKind::tabular) add(keys_.payload(id));
  for (FeatureId f = modality.first_feature; f < modality.first_feature + modality.feature_count; ++f) add(keys_.feature(f));
}

namespace {

/// Tells a withdrawal that is sent again from one that was repaired: by what it names, too.
state::Tag withdrawal_tag(const Schema& schema, const Event& event, const state::PartKeys& keys) {
  const std::uint64_t modality = event.modality == kNoModality ? 0 : hash64(schema.modalities()[event.modality].name);
  std::uint64_t named = mix64(modality) ^ mix64(std::bit_cast<std::uint64_t>(event.revision.value));
  for (const FeatureValue& v : event.values) named ^= mix64(keys.feature(v.feature));
  return state::event_tag(event) ^ (mix64(named) >> 48);
}

}  // namespace

void PersonLedger::withdraw(Person& person, const Event& event, Judged& out) {
  const bool has_result = !event.result_id.empty();
  const std::uint64_t event_id = state::event_key(event.event_id), fact = state::fact_key(event);
  const Claim itself{PartKeys::kEvent, withdrawal_tag(*config_.schema, event, keys_), {}, false};
  if (has_result && state::judge(known(person, event_id), nullptr, false, itself) == Verdict::duplicate) return;
  std::vector<PartKey> parts = parts_to_withdraw(event, known(person, fact));
  if (event.values.empty() && has_result) {
    if (event.modality == kNoModality) parts.push_back(PartKeys::kAll);
    else add_modality(event.modality, parts);
  }
  for (const PartKey part : parts) {
    const Claim claim{part, 0, event.revision, true};
    const state::Delivery* const before = known(person, fact);
    const state::DeliveredPart* const seen = before == nullptr ? nullptr : before->find(part);
    const state::Tag tag = seen == nullptr ? 0 : seen->tag;
    const bool held = seen != nullptr && !seen->withdrawn;
    const Verdict verdict = state::judge(known(person, event_id), has_result ? before : nullptr, has_result, claim);
    if (verdict == Verdict::mixed) {
      out.refuse(streaming::Refusal::malformed, "result.revision: the revisions of a result are all numbers or all times");
      return;
    }
    if (verdict != Verdict::fresh && verdict != Verdict::correction) continue;
    note(person, fact, claim, event.time);
    out.noted = true;
    if (!held) continue;
    out.changes = out.changes || part != PartKeys::kAll;
    if (keys_.find_feature(part)) {
      change(person, event, part, HistoryChange::Kind::withdraw, {});
      person.touched.insert(part);
    } else if (const auto modality = keys_.find_payload(part)) {
      person.payloads.push_back({*modality, true, {tag, event.time, {}}});
    }
  }
  if (has_result) note(person, event_id, itself, event.time);
}

Status PersonLedger::settle(const state::Store& store, Snapshots& snapshots, EventCounts& counts) {
  for (auto& [patient, person] : people_) {
    if (person.rows.empty()) continue;
    LACUNA_RETURN_IF_ERROR(settle_person(patient, person, store, snapshots.at(patient), counts));
  }
  return {};
}

Status PersonLedger::settle_person(const std::string& patient, Person& person, const state::Store& store, Snapshot& snapshot,
                                   EventCounts& counts) {
  bool unaccounted = false;
  if (!person.touched.empty()) {
    Result<std::vector<Folded>> touched = histories(patient, person, store, person.touched);
    if (!touched.ok()) return touched.status();
    for (Folded& one : *touched) {
      unaccounted = unaccounted || one.unaccounted;
      fold_feature(patient, person, one, snapshot, counts);
    }
  }
  LACUNA_RETURN_IF_ERROR(change_payloads(patient, person, store, snapshot));
  for (const AttributeValue& a : person.attributes) state::set_attribute(snapshot, a);
  if (person.source) {
    snapshot.event_count += person.only_changed;
    snapshot.last_time = std::max(snapshot.last_time, person.newest);
    const bool one_partition = snapshot.source.topic == person.source->topic && snapshot.source.partition == person.source->partition;
    if (!one_partition || snapshot.source < *person.source) snapshot.source = *person.source;
    corrected_[patient] = person.record;
  }
  return update(patient, person, store, snapshot, unaccounted);
}

Result<std::vector<PersonLedger::Folded>> PersonLedger::histories(const std::string& patient, const Person& person,
                                                                  const state::Store& store, const std::set<PartKey>& parts) const {
  std::vector<PartKey> asked;
  for (const PartKey part : parts) {
    if (keys_.find_feature(part)) asked.push_back(part);
  }
  Result<state::PersonPast> before = past(patient, person, store, asked);
  if (!before.ok()) return before.status();
  std::vector<Folded> out;
  for (std::size_t i = 0; i < asked.size(); ++i) {
    Folded& one = out.emplace_back();
    one.part = asked[i];
    one.feature = *keys_.find_feature(one.part);
    state::FeatureHistory stored = std::move(before->histories[i]).value_or(state::FeatureHistory{});
    std::vector<HistoryChange> changes;
    const auto gather = [&](const state::PersonJournal& journal) {
      for (const state::ValueChange& c : journal.changes) {
        if (c.part == one.part) changes.push_back(c.change);
      }
    };
    for (const state::PersonJournal& journal : before->pending) gather(journal);
    if (person.in_flight != nullptr) {
      gather(person.in_flight->journals.back());
      for (const auto& [part, history] : person.in_flight->histories) {
        if (part != one.part) continue;
        stored = history.history;
        changes.clear();
      }
    }
    const FeatureState& known = person.features[one.feature];
    auto history = state::history_behind(known, config_.schema->features()[one.feature].likelihood, stored, changes);
    one.unaccounted = !history;
    one.history = std::move(history).value_or(state::FeatureHistory{known, {}});
  }
  return out;
}

void PersonLedger::fold_feature(const std::string& patient, const Person& person, Folded& folded, Snapshot& snapshot, EventCounts& counts) {
  bool exact = true, corrects = false;
  Time from = Time::max();
  for (const state::ValueChange& c : person.changes) {
    if (c.part != folded.part) continue;
    if (c.change.kind != HistoryChange::Kind::insert) {
      const auto& window = folded.history.window;
      const auto held = std::find_if(window.begin(), window.end(), [&c](const state::HistoryEntry& e) { return e.fact == c.change.fact; });
      corrects = true;
      if (held != window.end()) {
        from = std::min({from, c.change.time, held->time});
      } else {  // when it was is not known any more
        exact = false;
        from = Time::min();
        counts.late_corrections += 1;
      }
    }
    state::apply_change(folded.history, c.change);
  }
  const Feature& feature = config_.schema->features()[folded.feature];
  FeatureState& known = snapshot.features[folded.feature];
  known = state::fold(feature.likelihood, folded.history);
  if (corrects) corrections_.push_back({patient, folded.feature, from, !exact, folded.history});
  const Modality& modality = config_.schema->modalities()[feature.modality];
  ModalityState& seen = snapshot.modalities[feature.modality];
  const std::uint32_t count = std::max<std::uint32_t>(seen.count, 1);
  Time newest = Time::min();
  for (FeatureId f = modality.first_feature; f < modality.first_feature + modality.feature_count; ++f) {
    if (snapshot.features[f].count > 0) newest = std::max(newest, snapshot.features[f].time);
  }
  seen = newest == Time::min() ? ModalityState{} : ModalityState{newest, count};
}

}  // namespace lacuna::daemon
