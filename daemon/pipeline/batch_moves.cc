#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "daemon/pipeline/batch.h"
#include "state/patient.h"

// What a batch does with persons who are known elsewhere, or become another.

namespace lacuna::daemon {

std::size_t Batch::prefix() const {
  if (first_alone_ >= records_.size()) return records_.size();
  return std::max<std::size_t>(first_alone_, 1);
}

void Batch::decode_state(std::size_t record, Transfer transfer) {
  Result<state::PersonTransfer> piece = state::decode_transfer(*config_.schema, *records_[record].value);
  if (!piece.ok()) return refuse(record, streaming::Refusal::malformed, "decode", piece.status().message(), true);
  first_alone_ = std::min(first_alone_, record);
  arriving_.emplace(Arriving{std::move(transfer), std::move(*piece), record});
}

std::vector<std::string> Batch::via_of(std::size_t record) const {
  const auto transfer = transfers_.find(record);
  return transfer == transfers_.end() ? std::vector<std::string>() : transfer->second.via;
}

/// Sends a record to where `person` is known. `link`: the person whose link leads there; empty: it lies in the wrong partition.
void Batch::forward(std::size_t record, const std::string& person, const std::string& link) {
  const auto transfer = transfers_.find(record);
  Transfer out{
      Transfer::Kind::event, person, via_of(record), {}, transfer == transfers_.end() ? records_[record] : transfer->second.original};
  if (!link.empty()) out.via.push_back(link);
  if (transfer != transfers_.end()) out.into = transfer->second.into;
  moves_.send(out);
  tally(record).forwarded += 1;
  forwarded_ += 1;
}

/// Those who were merged into one who is forgotten are forgotten with them. Each hears of it once, whatever ways lead there: the command
/// names all who were told, and whoever it reaches tells nobody among these. A second one would meet who began anew since the first.
void Batch::forget_merged(const Arrived& arrived) {
  const Snapshot& known = snapshots_.at(arrived.event.patient_id);
  std::vector<std::string> told = via_of(arrived.record);
  std::set<std::string> others(known.merged_from.begin(), known.merged_from.end());
  if (!known.merged_into.empty()) others.insert(known.merged_into);
  for (const std::string& person : told) others.erase(person);
  told.push_back(known.patient_id);
  told.insert(told.end(), others.begin(), others.end());
  for (const std::string& person : others) {
    const std::string event_id = arrived.event.event_id.empty() ? "forget" : arrived.event.event_id;
    streaming::Record command;
    command.value = forget_event(person, event_id, arrived.event.time);
    moves_.send({Transfer::Kind::event, person, told, {}, std::move(command)});
  }
}

/// The events of a person who was merged into another are that one's.
void Batch::follow_links() {
  std::set<std::string> ended;
  std::optional<std::size_t> sent;  // a record whose first event was met
  std::erase_if(events_, [&](const Arrived& arrived) {
    const std::string& person = arrived.event.patient_id;
    if (arrived.event.person == PersonChange::merge || ended.contains(person)) return false;
    const std::string& into = snapshots_.at(person).merged_into;
    if (arrived.event.person == PersonChange::forget) {
      forget_merged(arrived);
      ended.insert(person);
      return false;
    }
    if (into.empty()) return false;
    if (std::exchange(sent, arrived.record) != arrived.record) forward(arrived.record, into, person);
    return true;
  });
}

/// Where the input partitions stand beside which records of topics.transfers were read, and that this batch reads no further.
Status Batch::find_homes(const state::Store& store, const state::StateChange* before) {
  std::set<streaming::TopicPartition> read;
  for (const streaming::Record& r : records_) read.insert({r.position.topic, r.position.partition});
  for (const streaming::TopicPartition& p : read) {
    if (p.topic != config_.topics.transfers) continue;
    const auto home = homes_.find(p.partition);
    if (home == homes_.end()) return {Code::internal, "a partition of topics.transfers is read without the input's"};
    if (!read.contains(home->second)) home_positions_[home->second];
  }
  if (home_positions_.empty()) return {};
  const auto stored = store.positions();
  if (!stored.ok()) return stored.status();
  for (auto& [home, position] : home_positions_) {
    const std::pair<std::string, std::int32_t> key{home.topic, home.partition};
    if (const auto found = stored->find(key); found != stored->end()) position = found->second;
    if (before == nullptr) continue;
    if (const auto found = before->positions.find(key); found != before->positions.end()) position = found->second;
  }
  return {};
}

/// Alone in its batch: settle() carries it out.
void Batch::merge(Arrived& arrived, drift::Monitor& monitor) {
  const Event& event = arrived.event;
  const Snapshot& known = snapshots_.at(event.patient_id);
  const auto refuse_whole = [&](streaming::Refusal reason, std::string_view message) {
    refuse(arrived.record, reason, "apply", message, true);
    monitor.observe(drift::RecordFate::refused);
  };
  if (event.merged_into == event.patient_id) {
    return refuse_whole(streaming::Refusal::malformed, "patient.merged_into is the patient's own id");
  }
  if (known.merged_into == event.merged_into) {
    tally(arrived.record).duplicate += 1;
    return monitor.observe(drift::RecordFate::duplicate);
  }
  if (!known.merged_into.empty()) {
    return refuse_whole(streaming::Refusal::unsupported,
                        "patient.merged_into: merged into another patient before, which cannot be undone yet");
  }
  merging_ = &arrived;
  tally(arrived.record).applied += 1;
  counts_.merged += 1;
  monitor.observe(drift::RecordFate::applied);
  monitor.forget(event.patient_id);
}

void Batch::take_state(drift::Monitor& monitor) {
  Transfer& transfer = arriving_->transfer;
  const Snapshot& known = snapshots_.at(transfer.person);
  // Where the way leads back to a person who was passed, the newer merge stands: this one is alive again.
  const bool circle = std::find(transfer.via.begin(), transfer.via.end(), known.merged_into) != transfer.via.end();
  if (known.merged_into.empty() || circle) {
    tally(arriving_->record).applied += 1;
    return monitor.observe(drift::RecordFate::applied);
  }
  transfer.via.push_back(transfer.person);
  transfer.person = known.merged_into;
  moves_.send(transfer);
  tally(arriving_->record).forwarded += 1;
  arriving_.reset();
}

Status Batch::move(const state::Store& store) {
  if (merging_ != nullptr) {
    const std::string& person = merging_->event.patient_id;
    const SourcePosition& at = records_[merging_->record].position;
    LACUNA_RETURN_IF_ERROR(forgetting_.add(person, at, store, nullptr));
    LACUNA_RETURN_IF_ERROR(moves_.merge(store, merging_->event.merged_into, at, snapshots_.at(person)));
    changed_[person] = merging_->record;
  }
  if (arriving_) {
    const std::size_t record = arriving_->record;
    LACUNA_RETURN_IF_ERROR(moves_.take(store, arriving_->piece, records_[record].position, snapshots_.at(arriving_->transfer.person)));
    changed_[arriving_->transfer.person] = record;
  }
  return {};
}

}  // namespace lacuna::daemon
