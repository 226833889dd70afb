#include "daemon/pipeline/changelog_review.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>
#include <set>
#include <utility>

#include "daemon/pipeline/batch.h"
#include "daemon/pipeline/forgetting.h"
#include "daemon/pipeline/restore.h"
#include "state/person_whole.h"
#include "state/records/schema_bytes.h"
#include "state/stored_records.h"

namespace lacuna::daemon {

namespace {

bool is_ours(const streaming::Record& tombstone) {
  return std::any_of(tombstone.headers.begin(), tombstone.headers.end(), [](const auto& h) { return h.first == kForgottenAtHeader; });
}

template <typename Verdicts>
std::size_t wrong_of(const Verdicts& verdicts) {
  return static_cast<std::size_t>(
      std::count_if(verdicts.begin(), verdicts.end(), [](const auto& one) { return one.second.differs || one.second.misleading; }));
}

}  // namespace

std::size_t ChangelogReview::wrong() const {
  std::size_t out = wrong_of(others_);
  for (const auto& [patient, verdicts] : patients_) out += wrong_of(verdicts);
  return out;
}

Status ChangelogReview::take(const streaming::Record& record) {
  taken_ += 1;
  const std::string_view key = record.key;
  if (const auto patient = forgotten_by(record)) return take_tombstone(std::string(*patient), record);
  if (key.ends_with(kSnapshotKeySuffix)) return take_snapshot(std::string(key.substr(0, key.size() - kSnapshotKeySuffix.size())), record);
  if (const auto patient = state::person_of(key)) return take_person_record(std::string(*patient), record);
  if (key.ends_with(kPartitionKeySuffix)) return take_position(record);
  take_other(record);
  return {};
}

/// One of ours ends all that was said of the patient before. Another's ends it too, and the patient's other records should have stayed.
Status ChangelogReview::take_tombstone(const std::string& patient, const streaming::Record& record) {
  const Result<Snapshot> stored = store_.snapshot(patient);
  if (!stored.ok() && stored.code() != Code::not_found) return stored.status();
  Verdicts& verdicts = patients_[patient];
  if (is_ours(record)) {
    for (auto& [key, before] : verdicts) before.misleading = false;
  }
  Verdict& verdict = verdicts[record.key];
  verdict.differs = stored.ok();
  verdict.misleading = verdict.misleading || (stored.ok() && !is_ours(record));
  return {};
}

Status ChangelogReview::take_snapshot(const std::string& patient, const streaming::Record& record) {
  const Result<Snapshot> stored = store_.snapshot(patient);
  if (!stored.ok() && stored.code() != Code::not_found) return stored.status();
  const Result<Snapshot> read = state::decode_snapshot(store_.schemas(), *record.value);
  Verdict& verdict = patients_[patient][record.key];
  verdict.differs = !stored.ok() || !read.ok() || *read != *stored;
  // A restore that has taken it would leave out what the store holds.
  const bool ahead = verdict.differs && stored.ok() && read.ok() && read->patient_id == patient && is_behind(*stored, *read);
  verdict.misleading = verdict.misleading || ahead;
  return {};
}

Status ChangelogReview::take_person_record(const std::string& patient, const streaming::Record& record) {
  const Result<state::PersonWhole> stored = store_.whole_person(patient, false);
  if (!stored.ok()) return stored.status();
  const Result<state::Told> told = state::compare(*stored, record.key, record.value);
  Verdict& verdict = patients_[patient][record.key];
  verdict.differs = !told.ok() || *told != state::Told::same;
  verdict.misleading = verdict.misleading || (told.ok() && *told == state::Told::other);
  return {};
}

/// Each batch of a member ends with the positions of its partitions.
Status ChangelogReview::take_position(const streaming::Record& record) {
  const std::string topic = record.key.substr(0, record.key.size() - kPartitionKeySuffix.size());
  const streaming::TopicPartition partition{topic, record.position.partition};
  const Result<state::PartitionPosition> read = record.value ? state::decode_position(*record.value) : Status(Code::not_found, "deleted");
  const bool well_formed = read.ok() && read->topic == topic && read->partition == partition.partition;
  Verdict& verdict = others_[record.key];
  // Whoever holds the input partitions of this number reads the one of topics.transfers.
  if (topic == config_.topics.transfers || std::find(ours_.begin(), ours_.end(), partition) != ours_.end()) {
    const auto stored = store_.positions();
    if (!stored.ok()) return stored.status();
    const auto at = stored->find({topic, partition.partition});
    const state::StoredPosition known = at == stored->end() ? state::StoredPosition{} : at->second;
    verdict.differs = !well_formed || read->position.input_next != known.input_next || read->position.counts != known.counts;
    return {};
  }
  const auto& topics = config_.topics.events;
  const bool read_together =
      std::any_of(topics.begin(), topics.end(), [&topic](const std::string& name) { return name == topic || name.starts_with('^'); });
  of_others_ = of_others_ || (well_formed && read_together);
  verdict.differs = record.value.has_value();
  return {};
}

std::optional<state::SchemaRecord> ChangelogReview::schema_of(std::string_view key) const {
  if (!key.ends_with(state::kSchemaKeySuffix)) return std::nullopt;
  std::uint64_t fingerprint = 0;
  std::from_chars(key.data(), key.data() + key.size(), fingerprint, 16);
  if (state::schema_key(fingerprint) != key) return std::nullopt;
  const auto known = store_.schemas().find(fingerprint);
  if (!known.ok()) return std::nullopt;
  return state::SchemaRecord{encode_schema(*known->schema), fingerprint == store_.schemas().unnamed()};
}

/// A schema, or a key that means nothing. Whether records without a name are of a schema may have been found out since.
void ChangelogReview::take_other(const streaming::Record& record) {
  const std::optional<state::SchemaRecord> known = schema_of(record.key);
  Verdict& verdict = others_[record.key];
  verdict.differs = known.has_value() != record.value.has_value();
  if (!known || !record.value) return;
  const Result<state::SchemaRecord> read = state::decode_schema_record(*record.value);
  verdict.differs = !read.ok() || read->schema != known->schema;
}

streaming::OutputRecord ChangelogReview::output(std::string key, std::optional<std::string> value) const {
  return {config_.topics.state, ours_.front().partition, std::move(key), std::move(value), {}};
}

/// As if the patient had been forgotten and had come again with all that is known: whatever was put there before, and whatever of it
/// compaction has taken away or left, a restore ends with what the store holds.
Status ChangelogReview::rewrite(const std::string& patient, const Verdicts& verdicts, Rewriting& out) const {
  const Result<Snapshot> snapshot = store_.snapshot(patient);
  if (!snapshot.ok() && snapshot.code() != Code::not_found) return snapshot.status();
  const Result<state::PersonWhole> stored = store_.whole_person(patient, true);
  if (!stored.ok()) return stored.status();
  const std::string snapshot_key = patient + std::string(kSnapshotKeySuffix);
  auto& outputs = out.transaction.outputs;
  outputs.push_back(output(snapshot_key, std::nullopt));
  // Whoever is known is forgotten.
  outputs.back().headers = {{std::string(kForgottenAtHeader), std::to_string(std::numeric_limits<std::uint64_t>::max())}};

  state::PersonUpdate update = state::written_anew(patient, *stored);
  std::vector<state::PersonRecord> records = state::to_records(update);
  std::set<std::string> dropped;
  for (std::string& key : state::folded_keys(patient, *stored)) dropped.insert(std::move(key));
  for (const auto& [key, verdict] : verdicts) {
    if (key != snapshot_key) dropped.insert(key);
  }
  for (const state::PersonRecord& record : records) dropped.erase(record.key);
  for (const std::string& key : dropped) outputs.push_back(output(key, std::nullopt));
  for (state::PersonRecord& record : records) outputs.push_back(output(std::move(record.key), std::move(record.value)));
  if (snapshot.ok()) outputs.push_back(output(snapshot_key, state::encode_snapshot(*config_.schema, *snapshot)));
  if (!update.journals.empty()) out.change.persons.push_back(std::move(update));
  return {};
}

/// As each batch ends, and for the same reason: where the committed position points behind is a record that compaction keeps. And only
/// who still holds the partitions can commit it.
Status ChangelogReview::end_with_positions(Rewriting& out, Time now) const {
  const auto positions = store_.positions();
  if (!positions.ok()) return positions.status();
  std::vector<streaming::TopicPartition> all = ours_;
  all.push_back({config_.topics.transfers, ours_.front().partition});
  for (const streaming::TopicPartition& p : all) {
    const auto at = positions->find({p.topic, p.partition});
    state::StoredPosition known = at == positions->end() ? state::StoredPosition{} : at->second;
    if (p.topic != config_.topics.transfers) out.transaction.next_offsets[p] = known.input_next;
    state::StoredPosition told;
    told.input_next = known.input_next;
    told.counts = known.counts;
    out.transaction.outputs.push_back(
        output(p.topic + std::string(kPartitionKeySuffix), state::encode_position({p.topic, p.partition, told})));
    known.written = now;
    out.change.positions[{p.topic, p.partition}] = known;
  }
  return {};
}

Result<ChangelogReview::Rewriting> ChangelogReview::rewriting(std::size_t subjects_max, Time now) const {
  Rewriting out;
  out.transaction.changelog_topic = config_.topics.state;
  for (const auto& [patient, verdicts] : patients_) {
    if (wrong_of(verdicts) == 0) continue;
    out.all = subjects_max > 0;
    if (!out.all) break;
    subjects_max -= 1;
    LACUNA_RETURN_IF_ERROR(rewrite(patient, verdicts, out));
  }
  for (const auto& [key, verdict] : others_) {
    if (!verdict.differs || !out.all) continue;
    out.all = subjects_max > 0;
    if (!out.all) break;
    subjects_max -= 1;
    const bool position =
        key == config_.topics.transfers + std::string(kPartitionKeySuffix) ||
        std::any_of(ours_.begin(), ours_.end(), [&key](const auto& p) { return key == p.topic + std::string(kPartitionKeySuffix); });
    if (position) continue;
    const std::optional<state::SchemaRecord> schema = schema_of(key);
    out.transaction.outputs.push_back(output(key, schema ? std::optional(state::encode_schema_record(*schema)) : std::nullopt));
  }
  LACUNA_RETURN_IF_ERROR(end_with_positions(out, now));
  return out;
}

}  // namespace lacuna::daemon
