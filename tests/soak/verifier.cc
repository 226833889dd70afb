#include "tests/soak/verifier.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "state/records/schema_bytes.h"
#include "state/stored_records.h"
#include "tests/soak/observer.h"

namespace lacuna::soak {

namespace {

constexpr std::size_t kExamplesMax = 20;
constexpr std::size_t kRecordsPerRead = 5'000;
constexpr Millis kReadWait{2'000};
/// Reads that bring nothing before what is left is believed to be invisible.
constexpr int kEmptyReadsMax = 5;
constexpr std::string_view kSnapshotSuffix = "/tabular";
constexpr std::string_view kPositionSuffix = "#partition";

/// The newest header of that name.
std::string header(const streaming::Record& record, std::string_view name) {
  const auto found = std::find_if(record.headers.rbegin(), record.headers.rend(), [&](const auto& h) { return h.first == name; });
  return found == record.headers.rend() ? "" : found->second;
}

std::int64_t number(const std::string& text) {
  std::int64_t value = -1;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

std::string text_of(const std::pair<std::int32_t, std::int64_t>& position) {
  return std::to_string(position.first) + "@" + std::to_string(position.second);
}

}  // namespace

Verifier::Verifier(const Schema& schema, const Journal& journal, std::string events)
    : schema_(schema), journal_(journal), events_(std::move(events)) {
  const auto& partitions = journal_.partitions();
  counts_.resize(partitions.size());
  input_next_.resize(partitions.size());
  for (std::size_t p = 0; p < partitions.size(); ++p) {
    state::RecordCounts& counts = counts_[p];
    for (std::size_t offset = 0; offset < partitions[p].size(); ++offset) {
      const Sent& one = partitions[p][offset];
      const Position position{static_cast<std::int32_t>(p), static_cast<std::int64_t>(offset)};
      counts.consumed += 1;
      if (one.reason) letters_[position] = 0;
      switch (one.fate) {
        case Fate::duplicate: counts.duplicate += 1; continue;
        case Fate::late: counts.late += 1; continue;
        case Fate::refused: counts.refused += 1; continue;
        case Fate::partial: counts.partial += 1; break;
        case Fate::applied: break;
      }
      counts.applied += 1;
      Patient& patient = patients_[patient_name(one.patient)];
      patient.applied += 1;
      patient.sequence = std::max(patient.sequence, one.sequence);
      patient.newest = position;
      if (has_counter(one.sequence)) {
        patient.counters += 1;
        patient.counter_last = std::max(patient.counter_last, one.sequence);
      }
    }
    verdict_.expected.consumed += counts.consumed;
    verdict_.expected.applied += counts.applied;
    verdict_.expected.duplicate += counts.duplicate;
    verdict_.expected.late += counts.late;
    verdict_.expected.refused += counts.refused;
    verdict_.expected.partial += counts.partial;
  }
}

const Sent* Verifier::sent(const Position& position) const {
  const auto& all = journal_.partitions();
  if (position.first < 0 || static_cast<std::size_t>(position.first) >= all.size()) return nullptr;
  const auto& partition = all[static_cast<std::size_t>(position.first)];
  if (position.second < 0 || static_cast<std::size_t>(position.second) >= partition.size()) return nullptr;
  return &partition[static_cast<std::size_t>(position.second)];
}

void Verifier::note(const std::string& what) {
  if (verdict_.examples.size() < kExamplesMax) verdict_.examples.push_back(what);
}

void Verifier::lose(std::uint64_t count, const std::string& what) {
  verdict_.lost += count;
  note("lost: " + what);
}

void Verifier::repeat(std::uint64_t count, const std::string& what) {
  verdict_.duplicated += count;
  note("duplicated: " + what);
}

void Verifier::blame(const std::string& what) {
  verdict_.wrong += 1;
  note("wrong: " + what);
}

void Verifier::compare(std::uint64_t found, std::uint64_t expected, const std::string& what) {
  const std::string numbers = what + ": " + std::to_string(found) + " instead of " + std::to_string(expected);
  if (found < expected) lose(expected - found, numbers);
  if (found > expected) repeat(found - expected, numbers);
}

void Verifier::input(const streaming::Record& record) {
  const Position position{record.position.partition, record.position.offset};
  const Sent* one = sent(position);
  std::int64_t& next = input_next_.at(static_cast<std::size_t>(position.first));
  if (!one || position.second != next || one->hash != content_hash(record.key, record.value)) {
    blame("the input at " + text_of(position) + " is not what was acknowledged: nothing can be said");
  }
  next = position.second + 1;
}

void Verifier::dead_letter(const streaming::Record& record) {
  verdict_.dead_letters += 1;
  const Position position{static_cast<std::int32_t>(number(header(record, "__connect.errors.partition"))),
                          number(header(record, "__connect.errors.offset"))};
  const auto found = letters_.find(position);
  const std::string reason = header(record, "__connect.errors.exception.class.name");
  if (header(record, "__connect.errors.topic") != events_ || found == letters_.end()) {
    return blame("a dead letter (" + reason + ") of " + text_of(position) + ", which was good");
  }
  const Sent& one = *sent(position);
  if (reason != to_string(*one.reason)) {
    blame("the dead letter of " + text_of(position) + " says " + reason + " instead of " + std::string(to_string(*one.reason)));
  }
  if (one.hash != content_hash(record.key, record.value)) blame("the dead letter of " + text_of(position) + " holds something else");
  found->second += 1;
}

void Verifier::imputation(const streaming::Record& record) {
  verdict_.imputations += 1;
  const auto source = source_of(record.value.value_or(""));
  const auto found = patients_.find(record.key);
  if (!source || source->topic != events_ || found == patients_.end()) return blame("an imputation without a source or patient");
  const Position position{source->partition, source->offset};
  const Sent* one = sent(position);
  if (!one || patient_name(one->patient) != record.key || !changes_state(one->fate)) {
    return blame("an imputation rests on " + text_of(position) + ", which changed nothing of its patient");
  }
  Patient& patient = found->second;
  if (patient.imputed && source->offset <= *patient.imputed) {
    repeat(1, "imputation of " + text_of(position) + " after that of " + std::to_string(*patient.imputed));
  }
  patient.imputed = std::max(patient.imputed.value_or(-1), source->offset);
}

void Verifier::changelog(const streaming::Record& record) {
  if (const auto patient = state::person_of(record.key)) {
    state::PersonUpdate read;
    state::PersonState known;
    const bool decodes = state::add_record(record.key, record.value, known, read).ok();
    if (!decodes || !patients_.contains(std::string(*patient))) blame("what is kept of a patient cannot be read, or is nobody's");
    return;
  }
  if (!record.value) return blame("a tombstone in the changelog");
  if (record.key.ends_with(state::kSchemaKeySuffix)) {
    const auto schema = state::decode_schema_record(*record.value);
    const bool ours = schema.ok() && schema->schema == encode_schema(schema_) && record.key == state::schema_key(schema_.fingerprint());
    if (!ours) blame("a schema that is not the configuration's");
    return;
  }
  if (!record.key.ends_with(kSnapshotSuffix)) {
    const auto position = state::decode_position(*record.value);
    if (!position.ok()) return blame("a changelog record that is neither a patient's nor a position");
    const bool in_place = record.key == events_ + std::string(kPositionSuffix) && position->topic == events_ &&
                          record.position.partition == position->partition;
    if (!in_place) {
      return blame("a position in the wrong place");
    }
    positions_[position->partition] = position->position;
    return;
  }
  verdict_.snapshots += 1;
  auto snapshot = state::decode_snapshot(schema_, *record.value);
  const auto found = patients_.find(record.key.substr(0, record.key.size() - kSnapshotSuffix.size()));
  if (!snapshot.ok() || found == patients_.end() || found->first != snapshot->patient_id) {
    return blame("a snapshot that cannot be read, or of nobody");
  }
  found->second.snapshot = std::move(*snapshot);
}

void Verifier::committed(std::int32_t partition, std::int64_t next_offset) { committed_[partition] = next_offset; }

void Verifier::check_patient(const std::string& name, const Patient& patient) {
  if (!patient.snapshot) return lose(patient.applied, name + ": no snapshot");
  const Snapshot& s = *patient.snapshot;
  compare(s.event_count, patient.applied, name + ": events applied");
  const FeatureState& counter = s.features.at(schema_.find_feature(schema_.find_modality("vitals"), "counter").value());
  compare(counter.count, patient.counters, name + ": counters applied");
  if (counter.last != patient.counter_last) lose(1, name + ": the newest counter");
  if (s.last_time != event_time(patient.sequence)) lose(1, name + ": the newest time");
  if (s.source != SourcePosition{events_, patient.newest.first, patient.newest.second}) {
    blame(name + ": the snapshot does not rest on the newest record");
  }
  if (patient.imputed.value_or(-1) != patient.newest.second) lose(1, name + ": the imputation of " + text_of(patient.newest));
}

void Verifier::check_counts(std::int32_t partition, const state::RecordCounts& found, const state::RecordCounts& expected) {
  const std::string where = "partition " + std::to_string(partition) + ": ";
  compare(found.consumed, expected.consumed, where + "consumed");
  compare(found.applied, expected.applied, where + "applied");
  compare(found.duplicate, expected.duplicate, where + "duplicate");
  compare(found.late, expected.late, where + "late");
  compare(found.refused, expected.refused, where + "refused");
  compare(found.forwarded, expected.forwarded, where + "forwarded");
  compare(found.partial, expected.partial, where + "partial");
}

Verdict Verifier::verdict() {
  for (const auto& [position, found] : letters_) {
    compare(static_cast<std::uint64_t>(found), 1, "dead letters of " + text_of(position));
  }
  for (const auto& [name, patient] : patients_) check_patient(name, patient);
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    const auto partition = static_cast<std::int32_t>(i);
    if (input_next_[i] != journal_.end(partition)) {
      blame("partition " + std::to_string(partition) + ": the input ends at " + std::to_string(input_next_[i]) + ", acknowledged were " +
            std::to_string(journal_.end(partition)) + ": nothing can be said");
    }
    compare(static_cast<std::uint64_t>(committed_[partition]), static_cast<std::uint64_t>(journal_.end(partition)),
            "partition " + std::to_string(partition) + ": committed");
    const state::StoredPosition& position = positions_[partition];
    check_counts(partition, position.counts, counts_[i]);
    if (position.input_next != journal_.end(partition)) {
      blame("partition " + std::to_string(partition) + ": the changelog's position is not the end");
    }
  }
  return verdict_;
}

Status read_all(streaming::TopicReader& reader, const std::string& topic, const std::function<void(const streaming::Record&)>& visit) {
  const auto count = reader.partition_count(topic);
  if (!count.ok()) return count.status();
  for (std::int32_t p = 0; p < *count; ++p) {
    const auto bounds = reader.bounds({topic, p});
    if (!bounds.ok()) return bounds.status();
    int empty = 0;
    for (std::int64_t next = bounds->first; next < bounds->second && empty < kEmptyReadsMax;) {
      const auto records = reader.read({topic, p}, next, kRecordsPerRead, kReadWait);
      if (!records.ok()) return records.status();
      empty = records->empty() ? empty + 1 : 0;
      for (const streaming::Record& record : *records) visit(record);
      if (!records->empty()) next = records->back().position.offset + 1;
    }
    if (empty == kEmptyReadsMax) return {Code::unavailable, "topic " + topic + " could not be read to its end"};
  }
  return {};
}

}  // namespace lacuna::soak
