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

/// One for a record: what is found later about it is more than what was found before.
void Batch::dead_letter(std::size_t record, streaming::Refusal reason, std::string_view stage, std::string_view message) {
  auto letter = streaming::make_dead_letter(config_.topics.dead_letters, records_[record], reason, stage, message);
  const auto [at, first] = letters_.try_emplace(record, dead_letters_.size());
  if (first) dead_letters_.push_back(std::move(letter));
  else dead_letters_[at->second] = std::move(letter);
}

void Batch::decode(streaming::EventDecoder& decoder, Time now, const PoisonSearch::List& poison) {
  events_.reserve(records_.size());
  for (std::size_t i = 0; i < records_.size(); ++i) {
    tally(i).consumed += 1;
    if (const auto found = poison.find(records_[i].position); found != poison.end()) {
      refuse(i, streaming::Refusal::poison, found->second.stage, "this record alone makes the stage fail", true);
      if (found->second.without_value) {
        dead_letters_.back().value = std::nullopt;
        dead_letters_.back().headers.emplace_back("lacuna.value.omitted", "the topic does not take so large a record");
      }
      continue;
    }
    if (!records_[i].value) {
      if (std::optional<Event> event = forgetting_event(config_, records_[i])) events_.push_back({std::move(*event), i, false});
      else refuse(i, streaming::Refusal::malformed, "decode", "no value (a tombstone), and the key does not tell whose", true);
      continue;
    }
    streaming::EventDecoder::Outcome outcome = decoder.decode(*records_[i].value, now);
    if (outcome.refused) {
      refuse(i, outcome.refused->reason, "decode", outcome.refused->message, true);
      continue;
    }
    check_placement(records_[i], outcome.decoded->event.patient_id, partitions_, identity_);
    if (const auto wrong = name_person(config_.identity_namespace, records_[i].position.topic, outcome.decoded->event)) {
      refuse(i, streaming::Refusal::malformed, "decode", *wrong, true);
      continue;
    }
    // One dead letter for all bad parts of an event: its reason is the first part's, its message names them all.
    if (const auto& parts = outcome.decoded->refused; !parts.empty()) {
      std::string message;
      for (const streaming::RefusedPart& part : parts) {
        message += (message.empty() ? "" : "; ") + part.what + ": " + part.message;
        if (&part != &parts.front()) counts_.refused_by[static_cast<std::size_t>(part.reason)] += 1;
      }
      refuse(i, parts.front().reason, "decode", message, false);
    }
    if (outcome.decoded->event.person == PersonChange::merge) {
      refuse(i, streaming::Refusal::unsupported, "decode", "merges are read, and not carried out yet", true);
      continue;
    }
    events_.push_back({std::move(outcome.decoded->event), i, false});
  }
}

Status Batch::load(const state::Store& store, const state::StateChange* before) {
  std::unordered_map<std::string_view, const Snapshot*> newer;
  if (before) {
    for (const Snapshot& s : before->snapshots) newer.emplace(s.patient_id, &s);
  }
  const std::vector<std::string> none;
  const std::vector<std::string>& gone = before ? before->forgotten : none;
  std::vector<std::string> ids;
  for (const Arrived& a : events_) {
    const auto [at, fresh] = snapshots_.try_emplace(a.event.patient_id);
    if (!fresh) continue;
    if (const auto found = newer.find(a.event.patient_id); found != newer.end()) at->second = *found->second;
    else if (std::find(gone.begin(), gone.end(), at->first) != gone.end()) at->second = state::new_snapshot(*config_.schema, at->first);
    else ids.push_back(a.event.patient_id);
  }
  Result<std::vector<std::optional<Snapshot>>> stored = store.snapshots(ids);
  if (!stored.ok()) return stored.status();
  for (std::size_t i = 0; i < ids.size(); ++i) {
    std::optional<Snapshot>& found = (*stored)[i];
    snapshots_[ids[i]] = found ? std::move(*found) : state::new_snapshot(*config_.schema, ids[i]);
  }
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

/// What becomes of one record: applied, a duplicate, late or refused, of which the last two leave a dead letter.
void Batch::judge(Arrived& arrived, drift::Monitor& monitor) {
  const std::size_t record = arrived.record;
  const bool withdrawal = withdraws(arrived.event.status);
  const PersonLedger::Judged judged = ledger_.judge(arrived.event, record, records_[record].position);
  arrived.fresh = judged.fresh;
  const bool late = judged.refused && judged.refused->first == streaming::Refusal::late;
  if (judged.refused) {
    refuse(record, judged.refused->first, late ? "apply" : "deliver", judged.refused->second, !judged.taken() && !late);
    if (!judged.taken()) monitor.observe(late ? drift::RecordFate::late : drift::RecordFate::refused);
    if (!judged.taken() && late) tally(record).late += 1;
  }
  if (!judged.taken()) {
    if (judged.refused) return;
    tally(record).duplicate += 1;
    monitor.observe(drift::RecordFate::duplicate);
    return;
  }
  tally(record).applied += 1;
  if (letters_.contains(record)) tally(record).partial += 1;
  monitor.observe(drift::RecordFate::applied);
  if (judged.changes) (withdrawal ? counts_.withdrawn : counts_.corrected) += 1;
}

Status Batch::settle(const state::Store& store) {
  LACUNA_RETURN_IF_ERROR(ledger_.settle(store, snapshots_, counts_));
  for (const auto& [patient, record] : ledger_.corrected()) changed_.try_emplace(patient, record);
  return {};
}

void Batch::advance(drift::Monitor& monitor) {
  const Schema& schema = *config_.schema;
  for (std::size_t i = events_.size(); i < records_.size(); ++i) monitor.observe(drift::RecordFate::refused);
  std::vector<Arrived*> fresh;
  for (Arrived& arrived : events_) {
    if (arrived.event.person == PersonChange::forget) {
      forget(arrived, monitor);
      std::erase_if(fresh, [&arrived](const Arrived* a) { return a->event.patient_id == arrived.event.patient_id; });
      continue;
    }
    judge(arrived, monitor);
    if (arrived.fresh) fresh.push_back(&arrived);
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
      monitor.observe(
          drift::Arrival{patient, arrived.event.site, arrived.event.modality, time, arrived.event.values, arrived.event.attributes});
      for (const FeatureValue& v : arrived.event.values) {
        auto same =
            std::find_if(moment.values.begin(), moment.values.end(), [&v](const FeatureValue& w) { return w.feature == v.feature; });
        if (same == moment.values.end()) moment.values.push_back(v);
        else same->value = v.value;
      }
      if (arrived.event.payload) moment.take({arrived.event.modality, std::move(arrived.event.payload)});
    }
    // A late moment would be predicted from its future, and the first moment from nothing: neither is scored nor learned
    // from as a prediction.
    const bool in_order = moment.before.event_count > 0 && time >= moment.before.last_time;
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
  for (const Alert& alert : alerts) out.outputs.push_back(alert_record(config_, alert));
  counts_.alerts = alerts.size();
  // Before the snapshots: what is read of a new person's records tells that the one before is gone (state::add_record).
  encode_persons(out);
  for (const auto& [patient, record] : changed_) {
    // All modalities of a patient share one changelog record, payloads too; the partition is the input's.
    out.outputs.push_back({config_.topics.state,
                           records_[record].position.partition,
                           patient + std::string(kSnapshotKeySuffix),
                           state::encode_snapshot(*config_.schema, snapshots_[patient]),
                           {}});
  }
  counts_.dead_letters = dead_letters_.size();
  for (streaming::OutputRecord& letter : dead_letters_) out.outputs.push_back(std::move(letter));
  dead_letters_.clear();
  for (const streaming::Record& r : records_) {
    std::int64_t& next = out.next_offsets[{r.position.topic, r.position.partition}];
    next = std::max(next, r.position.offset + 1);
  }
  // Last in the changelog: where "chg" points behind is always a record that compaction keeps.
  for (const auto& [partition, counts] : tallies_) {
    state::RecordCounts& total = tallies[partition];
    total += counts;
    counts_ += counts;
    state::StoredPosition position;
    position.input_next = out.next_offsets[partition];
    position.counts = total;
    out.outputs.push_back({config_.topics.state,
                           partition.partition,
                           partition.topic + std::string(kPartitionKeySuffix),
                           state::encode_position({partition.topic, partition.partition, position}),
                           {}});
  }
  return out;
}

/// What is kept of a patient beside the snapshot.
void Batch::encode_persons(streaming::Transaction& out) const {
  for (const state::PersonUpdate& update : ledger_.updates()) {
    const std::int32_t partition = ledger_.partition_of(update.patient_id);
    for (state::PersonRecord& record : state::to_records(update)) {
      out.outputs.push_back({config_.topics.state, partition, std::move(record.key), std::move(record.value), {}});
    }
  }
}

state::StateChange Batch::change(StreamState& state, const Tallies& tallies, Time now) {
  state::StateChange change;
  change.forgotten = forgetting_.patients();
  for (const auto& [patient, record] : changed_) change.snapshots.push_back(std::move(snapshots_[patient]));
  change.examples = examples_;
  change.persons = ledger_.take_updates();
  change.corrections = ledger_.take_corrections();
  for (const streaming::Record& r : records_) {
    auto& position = change.positions[{r.position.topic, r.position.partition}];
    position.input_next = std::max(position.input_next, r.position.offset + 1);
    position.counts = tallies.at({r.position.topic, r.position.partition});
    position.written = now;
  }
  change.meta = state.save_new(*config_.schema);
  return change;
}

}  // namespace lacuna::daemon
