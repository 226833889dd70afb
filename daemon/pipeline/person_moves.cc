#include "daemon/pipeline/person_moves.h"

#include <algorithm>
#include <limits>
#include <unordered_map>
#include <utility>

#include "daemon/pipeline/person_numbers.h"
#include "state/carried_values.h"
#include "state/patient.h"
#include "state/person_history.h"

namespace lacuna::daemon {

using state::DeliveryRow;
using state::FeatureHistory;
using state::PartKey;

namespace {

/// As the store keeps it.
std::uint64_t kept(std::uint64_t id) { return id >> state::kLostIdBits; }

/// What stands under the ids of facts, by kept().
using Facts = std::unordered_map<std::uint64_t, state::Delivery>;

/// Values that one of the two had withdrawn or corrected do not hold for the other either.
/// Returns the time of the first.
Time keep_what_holds(const Facts& facts, const state::SchemaBook& schemas, FeatureId id, PartKey part, FeatureHistory& history) {
  const Feature& feature = schemas.present().features()[id];
  const auto is_of = [&](state::Tag tag, const state::HistoryEntry& e) {
    return tag == state::value_tag(feature, e.value, e.time, e.comparator) ||
           state::was_tagged(schemas, id, e.value, e.time, e.comparator, tag);
  };
  Time first = Time::max();
  std::erase_if(history.window, [&](const state::HistoryEntry& entry) {
    const auto fact = facts.find(kept(entry.fact));
    const state::DeliveredPart* const said = fact == facts.end() ? nullptr : fact->second.find(part);
    const bool outdated = said != nullptr && (said->withdrawn || !is_of(said->tag, entry));
    if (outdated) first = std::min(first, entry.time);
    return outdated;
  });
  return first;
}

std::uint32_t sum(std::uint32_t a, std::uint32_t b) { return a + std::min(b, std::numeric_limits<std::uint32_t>::max() - a); }

/// What the snapshots tell beside the features.
void unite_rest(const Snapshot& from, const std::string& source, Snapshot& into) {
  if (from.event_count > 0) {
    const bool first = into.event_count == 0;
    const bool newer = first || from.last_time > into.last_time;
    if (into.site.empty() || (newer && !from.site.empty())) into.site = from.site;
    into.first_time = first ? from.first_time : std::min(into.first_time, from.first_time);
    into.last_time = first ? from.last_time : std::max(into.last_time, from.last_time);
    into.event_count += from.event_count;
  }
  for (std::size_t m = 0; m < into.modalities.size(); ++m) {
    const ModalityState& more = from.modalities[m];
    ModalityState& known = into.modalities[m];
    if (more.count == 0) continue;
    if (more.payload || known.payload) continue;  // they have been united before
    const std::uint32_t count = sum(known.count, more.count);
    if (known.count == 0 || more.last_time > known.last_time) known = more;
    known.count = count;
  }
  for (std::size_t a = 0; a < into.attributes.size(); ++a) {
    if (!into.attributes[a]) into.attributes[a] = from.attributes[a];
  }
  const auto note = [&into](const std::string& person) {
    std::erase(into.merged_from, person);
    if (person != into.patient_id) into.merged_from.push_back(person);
  };
  for (const std::string& person : from.merged_from) note(person);
  note(source);
  if (into.merged_from.size() > kMergedFromMax) into.merged_from.erase(into.merged_from.begin(), into.merged_from.end() - kMergedFromMax);
}

}  // namespace

std::vector<PartKey> PersonMoves::feature_parts() const {
  std::vector<PartKey> parts;
  for (FeatureId f = 0; f < config_.schema->feature_count(); ++f) parts.push_back(keys_.feature(f));
  return parts;
}

FeatureHistory PersonMoves::history_of(FeatureId feature, const state::PersonPast& past, std::size_t asked,
                                       const FeatureState& known) const {
  std::vector<state::HistoryChange> changes;
  for (const state::PersonJournal& journal : past.pending) {
    for (const state::ValueChange& c : journal.changes) {
      if (c.part == keys_.feature(feature)) changes.push_back(c.change);
    }
  }
  // Where the records tell another state than the snapshot's, what came before cannot be told apart.
  return state::history_behind(known, config_.schema->features()[feature].likelihood, past.histories[asked].value_or(FeatureHistory{}),
                               changes)
      .value_or(FeatureHistory{known, {}});
}

Status PersonMoves::merge(const state::Store& store, const std::string& into, const SourcePosition& at, Snapshot& source) {
  const auto states = store.persons({&source.patient_id, 1});
  if (!states.ok()) return states.status();
  const auto past = store.past(source.patient_id, states->front(), feature_parts());
  if (!past.ok()) return past.status();
  auto rows = store.delivered(source.patient_id, state::hour_of(source.last_time));
  if (!rows.ok()) return rows.status();
  state::PersonTransfer transfer{source.patient_id, source, {}, {}, std::move(*rows)};
  for (FeatureId f = 0; f < source.features.size(); ++f) {
    if (source.features[f].count == 0) continue;
    transfer.histories.emplace_back(keys_.feature(f), history_of(f, *past, f, source.features[f]));
  }
  auto payloads = payloads_of(store, source);
  if (!payloads.ok()) return payloads.status();
  transfer.payloads = std::move(*payloads);
  for (std::string& piece : state::encode_transfer(*config_.schema, transfer)) {
    send({Transfer::Kind::state, into, {source.patient_id}, {}, {{}, {}, {}, std::move(piece), {}}});
  }
  source = state::new_snapshot(*config_.schema, source.patient_id);
  source.merged_into = into;
  source.source = at;
  return {};
}

/// Of two reports under one id the one with the higher revision holds, else the one that is there.
Result<PersonMoves::Rows> PersonMoves::unite_rows(const state::Store& store, const std::string& person,
                                                  const std::vector<DeliveryRow>& rows) const {
  std::vector<state::DeliveryKey> keys;
  for (const DeliveryRow& row : rows) keys.push_back({state::patient_key(person), row.id});
  auto known = store.deliveries(keys);
  if (!known.ok()) return known.status();
  Rows out{rows, 0, {}, {}};
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (!(*known)[i]) {
      out.added += 1;
      continue;
    }
    state::Delivery& united = out.rows[i].delivery;
    for (const state::DeliveredPart& part : (*known)[i]->parts) {
      const auto at = std::find_if(united.parts.begin(), united.parts.end(), [&](const auto& p) { return p.part == part.part; });
      if (at == united.parts.end()) {
        united.parts.push_back(part);
        continue;
      }
      const bool stays = !state::is_newer(at->revision, part.revision);
      if (!state::same_tag(at->tag, part.tag) || at->withdrawn != part.withdrawn) {
        (stays ? out.there : out.here).emplace(part.part, stays ? at->tag : part.tag);
      }
      const state::Tag told = std::max(at->tag, part.tag);
      if (stays) *at = part;
      if (at->tag == 0) at->tag = told;  // withdrawn before it came, and it did come
    }
  }
  return out;
}

/// What is kept of payloads beside the newest ones, of each modality that has any.
Result<std::vector<std::pair<PartKey, state::HeldPayloads>>> PersonMoves::payloads_of(const state::Store& store,
                                                                                      const Snapshot& snapshot) const {
  std::vector<std::pair<PartKey, state::HeldPayloads>> out;
  for (ModalityId m = 0; m < snapshot.modalities.size(); ++m) {
    if (snapshot.modalities[m].payload) out.emplace_back(keys_.payload(m), state::HeldPayloads{});
  }
  std::vector<PartKey> parts;
  for (const auto& [part, held] : out) parts.push_back(part);
  auto stored = store.payloads(snapshot.patient_id, parts);
  if (!stored.ok()) return stored.status();
  for (std::size_t i = 0; i < out.size(); ++i) out[i].second = std::move((*stored)[i]);
  return out;
}

/// Those of both that hold, of one that both were told once. Of equal times those of the person who goes on come first, as with values.
Status PersonMoves::unite_payloads(const state::Store& store, const state::PersonTransfer& piece, const Rows& united, Snapshot& into,
                                   state::PersonUpdate& update) const {
  auto kept = payloads_of(store, into);
  if (!kept.ok()) return kept.status();
  for (ModalityId m = 0; m < into.modalities.size(); ++m) {
    const PartKey part = keys_.payload(m);
    const Modality& modality = config_.schema->modalities()[m];
    const auto held_of = [&](const auto& beside, const Snapshot& snapshot, const Outdated& outdated) {
      state::HeldPayloads out;
      const auto at = std::ranges::find_if(beside, [part](const auto& one) { return one.first == part; });
      if (at != beside.end()) out = at->second;
      const ModalityState& known = snapshot.modalities[m];
      if (known.payload) out.push_back({known.last_time, known.payload});
      std::erase_if(out, [&](const state::HeldPayload& one) {
        const auto is_this = [&, tag = state::payload_tag(*one.payload, one.time)](const auto& o) {
          return o.first == part && state::same_tag(o.second, tag);
        };
        return std::ranges::any_of(outdated, is_this) || !check_payload(modality.kind, modality.payload, *one.payload).ok();
      });
      return out;
    };
    state::HeldPayloads all = held_of(*kept, into, united.here);
    const state::HeldPayloads there = piece.snapshot ? held_of(piece.payloads, *piece.snapshot, united.there) : state::HeldPayloads{};
    for (const state::HeldPayload& one : there) {
      if (std::ranges::find(all, one) == all.end()) (void)state::apply_change(all, {0, one.time, one.payload});
    }
    ModalityState& known = into.modalities[m];
    if (all.empty()) {
      if (known.payload) known = {};
      continue;
    }
    const std::uint32_t more = piece.snapshot ? piece.snapshot->modalities[m].count : 0;
    known = {all.back().time, std::max<std::uint32_t>(sum(known.count, more), 1), all.back().payload};
    all.pop_back();
    all.erase(all.begin(), all.end() - static_cast<std::ptrdiff_t>(std::min(all.size(), config_.state_payloads)));
    const state::PersonState& now = update.journals.back().state;
    update.payloads.emplace_back(part, state::StoredPayloads{now.begun, now.sequence, std::move(all)});
  }
  return {};
}

Status PersonMoves::unite_histories(const state::Store& store, const state::PersonTransfer& piece, const state::PersonPast& past,
                                    const std::vector<DeliveryRow>& rows, Snapshot& into, state::PersonUpdate& update) {
  const std::uint64_t person = state::patient_key(into.patient_id);
  const state::PersonState& now = update.journals.back().state;
  struct Pair {
    FeatureId feature = 0;
    FeatureHistory here, there;
  };
  std::vector<Pair> pairs;
  for (FeatureId f = 0; f < into.features.size(); ++f) {
    Pair pair{f, history_of(f, past, f, into.features[f]), {}};
    if (piece.snapshot && piece.snapshot->features[f].count > 0) {
      const FeatureState& known = piece.snapshot->features[f];
      const auto brought =
          std::find_if(piece.histories.begin(), piece.histories.end(), [&](const auto& h) { return h.first == keys_.feature(f); });
      const bool whole =
          brought != piece.histories.end() && state::fold(config_.schema->features()[f].likelihood, brought->second) == known;
      pair.there = whole ? brought->second : FeatureHistory{known, {}};
    }
    if (pair.here != FeatureHistory{} || pair.there != FeatureHistory{}) pairs.push_back(std::move(pair));
  }
  Facts facts;
  std::vector<state::DeliveryKey> keys;
  for (const Pair& pair : pairs) {
    for (const FeatureHistory* history : {&pair.here, &pair.there}) {
      for (const state::HistoryEntry& entry : history->window) keys.push_back({person, entry.fact});
    }
  }
  auto known = store.deliveries(keys);
  if (!known.ok()) return known.status();
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if ((*known)[i]) facts[kept(keys[i].id)] = std::move(*(*known)[i]);
  }
  for (const DeliveryRow& row : rows) facts[kept(row.id)] = row.delivery;
  for (Pair& pair : pairs) {
    const PartKey part = keys_.feature(pair.feature);
    const Likelihood likelihood = config_.schema->features()[pair.feature].likelihood;
    if (piece.snapshot) {
      const Time outdated = keep_what_holds(facts, store.schemas(), pair.feature, part, pair.here);
      keep_what_holds(facts, store.schemas(), pair.feature, part, pair.there);
      // One fact that both were told is one value.
      std::erase_if(pair.there.window, [&pair](const state::HistoryEntry& e) {
        return std::ranges::any_of(pair.here.window, [&e](const state::HistoryEntry& h) { return kept(h.fact) == kept(e.fact); });
      });
      pair.here = state::unite(pair.here, pair.there);
      into.features[pair.feature] = state::fold(likelihood, pair.here);
      if (outdated != Time::max()) corrections_.push_back({into.patient_id, pair.feature, outdated, false, pair.here});
    }
    state::trim(likelihood, pair.here, config_.state_history);
    update.histories.emplace_back(part, state::StoredHistory{now.begun, now.sequence, std::move(pair.here)});
  }
  return {};
}

Status PersonMoves::take(const state::Store& store, const state::PersonTransfer& piece, const SourcePosition& at, Snapshot& into) {
  into.merged_into.clear();
  const auto states = store.persons({&into.patient_id, 1});
  if (!states.ok()) return states.status();
  const auto past = store.past(into.patient_id, states->front(), feature_parts());
  if (!past.ok()) return past.status();

  state::PersonUpdate update;
  update.patient_id = into.patient_id;
  state::PersonState& now = update.journals.emplace_back().state;
  now = states->front();
  const auto united = unite_rows(store, into.patient_id, piece.rows);
  if (!united.ok()) return united.status();
  const std::vector<DeliveryRow>& rows = united->rows;
  std::uint32_t oldest = now.sequence == 0 ? std::numeric_limits<std::uint32_t>::max() : now.oldest_hour;
  for (const DeliveryRow& row : rows) oldest = std::min(oldest, row.delivery.hour);
  if (now.sequence == 0) {
    const Result<std::uint64_t> number = person_number(store, at.partition);
    if (!number.ok()) return number.status();
    now.begun = now.sequence = std::max(static_cast<std::uint64_t>(at.offset), *number);
    now.since_hour = std::min(oldest, state::hour_of(piece.snapshot ? piece.snapshot->last_time : into.last_time));
    oldest = std::min(oldest, now.since_hour);
  }
  now.oldest_hour = oldest;
  now.folded = now.sequence += 1;
  now.ids += united->added;
  update.rows = rows;

  // What stands in journals goes into chunks as well.
  std::vector<DeliveryRow> all;
  for (const state::PersonJournal& journal : past->pending) all.insert(all.end(), journal.rows.begin(), journal.rows.end());
  all.insert(all.end(), rows.begin(), rows.end());
  for (std::size_t begin = 0; begin < all.size(); begin += state::kChunkRowsMax) {
    const auto from = all.begin() + static_cast<std::ptrdiff_t>(begin);
    const auto to = all.begin() + static_cast<std::ptrdiff_t>(std::min(begin + state::kChunkRowsMax, all.size()));
    update.chunks.emplace_back(now.chunks++, state::DeliveryChunk{now.begun, now.sequence, {from, to}});
  }
  LACUNA_RETURN_IF_ERROR(unite_histories(store, piece, *past, rows, into, update));
  const bool payloads = std::ranges::any_of(united->here, [this](const auto& one) { return keys_.find_payload(one.first).has_value(); });
  if (payloads) corrections_.push_back({into.patient_id, 0, Time::min(), true, {}});
  LACUNA_RETURN_IF_ERROR(unite_payloads(store, piece, *united, into, update));
  if (piece.snapshot) unite_rest(*piece.snapshot, piece.source, into);
  into.source = at;
  updates_.push_back(std::move(update));
  return {};
}

}  // namespace lacuna::daemon
