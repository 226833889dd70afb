#include "daemon/pipeline/batch.h"

#include <algorithm>

#include "daemon/pipeline/alert_response.h"
#include "state/patient.h"
#include "state/records/person_key.h"
#include "state/stored_records.h"
#include "streaming/messages/dead_letter.h"
#include "streaming/messages/encoders.h"

namespace lacuna::daemon {

state::RecordCounts& Batch::tally(std::size_t record) {
  const SourcePosition& at = records_[record].position;
  return tallies_[{at.topic, at.partition}];
}

void Batch::refuse(std::size_t record, streaming::Refusal reason, std::string_view stage, std::string_view message, bool whole) {
  counts_.refused_by[static_cast<std::size_t>(reason)] += 1;
  if (whole) tally(record).refused += 1;
  dead_letter(record, reason, stage, message);
}

const streaming::Record& Batch::original_of(std::size_t record) const {
  const auto transfer = transfers_.find(record);
  return transfer == transfers_.end() ? records_[record] : transfer->second.original;
}

/// One for a record: what is found later about it is more than what was found before. What came through topics.transfers goes there as it
/// came to its input topic.
void Batch::dead_letter(std::size_t record, streaming::Refusal reason, std::string_view stage, std::string_view message) {
  auto letter = streaming::make_dead_letter(config_.topics.dead_letters, {config_.log.group, config_.instance}, original_of(record), reason,
                                            stage, message);
  const auto [at, first] = letters_.try_emplace(record, dead_letters_.size());
  if (first) dead_letters_.push_back(std::move(letter));
  else dead_letters_[at->second] = std::move(letter);
}

void Batch::decode(RecordDecoder& decoder, Time now, const PoisonSearch::List& poison) {
  events_.reserve(records_.size());
  for (std::size_t i = 0; i < records_.size(); ++i) {
    tally(i).consumed += 1;
    if (const auto found = poison.find(records_[i].position); found != poison.end()) {
      refuse(i, streaming::Refusal::poison, found->second.stage, "this record alone makes the stage fail", true);
      dead_letters_.back().timestamp.reset();  // a topic may refuse an old one
      if (found->second.without_value) {
        dead_letters_.back().value = std::nullopt;
        dead_letters_.back().headers.emplace_back("lacuna.value.omitted", "the topic does not take so large a record");
      }
      continue;
    }
    decode_record(i, decoder, now);
  }
}

void Batch::decode_record(std::size_t record, RecordDecoder& decoder, Time now) {
  const Transfer* transfer = nullptr;
  if (records_[record].position.topic == config_.topics.transfers) {
    Result<Transfer> read = read_transfer(records_[record]);
    if (!read.ok()) return refuse(record, streaming::Refusal::malformed, "decode", read.status().message(), true);
    if (read->kind == Transfer::Kind::state) return decode_state(record, std::move(*read));
    transfer = &transfers_.emplace(record, std::move(*read)).first->second;
  }
  const streaming::Record& original = transfer != nullptr ? transfer->original : records_[record];
  std::vector<streaming::RefusedPart> parts;
  std::vector<Event> events = decode_events(record, original, decoder, now, parts);
  if (events.empty()) return;
  const std::string& patient = events.front().patient_id;  // of all of them
  const bool misplaced = transfer == nullptr && (original.value ? check_placement(original, patient, partitions_, identity_)
                                                                : is_misplaced(original, original.key, partitions_));
  for (Event& event : events) {
    if (const auto wrong = name_person(config_.identity_namespace, original.position.topic, event)) {
      return refuse(record, streaming::Refusal::malformed, "decode", *wrong, true);
    }
    if (transfer == nullptr) continue;
    event.patient_id = transfer->person;
    if (!transfer->into.empty()) event.merged_into = transfer->into;
  }
  if (misplaced && config_.identity_forward) return forward(record, patient, {});
  if (events.front().person == PersonChange::merge) first_alone_ = std::min(first_alone_, record);
  for (Event& event : events) events_.push_back({std::move(event), record, false, std::exchange(parts, {})});
}

std::vector<Event> Batch::decode_events(std::size_t record, const streaming::Record& original, RecordDecoder& decoder, Time now,
                                        std::vector<streaming::RefusedPart>& parts) {
  if (!original.value) {
    std::optional<Event> event = forgetting_event(config_, original);
    if (event) return {std::move(*event)};
    refuse(record, streaming::Refusal::malformed, "decode", "no value (a tombstone), and the key does not tell whose", true);
    return {};
  }
  RecordDecoder::Outcome outcome = decoder.decode(original, now);
  counts_.feed += outcome.feed;
  if (outcome.refused) {
    refuse(record, outcome.refused->reason, "decode", outcome.refused->message, true);
    return {};
  }
  if (outcome.events.empty()) {
    tally(record).applied += 1;
    empty_ += 1;
  }
  parts = std::move(outcome.parts);
  return std::move(outcome.events);
}

/// One dead letter for all bad parts of an event: its reason is the first part's, its message names them all.
void Batch::refuse_parts(std::size_t record, const std::vector<streaming::RefusedPart>& parts) {
  std::string message;
  for (const streaming::RefusedPart& part : parts) {
    message += (message.empty() ? "" : "; ") + part.what + ": " + part.message;
    if (&part != &parts.front()) counts_.refused_by[static_cast<std::size_t>(part.reason)] += 1;
  }
  refuse(record, parts.front().reason, "decode", message, false);
  bad_parts_[record] = std::move(message);
}

Status Batch::load(const state::Store& store, const state::StateChange* before) {
  std::unordered_map<std::string_view, const Snapshot*> newer;
  if (before) {
    for (const Snapshot& s : before->snapshots) newer.emplace(s.patient_id, &s);
  }
  const std::vector<std::string> none;
  const std::vector<std::string>& gone = before ? before->forgotten : none;
  std::vector<std::string> ids;
  const auto want = [&](const std::string& person) {
    const auto [at, fresh] = snapshots_.try_emplace(person);
    if (!fresh) return;
    if (const auto found = newer.find(person); found != newer.end()) at->second = *found->second;
    else if (std::find(gone.begin(), gone.end(), at->first) != gone.end()) at->second = state::new_snapshot(*config_.schema, at->first);
    else ids.push_back(person);
  };
  for (const Arrived& a : events_) want(a.event.patient_id);
  if (arriving_) want(arriving_->transfer.person);
  Result<std::vector<std::optional<Snapshot>>> stored = store.snapshots(ids);
  if (!stored.ok()) return stored.status();
  for (std::size_t i = 0; i < ids.size(); ++i) {
    std::optional<Snapshot>& found = (*stored)[i];
    snapshots_[ids[i]] = found ? std::move(*found) : state::new_snapshot(*config_.schema, ids[i]);
  }
  follow_links();
  // Of a record that goes elsewhere they are refused there.
  for (const Arrived& a : events_) {
    if (!a.refused.empty()) refuse_parts(a.record, a.refused);
  }
  LACUNA_RETURN_IF_ERROR(find_homes(store, before));
  std::vector<const Event*> events;
  for (const Arrived& a : events_) {
    events.push_back(&a.event);
    if (a.event.person != PersonChange::forget) continue;
    LACUNA_RETURN_IF_ERROR(forgetting_.add(a.event.patient_id, records_[a.record].position, store, before));
  }
  return ledger_.load(events, snapshots_, store, before);
}

/// A new person begins: what the batch knew of this one until here does not count.
void Batch::forget(const Arrived& arrived, drift::Monitor& monitor) {
  const std::string& patient = arrived.event.patient_id;
  snapshots_[patient] = state::new_snapshot(*config_.schema, patient);
  ledger_.forget(patient, snapshots_[patient]);
  tally(arrived.record).applied += 1;
  counts_.forgotten += 1;
  monitor.observe(drift::RecordFate::applied);
  monitor.forget(patient);
}

/// Takes out of the event what is not new, and notes what that means for its record.
void Batch::judge(Arrived& arrived, Fate& fate) {
  PersonLedger::Judged judged =
      ledger_.judge(arrived.event, arrived.record, records_[arrived.record].position, original_of(arrived.record).value.value());
  arrived.fresh = judged.fresh;
  fate.events += 1;
  fate.taken = fate.taken || judged.taken();
  if (judged.changes) (withdraws(arrived.event.status) ? counts_.withdrawn : counts_.corrected) += 1;
  if (!judged.refused) return;
  fate.late = fate.late || judged.refused->first == streaming::Refusal::late;
  fate.refused = std::move(judged.refused);
}

/// What becomes of one record: applied, a duplicate, late or refused, of which the last two leave a dead letter.
void Batch::conclude(std::size_t record, Fate& fate, drift::Monitor& monitor) {
  if (fate.refused) {
    const bool late = fate.refused->first == streaming::Refusal::late;
    const auto parts = bad_parts_.find(record);
    if (fate.events > 1 && parts != bad_parts_.end()) fate.refused->second += "; " + parts->second;
    refuse(record, fate.refused->first, late ? "apply" : "deliver", fate.refused->second, !fate.taken && !fate.late);
  }
  if (fate.taken) {
    tally(record).applied += 1;
    if (letters_.contains(record)) tally(record).partial += 1;
    monitor.observe(drift::RecordFate::applied);
  } else if (fate.late) {
    tally(record).late += 1;
    monitor.observe(drift::RecordFate::late);
  } else if (fate.refused) {
    monitor.observe(drift::RecordFate::refused);
  } else {
    tally(record).duplicate += 1;
    monitor.observe(drift::RecordFate::duplicate);
  }
  fate = {};
}

/// A stay that is told of alone is no arrival: it does not say that the feed moved, nor that anything was due.
void Batch::observe(const Event& event, const Snapshot& before, drift::Monitor& monitor) {
  if (event.modality != kNoModality || !event.attributes.empty()) {
    monitor.observe(drift::Arrival{event.patient_id, event.site, event.modality, event.time, event.values, event.attributes, &before});
  }
  if (event.stay_ends) monitor.leave(event.patient_id, event.time);
  if (!event.stay_site.empty()) monitor.move(event.patient_id, event.stay_site, event.time);
}

Status Batch::settle(const state::Store& store) {
  LACUNA_RETURN_IF_ERROR(ledger_.settle(store, snapshots_, counts_));
  LACUNA_RETURN_IF_ERROR(move(store));
  for (const auto& [patient, record] : ledger_.corrected()) changed_.try_emplace(patient, record);
  return {};
}

void Batch::advance(drift::Monitor& monitor) {
  const Schema& schema = *config_.schema;
  std::size_t others = forwarded_ + empty_ + (arriving_ ? 1 : 0);
  for (std::size_t i = 0; i < events_.size(); ++i) others += i == 0 || events_[i].record != events_[i - 1].record ? 1 : 0;
  for (std::size_t i = others; i < records_.size(); ++i) monitor.observe(drift::RecordFate::refused);
  for (std::size_t i = 0; i < empty_; ++i) monitor.observe(drift::RecordFate::applied);
  if (arriving_) take_state(monitor);
  std::vector<Arrived*> fresh;
  Fate fate;
  for (std::size_t i = 0; i < events_.size(); ++i) {
    Arrived& arrived = events_[i];
    if (arrived.event.person == PersonChange::forget) {
      forget(arrived, monitor);
      std::erase_if(fresh, [&arrived](const Arrived* a) { return a->event.patient_id == arrived.event.patient_id; });
      continue;
    }
    if (arrived.event.person == PersonChange::merge) {
      merge(arrived, monitor);
      continue;
    }
    judge(arrived, fate);
    if (arrived.fresh) fresh.push_back(&arrived);
    if (i + 1 == events_.size() || events_[i + 1].record != arrived.record) conclude(arrived.record, fate, monitor);
  }
  std::stable_sort(fresh.begin(), fresh.end(), [](const Arrived* a, const Arrived* b) {
    return std::tie(a->event.time, a->event.patient_id) < std::tie(b->event.time, b->event.patient_id);
  });
  for (std::size_t begin = 0; begin < fresh.size();) {
    const std::string& patient = fresh[begin]->event.patient_id;
    const Time time = fresh[begin]->event.time;
    Snapshot& now = snapshots_[patient];
    Moment moment{now, time, {}, {}, 0};
    std::size_t end = begin;
    for (; end < fresh.size() && fresh[end]->event.time == time && fresh[end]->event.patient_id == patient; ++end) {
      Arrived& arrived = *fresh[end];
      state::apply_fresh(schema, now, arrived.event, records_[arrived.record].position, Millis::max());
      changed_[patient] = arrived.record;
      if (changes_site(moment.before, arrived.event)) identity_[records_[arrived.record].position.topic].site_changes += 1;
      newest_ = std::max(newest_, time);
      moment.record = arrived.record;
      observe(arrived.event, moment.before, monitor);
      for (const FeatureValue& v : arrived.event.values) {
        auto same =
            std::find_if(moment.values.begin(), moment.values.end(), [&v](const FeatureValue& w) { return w.feature == v.feature; });
        if (same == moment.values.end()) moment.values.push_back(v);
        else *same = v;
      }
      if (arrived.event.payload) moment.take({arrived.event.modality, std::move(arrived.event.payload)});
    }
    // A late moment would be predicted from its future. The first one is learned from, its own cells hidden, and not scored: it would be
    // predicted from nothing.
    const bool first = moment.before.event_count == 0;
    if (first) {
      moment.before.attributes = now.attributes;
      moment.before.site = now.site;
    }
    const bool in_order = first || time >= moment.before.last_time;
    if ((!moment.values.empty() || !moment.payloads.empty()) && in_order) {
      std::sort(moment.values.begin(), moment.values.end(),
                [](const FeatureValue& a, const FeatureValue& b) { return a.feature < b.feature; });
      moments_.push_back(std::move(moment));
    }
    begin = end;
  }
}

/// Of two at one time the one that came later counts, as in the snapshot.
void Batch::Moment::take(PayloadValue payload) {
  const auto same = std::find_if(payloads.begin(), payloads.end(), [&](const PayloadValue& p) { return p.modality == payload.modality; });
  if (same == payloads.end()) payloads.push_back(std::move(payload));
  else *same = std::move(payload);
}

std::map<streaming::TopicPartition, Time> Batch::newest_by_partition() const {
  std::map<streaming::TopicPartition, Time> out;
  for (const streaming::Record& r : records_) out.try_emplace({r.position.topic, r.position.partition}, Time::min());
  for (const Arrived& a : events_) {
    if (a.event.person != PersonChange::none) continue;
    const SourcePosition& p = records_[a.record].position;
    Time& newest = out[{p.topic, p.partition}];
    newest = std::max(newest, a.event.time);
  }
  return out;
}

std::set<std::int32_t> Batch::changelog_partitions() const {
  std::set<std::int32_t> out;
  for (const streaming::Record& r : records_) out.insert(r.position.partition);
  return out;
}

streaming::Transaction Batch::encode(const std::vector<Alert>& alerts, Tallies& tallies, const state::SchemaBook& schemas,
                                     const std::set<std::int32_t>& described) {
  streaming::Transaction out;
  out.changelog_topic = config_.topics.state;
  for (const std::int32_t partition : changelog_partitions()) {
    if (described.contains(partition)) continue;
    for (const auto& [fingerprint, schema] : schemas.to_publish()) {
      out.outputs.push_back({config_.topics.state, partition, state::schema_key(fingerprint), state::encode_schema_record(schema), {}});
    }
  }
  forgetting_.encode(config_, out);
  for (const Imputation& imputation : imputations_) {
    out.outputs.push_back({config_.topics.imputations,
                           std::nullopt,
                           imputation.patient_id,
                           streaming::encode_imputation(*config_.schema, imputation),
                           {},
                           std::string(split_person_key(imputation.patient_id).id)});
  }
  for (streaming::OutputRecord& moved : moves_.take_outputs()) out.outputs.push_back(std::move(moved));
  for (const Alert& alert : alerts) out.outputs.push_back(alert_record(config_, alert));
  counts_.alerts = alerts.size();
  // Before the snapshots: what is read of a new person's records tells that the one before is gone (state::add_record).
  encode_persons(out);
  for (const auto& [patient, record] : changed_) {
    // All modalities of a patient share one changelog record, payloads too; the partition is the input's.
    out.outputs.push_back({config_.topics.state,
                           records_[record].position.partition,
                           patient + std::string(kSnapshotKeySuffix),
                           encoded_.emplace_back(state::encode_snapshot(*config_.schema, snapshots_[patient])),
                           {}});
  }
  counts_.dead_letters = dead_letters_.size();
  for (streaming::OutputRecord& letter : dead_letters_) out.outputs.push_back(std::move(letter));
  dead_letters_.clear();
  std::map<streaming::TopicPartition, std::int64_t> next_offsets = this->next_offsets();
  // Last in the changelog: where "chg" points behind is always a record that compaction keeps.
  for (const auto& [partition, counts] : tallies_) {
    state::RecordCounts& total = tallies[partition];
    total += counts;
    counts_ += counts;
    state::StoredPosition position;
    position.input_next = next_offsets[partition];
    position.counts = total;
    out.outputs.push_back({config_.topics.state,
                           partition.partition,
                           partition.topic + std::string(kPartitionKeySuffix),
                           state::encode_position({partition.topic, partition.partition, position}),
                           {}});
  }
  // The group has no position of what it does not assign.
  std::erase_if(next_offsets, [this](const auto& next) { return next.first.topic == config_.topics.transfers; });
  for (const auto& [home, position] : home_positions_) out.unmoved.insert(home);
  out.next_offsets = std::move(next_offsets);
  return out;
}

std::map<streaming::TopicPartition, std::int64_t> Batch::next_offsets() const {
  std::map<streaming::TopicPartition, std::int64_t> out;
  for (const streaming::Record& r : records_) {
    std::int64_t& next = out[{r.position.topic, r.position.partition}];
    next = std::max(next, r.position.offset + 1);
  }
  return out;
}

/// What is kept of a patient beside the snapshot.
void Batch::encode_persons(streaming::Transaction& out) const {
  const auto add = [&](const state::PersonUpdate& update, std::int32_t partition) {
    for (state::PersonRecord& record : state::to_records(update)) {
      out.outputs.push_back({config_.topics.state, partition, std::move(record.key), std::move(record.value), {}});
    }
  };
  for (const state::PersonUpdate& update : ledger_.updates()) add(update, ledger_.partition_of(update.patient_id));
  for (const state::PersonUpdate& update : moves_.updates()) add(update, records_.front().position.partition);
}

state::StateChange Batch::change(StreamState& state, const Tallies& tallies, Time now) {
  state::StateChange change;
  change.forgotten = forgetting_.patients();
  for (const auto& [patient, record] : changed_) change.snapshots.push_back(std::move(snapshots_[patient]));
  change.encoded = std::move(encoded_);
  change.examples = examples_;
  change.persons = ledger_.take_updates();
  for (state::PersonUpdate& update : moves_.take_updates()) change.persons.push_back(std::move(update));
  change.corrections = ledger_.take_corrections();
  for (state::ExampleCorrection& correction : moves_.take_corrections()) change.corrections.push_back(std::move(correction));
  for (const auto& [partition, next] : next_offsets()) {
    change.positions[{partition.topic, partition.partition}] = {next, 0, tallies.at(partition), now};
  }
  for (const auto& [home, position] : home_positions_) {
    change.positions[{home.topic, home.partition}] = {position.input_next, 0, position.counts, now};
  }
  state.save_new(*config_.schema, change);
  return change;
}

}  // namespace lacuna::daemon
