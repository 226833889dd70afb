#include <algorithm>
#include <set>

#include "daemon/pipeline/person_ledger.h"
#include "daemon/pipeline/person_numbers.h"
#include "state/person_history.h"

// What a batch changes of its patients, as records of the store and the changelog.

namespace lacuna::daemon {

using state::PartKey;

Status PersonLedger::update(const std::string& patient, const Person& person, const state::Store& store, Snapshot& snapshot, bool fold) {
  state::PersonUpdate out;
  out.patient_id = patient;
  state::PersonJournal& journal = out.journals.emplace_back();
  journal.state = person.state;
  const std::uint32_t now = state::hour_of(snapshot.last_time);
  if (journal.state.sequence == 0) {
    journal.state.since_hour = journal.state.oldest_hour = now;
    const Result<std::uint64_t> number = person_number(store, person.partition);
    if (!number.ok()) return number.status();
    journal.state.begun = journal.state.sequence = journal.state.folded = std::max({*person.first_offset, person.begun_min, *number});
  }
  journal.state.sequence += 1;
  for (const std::uint64_t id : person.rows) {
    const Row& changed = rows_.at({person.key, id});
    if (!changed.known) journal.state.ids += 1;
    out.rows.push_back({id, changed.delivery});
  }
  for (const auto& [part, held] : person.kept_payloads) {
    out.payloads.emplace_back(part, state::StoredPayloads{journal.state.begun, journal.state.sequence, held});
  }
  const auto horizon = static_cast<std::uint32_t>(std::chrono::duration_cast<std::chrono::hours>(config_.identity_horizon).count());
  if (!snapshot.recent_ids.empty() && now > journal.state.since_hour + horizon) snapshot.recent_ids.clear();
  if (fold || journal.state.sequence - journal.state.folded >= state::kJournalSlots || out.rows.size() > state::kJournalRowsMax) {
    LACUNA_RETURN_IF_ERROR(fold_into(out, person, store));
    LACUNA_RETURN_IF_ERROR(expire(out, person, store, now));
  } else {
    journal.rows = out.rows;
    journal.changes = person.changes;
  }
  state::encode(out);
  updates_.push_back(std::move(out));
  return {};
}

/// What stands in journals goes into the features' histories, and the ids into chunks.
Status PersonLedger::fold_into(state::PersonUpdate& update, const Person& person, const state::Store& store) {
  state::PersonState& state = update.journals.back().state;
  std::vector<state::DeliveryRow> rows;
  std::set<PartKey> parts;
  const auto gather = [&](const state::PersonJournal& journal) {
    rows.insert(rows.end(), journal.rows.begin(), journal.rows.end());
    for (const state::ValueChange& c : journal.changes) parts.insert(c.part);
  };
  if (person.state.folded < person.state.sequence) {
    Result<state::PersonPast> before = past(update.patient_id, person, store, {});
    if (!before.ok()) return before.status();
    for (const state::PersonJournal& journal : before->pending) gather(journal);
    if (person.in_flight != nullptr) gather(person.in_flight->journals.back());
  }
  rows.insert(rows.end(), update.rows.begin(), update.rows.end());
  for (const state::ValueChange& c : person.changes) parts.insert(c.part);

  Result<std::vector<Folded>> folded = histories(update.patient_id, person, store, parts);
  if (!folded.ok()) return folded.status();
  for (Folded& one : *folded) {
    for (const state::ValueChange& c : person.changes) {
      if (c.part == one.part) state::apply_change(one.history, c.change);
    }
    state::trim(config_.schema->features()[one.feature].likelihood, one.history, config_.state_history);
    update.histories.emplace_back(one.part, state::StoredHistory{state.begun, state.sequence, std::move(one.history)});
  }
  for (std::size_t begin = 0; begin < rows.size(); begin += state::kChunkRowsMax) {
    const std::size_t end = std::min(begin + state::kChunkRowsMax, rows.size());
    const auto at = [&rows](std::size_t i) { return rows.begin() + static_cast<std::ptrdiff_t>(i); };
    update.chunks.emplace_back(state.chunks++, state::DeliveryChunk{state.begun, state.sequence, {at(begin), at(end)}});
  }
  state.folded = state.sequence;
  return {};
}

/// Now and then, since it reads all ids of the patient: when an eighth more than the horizon has passed, or there are too many.
Status PersonLedger::expire(state::PersonUpdate& update, const Person& person, const state::Store& store, std::uint32_t now) const {
  if (person.begins) return {};  // the store's ids are another's
  state::PersonState& state = update.journals.back().state;
  const auto horizon = static_cast<std::uint32_t>(std::chrono::duration_cast<std::chrono::hours>(config_.identity_horizon).count());
  const bool too_old = now > state.oldest_hour + horizon + horizon / 8;
  if (!too_old && state.ids <= config_.identity_ids_max) return {};
  const std::uint64_t kept_max = config_.identity_ids_max - config_.identity_ids_max / 8;
  Result<state::Expiry> expiry = store.expiry(update.patient_id, now > horizon ? now - horizon : 0, kept_max);
  if (!expiry.ok()) return expiry.status();
  state.ids = expiry->kept + update.rows.size();
  state.oldest_hour = std::max(state.oldest_hour, expiry->hour);
  update.expiry = std::move(*expiry);
  return {};
}

}  // namespace lacuna::daemon
