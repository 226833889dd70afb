#include "daemon/pipeline/restore.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <set>
#include <unordered_map>
#include <utility>

#include "daemon/pipeline/batch.h"
#include "state/stored_records.h"

namespace lacuna::daemon {

namespace {
/// Bounds one step: how long the other partitions wait, and the size of one write batch.
constexpr std::size_t kRecordsPerStep = 1000;
constexpr Millis kReadWait{100};
}  // namespace

std::string_view to_string(Restore::Wiped wiped) {
  switch (wiped) {
    case Restore::Wiped::no: return "no";
    case Restore::Wiped::ahead: return "ahead";
    case Restore::Wiped::too_old: return "too_old";
  }
  return "unknown";
}

Result<Restore> Restore::begin(const Config& config, const streaming::TopicPartition& partition, const streaming::Committed& committed,
                               state::Store& store, Time now) {
  Restore out(config, partition);
  const auto positions = store.positions();
  if (!positions.ok()) return positions.status();
  const auto found = positions->find({partition.topic, partition.partition});
  state::StoredPosition stored = found == positions->end() ? state::StoredPosition{} : found->second;
  const std::int64_t end = committed.changelog_next.value_or(0);
  const bool behind = stored.input_next < committed.next_offset || stored.changelog_next < end;
  if (stored.input_next > committed.next_offset || stored.changelog_next > end) {
    out.wiped_ = Wiped::ahead;
  } else if (behind && stored.written != Time{} && now - stored.written > config.rebuild_after) {
    out.wiped_ = Wiped::too_old;
  }
  if (out.wiped_ != Wiped::no) {
    // Persons whose newest record came through topics.transfers are known through this partition too.
    LACUNA_RETURN_IF_ERROR(store.wipe(config.topics.transfers, partition.partition));
    LACUNA_RETURN_IF_ERROR(store.wipe(partition.topic, partition.partition));
    stored = {};
  }
  out.input_next_ = committed.next_offset;
  out.stored_next_ = stored.input_next;
  out.begin_ = out.next_ = stored.changelog_next;
  out.end_ = out.committed_ = end;
  out.counts_ = stored.counts;
  out.from_nothing_ = stored == state::StoredPosition{};
  out.done_ = stored.input_next == committed.next_offset && stored.changelog_next == end;
  return out;
}

namespace {

/// The local store is not to blame, and setting it aside would not help.
Status explain(const streaming::Record& record, const Status& why) {
  const SourcePosition& at = record.position;
  // A patient's key stays out of it.
  const std::string key = record.key.ends_with(state::kSchemaKeySuffix) ? " (key " + record.key + ")" : "";
  return {why.code() == Code::corrupt ? Code::internal : why.code(),
          "changelog " + at.topic + "/" + std::to_string(at.partition) + " at " + std::to_string(at.offset) + key + ": " + why.message()};
}

}  // namespace

Status Restore::learn(const streaming::Record& record, state::Store& store) const {
  const Status learned = record.value ? store.learn_schema(*record.value) : Status();
  return learned.ok() || learned.code() == Code::unavailable ? learned : explain(record, learned);
}

/// Every schema in the partition: a record names one that was told before the first record read here. `unknown`: why one of them is not
/// known all the same.
Status Restore::learn_all(streaming::TopicReader& reader, state::Store& store, Status& unknown) const {
  const streaming::TopicPartition changelog{config_->topics.state, partition_.partition};
  const auto bounds = reader.bounds(changelog);
  if (!bounds.ok()) return bounds.status();
  for (std::int64_t next = bounds->first; next < bounds->second;) {
    const auto records = reader.read(changelog, next, kRecordsPerStep, kReadWait);
    if (!records.ok()) return records.status();
    if (records->empty()) return {Code::unavailable, "the changelog's schemas cannot be read yet"};
    for (const streaming::Record& record : *records) {
      if (!record.key.ends_with(state::kSchemaKeySuffix)) continue;
      const Status learned = learn(record, store);
      if (learned.code() == Code::unavailable) return learned;
      if (!learned.ok()) unknown = learned;
    }
    next = records->back().position.offset + 1;
  }
  return {};
}

Result<Snapshot> Restore::decode(const streaming::Record& record, streaming::TopicReader& reader, state::Store& store) {
  Result<Snapshot> snapshot = state::decode_snapshot(store.schemas(), *record.value, &dropped_);
  if (snapshot.code() != Code::not_found) return snapshot;
  Status unknown;
  LACUNA_RETURN_IF_ERROR(learn_all(reader, store, unknown));
  const Result<std::uint64_t> named = state::named_schema(*record.value);
  if (named.ok() && *named == 0 && store.schemas().unnamed() == 0) {
    const std::uint64_t present = store.schemas().present().fingerprint();
    spdlog::warn("changelog {}/{} holds records of a version that did not name their schema: they are read as of the present one",
                 record.position.topic, record.position.partition);
    state::SchemaRecord schema = store.schemas().to_publish().at(present);
    schema.unnamed = true;
    LACUNA_RETURN_IF_ERROR(store.learn_schema(state::encode_schema_record(schema)));
  }
  snapshot = state::decode_snapshot(store.schemas(), *record.value, &dropped_);
  if (snapshot.code() != Code::not_found) return snapshot;
  return unknown.ok() ? Status(Code::internal, snapshot.status().message()) : unknown;
}

bool is_behind(const Snapshot& read, const Snapshot& stored) {
  const bool one_partition = read.source.topic == stored.source.topic && read.source.partition == stored.source.partition;
  if (one_partition) return read.source.offset <= stored.source.offset;
  // A link has no events, and who was merged may have had none.
  if (!read.merged_into.empty()) return false;
  if (read.event_count == stored.event_count) return read.merged_from.size() <= stored.merged_from.size();
  return read.event_count < stored.event_count;
}

/// What somebody else has put into the changelog may be written anew further on; if it was not, the restore ends with this.
void Restore::cannot_read(const streaming::Record& record, const Status& why) {
  unreadable_.try_emplace(record.key, Unreadable{record.position.offset, why});
}

/// Nothing of the patient counts that stands before.
void Restore::forgot(std::string_view patient) {
  std::erase_if(unreadable_, [patient](const auto& one) {
    const std::string_view key = one.first;
    return state::person_of(key) == patient || (key.starts_with(patient) && key.substr(patient.size()) == kSnapshotKeySuffix);
  });
}

Status Restore::take_snapshot(const streaming::Record& record, streaming::TopicReader& reader, state::Store& store,
                              std::vector<Snapshot>& out) {
  Result<Snapshot> snapshot = decode(record, reader, store);
  if (snapshot.code() == Code::unavailable) return snapshot.status();
  if (!snapshot.ok()) cannot_read(record, explain(record, snapshot.status()));
  else if (record.key != snapshot->patient_id + std::string(kSnapshotKeySuffix)) {
    cannot_read(record, explain(record, {Code::internal, "the state of another patient than the key's"}));
  } else {
    out.push_back(std::move(*snapshot));
  }
  return {};
}

Status Restore::take(const std::vector<streaming::Record>& records, streaming::TopicReader& reader, state::Store& store,
                     state::StateChange& change) {
  // Of each key the newest record is enough.
  std::unordered_map<std::string_view, const streaming::Record*> newest;
  std::unordered_map<std::string_view, std::int64_t> told_of;
  for (const streaming::Record& record : records) {
    if (record.position.offset >= end_) continue;
    if (const auto patient = state::person_of(record.key)) {
      told_of[*patient] = record.position.offset;
      continue;
    }
    newest[record.key] = &record;
    unreadable_.erase(record.key);
    if (!record.key.ends_with(state::kSchemaKeySuffix)) continue;
    const Status learned = learn(record, store);
    if (learned.code() == Code::unavailable) return learned;
    if (!learned.ok()) cannot_read(record, learned);
  }
  std::vector<Snapshot> snapshots;
  const std::string own_key = partition_.topic + std::string(kPartitionKeySuffix);
  const std::string transfers_key = config_->topics.transfers + std::string(kPartitionKeySuffix);
  for (const auto& [key, record] : newest) {
    if (!record->value || key.ends_with(state::kSchemaKeySuffix)) continue;
    if (key.ends_with(kPartitionKeySuffix)) {
      if (key != own_key && key != transfers_key) continue;
      const auto position = state::decode_position(*record->value);
      if (!position.ok()) cannot_read(*record, explain(*record, position.status()));
      else if (key == own_key) counts_ = position->position.counts;
      else transfers_ = position->position;
    } else {
      LACUNA_RETURN_IF_ERROR(take_snapshot(*record, reader, store, snapshots));
    }
  }
  std::vector<std::string> ids;
  for (const Snapshot& snapshot : snapshots) ids.push_back(snapshot.patient_id);
  // A patient whose events come through two topics was perhaps restored further already, on account of the other one.
  const auto stored = store.snapshots(ids);
  if (!stored.ok()) return stored.status();
  const std::set<std::string_view> forgotten(change.forgotten.begin(), change.forgotten.end());
  state::StateChange unlearned;
  // A batch tells of its patients before it gives their snapshots: where these come with the next step, what was known is outdated.
  std::set<std::string> outdated;
  for (const auto& [patient, offset] : told_of) {
    std::string id(patient);
    const auto snapshot = newest.find(id + std::string(kSnapshotKeySuffix));
    if (snapshot != newest.end() && snapshot->second->position.offset > offset) continue;
    if (from_nothing_ || !only_adds_.contains(id)) unlearned.corrections.push_back({id, 0, Time::min(), true, {}});
    outdated.insert(std::move(id));
  }
  for (std::size_t i = 0; i < snapshots.size(); ++i) {
    if (!forgotten.contains(ids[i]) && (*stored)[i] && is_behind(snapshots[i], *(*stored)[i])) continue;
    if (from_nothing_ || !only_adds_.contains(ids[i])) unlearned.corrections.push_back({ids[i], 0, Time::min(), true, {}});
    if (from_nothing_ && snapshots[i].event_count > 0 && !outdated.contains(ids[i])) {
      Example example{snapshots[i], snapshots[i].last_time, {}};
      example.before.recent_ids.clear();
      change.examples.push_back(std::move(example));
    }
    change.snapshots.push_back(std::move(snapshots[i]));
  }
  // Of its own and first: examples that are made anew stay. Interrupted afterwards, there are fewer of them.
  return unlearned.corrections.empty() ? Status() : store.apply(unlearned);
}

namespace {

/// Whether these journals are all batches since `sequence`, and none of them corrects or withdraws anything. Of a payload they do not tell.
bool only_adds(const state::PersonUpdate& update, std::uint64_t sequence, const state::PartKeys& keys) {
  for (const state::PersonJournal& journal : update.journals) {
    if (journal.state.sequence != ++sequence || journal.state.folded == sequence) return false;
    for (const state::ValueChange& c : journal.changes) {
      if (c.change.kind != state::HistoryChange::Kind::insert) return false;
    }
    for (const state::DeliveryRow& row : journal.rows) {
      const auto of_payload = [&keys](const state::DeliveredPart& p) { return keys.find_payload(p.part).has_value(); };
      if (std::ranges::any_of(row.delivery.parts, of_payload)) return false;
    }
  }
  return !update.journals.empty();
}

}  // namespace

/// Who is forgotten, and what is kept of patients beside their snapshots, in the order of the log: each record builds on those before it.
Status Restore::take_persons(const std::vector<streaming::Record>& records, const state::Store& store, state::StateChange& change) {
  const auto patient_of = [this](const streaming::Record& record) {
    if (record.position.offset >= end_) return std::optional<std::string_view>();
    const auto forgotten = forgotten_by(record);
    return forgotten ? forgotten : state::person_of(record.key);
  };
  std::unordered_map<std::string_view, std::size_t> numbers;
  std::vector<std::string> ids;
  for (const streaming::Record& record : records) {
    const auto patient = patient_of(record);
    if (patient && numbers.try_emplace(*patient, ids.size()).second) ids.emplace_back(*patient);
  }
  auto known = store.persons(ids);
  if (!known.ok()) return known.status();
  std::vector<std::uint64_t> sequences;
  for (const state::PersonState& state : *known) sequences.push_back(state.sequence);
  std::vector<bool> forgotten(ids.size());
  for (const std::string& id : ids) change.persons.push_back({id, {}});
  for (const streaming::Record& record : records) {
    const auto patient = patient_of(record);
    if (!patient) continue;
    const std::size_t n = numbers.at(*patient);
    if (forgotten_by(record)) {
      if (began_after(record, (*known)[n])) continue;
      forgot(*patient);
      (*known)[n] = {};
      change.persons[n] = {ids[n], {}};
      forgotten[n] = true;
      continue;
    }
    unreadable_.erase(record.key);
    const Result<bool> another = state::add_record(record.key, record.value, (*known)[n], change.persons[n]);
    if (another.ok()) forgotten[n] = forgotten[n] || *another;
    else cannot_read(record, explain(record, another.status()));
  }
  only_adds_.clear();
  const state::PartKeys keys(*config_->schema);
  for (std::size_t n = 0; n < ids.size(); ++n) {
    if (only_adds(change.persons[n], sequences[n], keys)) only_adds_.insert(ids[n]);
    if (forgotten[n]) change.forgotten.push_back(ids[n]);
  }
  return {};
}

/// The record before `end_` is a partition's, the newest of its key, so compaction keeps it: silence means a slow broker,
/// unless the log itself ends earlier.
Status Restore::nothing_came(streaming::TopicReader& reader, const streaming::TopicPartition& changelog) {
  const auto bounds = reader.bounds(changelog);
  if (!bounds.ok()) return bounds.status();
  if (bounds->second > next_) return {};
  if (next_ < committed_)
    spdlog::error("changelog {}/{} ends at {} although {} was committed: it has lost data, and the states since are lost with it",
                  changelog.topic, changelog.partition, bounds->second, end_);
  next_ = end_;
  return {};
}

void Restore::reach(std::int64_t end) {
  if (end <= end_) return;
  end_ = end;
  done_ = false;
}

/// Partitions of other topics with the same number share the changelog. As far as the store knows it on their account it is read again:
/// else what this partition's part tells of their patients would stand, although a later part has forgotten them.
Status Restore::look_at_others(const state::Store& store) {
  const auto positions = store.positions();
  if (!positions.ok()) return positions.status();
  for (const auto& [partition, position] : *positions) {
    if (partition.second == partition_.partition) end_ = std::max(end_, position.changelog_next);
  }
  const auto transfers = positions->find({config_->topics.transfers, partition_.partition});
  stored_transfers_next_ = transfers == positions->end() ? 0 : transfers->second.input_next;
  return {};
}

Status Restore::step(streaming::TopicReader& reader, state::Store& store, const Forget& forget, Time now) {
  if (done_) return {};
  LACUNA_RETURN_IF_ERROR(look_at_others(store));
  const streaming::TopicPartition changelog{config_->topics.state, partition_.partition};
  state::StateChange change;
  std::int64_t next = next_;
  const state::RecordCounts counts_before = counts_;
  if (next_ < end_) {
    auto records = reader.read(changelog, next_, kRecordsPerStep, kReadWait);
    if (!records.ok()) return records.status();
    if (records->empty()) {
      LACUNA_RETURN_IF_ERROR(nothing_came(reader, changelog));
      if (next_ < end_) return {};
    }
    LACUNA_RETURN_IF_ERROR(take_persons(*records, store, change));
    LACUNA_RETURN_IF_ERROR(take(*records, reader, store, change));
    next = records->empty() ? next_ : std::min(records->back().position.offset + 1, end_);
  }
  const bool finished = next >= end_;
  if (finished && !unreadable_.empty()) return unreadable_.begin()->second.why;
  // Behind until all is read: where it is interrupted it is not done, and what could not be read is met again.
  std::int64_t changelog_next = finished ? committed_ : std::min(next, std::max<std::int64_t>(committed_ - 1, 0));
  for (const auto& [key, one] : unreadable_) changelog_next = std::min(changelog_next, one.offset);
  change.positions[{partition_.topic, partition_.partition}] = {finished ? input_next_ : stored_next_, changelog_next, counts_, now};
  // What another input partition of this number knows may be newer.
  if (transfers_ && transfers_->input_next > stored_transfers_next_) {
    change.positions[{config_->topics.transfers, partition_.partition}] = *transfers_;
  }
  Status done = forget(change.forgotten);
  if (done.ok()) done = store.apply(change);
  if (!done.ok()) {
    counts_ = counts_before;
    return done;
  }
  snapshots_ += static_cast<std::int64_t>(change.snapshots.size());
  next_ = next;
  done_ = finished;
  return {};
}

}  // namespace lacuna::daemon
