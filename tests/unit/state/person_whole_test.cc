// Protects: a patient's records that are written anew tell a reader who knows nothing exactly what the store holds, and one who has read
// any of the old ones as well; and a record is known for what it is. Random patients against their own records.

#include "state/person_whole.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/state/workload.h"

namespace lacuna::state {
namespace {

using testing::at_minutes;
using testing::Random;

const std::string kPatient = "someone";

/// A patient after so many batches, and all records of the changelog, in order.
struct Written {
  PersonWhole whole;
  std::vector<PersonRecord> records;
};

void put_row(PersonWhole& whole, const DeliveryRow& row) {
  const auto at = std::lower_bound(whole.rows.begin(), whole.rows.end(), row, [](const auto& a, const auto& b) { return a.id < b.id; });
  if (at != whole.rows.end() && at->id == row.id) *at = row;
  else whole.rows.insert(at, row);
}

void take(PersonWhole& whole, const PersonUpdate& update) {
  for (const DeliveryRow& row : update.rows) put_row(whole, row);
  for (const auto& [number, chunk] : update.chunks) whole.chunks[number] = chunk.newest_hour();
  for (const auto& [part, history] : update.histories) whole.histories[part] = history;
  for (const auto& [part, payloads] : update.payloads) whole.payloads[part] = payloads;
  for (const PersonJournal& journal : update.journals) {
    whole.journals[journal_slot(journal.state.sequence)] = journal;
    whole.state = journal.state;
  }
}

Written live(Random& random, int batches) {
  Written out;
  out.whole.state.begun = out.whole.state.sequence = out.whole.state.folded = 70;
  std::vector<DeliveryRow> pending;
  for (int b = 0; b < batches; ++b) {
    PersonUpdate update;
    update.patient_id = kPatient;
    PersonJournal& journal = update.journals.emplace_back();
    journal.state = out.whole.state;
    journal.state.sequence += 1;
    for (std::uint64_t i = random.below(4); i > 0; --i) {
      update.rows.push_back({random.below(90) << 8, {static_cast<std::uint32_t>(b), {{5, static_cast<std::uint16_t>(b), false, {}}}}});
    }
    if (random.chance(0.2)) {
      Payload payload;
      payload.text = "of " + std::to_string(b);
      update.payloads.emplace_back(6, StoredPayloads{70, journal.state.sequence, {{at_minutes(b), PayloadRef(std::move(payload))}}});
    }
    pending.insert(pending.end(), update.rows.begin(), update.rows.end());
    if (journal.state.sequence - journal.state.folded == kJournalSlots) {
      journal.state.folded = journal.state.sequence;
      FeatureHistory history;
      apply_change(history, {HistoryChange::Kind::insert, 1, at_minutes(b), 2.5});
      update.histories.emplace_back(5, StoredHistory{70, journal.state.sequence, history});
      update.chunks.emplace_back(journal.state.chunks++, DeliveryChunk{70, journal.state.sequence, std::exchange(pending, {})});
    } else {
      journal.rows = update.rows;
    }
    take(out.whole, update);
    for (PersonRecord& record : to_records(update)) out.records.push_back(std::move(record));
  }
  return out;
}

/// What a reader makes of them.
PersonWhole read(const std::vector<PersonRecord>& records) {
  PersonState known;
  PersonUpdate update;
  update.patient_id = kPatient;
  for (const PersonRecord& record : records) EXPECT_TRUE(add_record(record.key, record.value, known, update).ok());
  PersonWhole out;
  take(out, update);
  return out;
}

TEST(PersonWhole, WrittenAnewItIsTheSame) {
  Random random(3);
  for (int batches = 1; batches < 60; ++batches) {
    SCOPED_TRACE(batches);
    const Written written = live(random, batches);
    const PersonUpdate anew = written_anew(kPatient, written.whole);
    const PersonWhole got = read(to_records(anew));
    EXPECT_EQ(got.state, written.whole.state);
    EXPECT_EQ(got.rows, written.whole.rows);
    EXPECT_EQ(got.histories, written.whole.histories);
    EXPECT_EQ(got.payloads, written.whole.payloads);
    for (const PersonJournal& journal : anew.journals) EXPECT_EQ(got.journals.at(journal_slot(journal.state.sequence)), journal);
    EXPECT_EQ(got.journals.size(), anew.journals.size());
    // Compaction may have left what is folded: its keys are told, and without them nothing of it hides a chunk.
    std::vector<PersonRecord> compacted;
    std::set<std::string> gone;
    for (const PersonRecord& record : to_records(anew)) gone.insert(record.key);
    for (const std::string& key : folded_keys(kPatient, written.whole)) gone.insert(key);
    for (const PersonRecord& record : written.records) {
      if (!gone.contains(record.key)) compacted.push_back(record);
    }
    for (PersonRecord& record : to_records(anew)) compacted.push_back(std::move(record));
    EXPECT_EQ(read(compacted).rows, written.whole.rows);
  }
  EXPECT_TRUE(to_records(written_anew(kPatient, {})).empty());
}

TEST(PersonWhole, KnowsItsOwnRecords) {
  Random random(4);
  for (int batches = 1; batches < 60; ++batches) {
    SCOPED_TRACE(batches);
    const Written written = live(random, batches);
    std::map<std::string, std::optional<std::string>> newest;
    for (const PersonRecord& record : written.records) {
      EXPECT_NE(*compare(written.whole, record.key, record.value), Told::other) << record.key;
      newest[record.key] = record.value;
    }
    for (const auto& [key, value] : newest) EXPECT_EQ(*compare(written.whole, key, value), Told::same) << key;
    for (const PersonRecord& record : to_records(written_anew(kPatient, written.whole))) {
      const bool chunk = parse_person_key(record.key)->kind == PersonRecordKind::chunk;
      if (!chunk) {
        EXPECT_EQ(*compare(written.whole, record.key, record.value), Told::same) << record.key;
      }
      EXPECT_EQ(*compare(written.whole, record.key, std::nullopt), Told::earlier) << record.key;
    }
  }
}

TEST(PersonWhole, KnowsWhatIsNot) {
  Random random(5);
  const Written written = live(random, 40);
  const PersonWhole& whole = written.whole;
  const auto key = [](PersonRecordKind kind, std::uint64_t number) { return person_record_key(kPatient, kind, number); };
  EXPECT_EQ(compare(whole, key(PersonRecordKind::journal, 1), "").code(), Code::corrupt);
  EXPECT_EQ(compare(whole, key(PersonRecordKind::history, 5), "").code(), Code::corrupt);
  EXPECT_EQ(compare(whole, key(PersonRecordKind::chunk, 0), "").code(), Code::corrupt);
  EXPECT_EQ(compare(whole, key(PersonRecordKind::payloads, 6), "").code(), Code::corrupt);
  EXPECT_EQ(compare(whole, kPatient + "/tabular", "x").code(), Code::corrupt);
  PersonJournal ahead{whole.state, {}, {}};
  ahead.state.sequence += 1;
  EXPECT_EQ(*compare(whole, key(PersonRecordKind::journal, 9), encode_journal(ahead)), Told::other);
  EXPECT_EQ(*compare(whole, key(PersonRecordKind::history, 6), encode_history({71, 71, {}})), Told::other) << "another person's";
  EXPECT_EQ(*compare(whole, key(PersonRecordKind::history, 5), encode_history({70, 80, {}})), Told::earlier);
  EXPECT_EQ(*compare(whole, key(PersonRecordKind::chunk, 0), encode_chunk({70, 86, {}})), Told::earlier);
  EXPECT_EQ(*compare(whole, key(PersonRecordKind::payloads, 6), encode_payloads({70, 71, {}})), Told::earlier);
  EXPECT_EQ(*compare(whole, key(PersonRecordKind::payloads, 7), encode_payloads({71, 71, {}})), Told::other);
  EXPECT_EQ(*compare(whole, key(PersonRecordKind::chunk, 9), std::nullopt), Told::same);
  EXPECT_EQ(*compare({}, key(PersonRecordKind::journal, 1), written.records.front().value), Told::other);
}

}  // namespace
}  // namespace lacuna::state
