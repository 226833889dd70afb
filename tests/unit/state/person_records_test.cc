// Protects: the records of persons are read as they were written, and nothing else is: random records there and back, each cut short and
// with bytes turned; keys that are no person's are not taken for one.

#include "state/person_records.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>

#include "state/records/hash.h"
#include "tests/unit/state/workload.h"

namespace lacuna::state {
namespace {

using testing::at_minutes;
using testing::Random;
using testing::random_comparator;

Delivery random_delivery(Random& random) {
  Delivery out;
  out.hour = static_cast<std::uint32_t>((1U << 23) - 30'000 + random.below(60'000));
  for (std::uint64_t i = random.below(5); i > 0; --i) {
    const Tag tag = random.below(~0ULL);
    DeliveredPart part{static_cast<PartKey>(random.below(PartKeys::kEnd)), random.chance(0.5) ? tag : tag >> 48, false, {}};
    part.withdrawn = random.chance(0.2);
    if (random.chance(0.3)) part.revision = {random.chance(0.5) ? Revision::Kind::number : Revision::Kind::time, random.real(-9, 1e13)};
    out.parts.push_back(part);
  }
  return out;
}

std::vector<DeliveryRow> random_rows(Random& random) {
  std::vector<DeliveryRow> out;
  for (std::uint64_t i = random.below(6); i > 0; --i) out.push_back({random.below(~0ULL), random_delivery(random)});
  return out;
}

PersonJournal random_journal(Random& random) {
  PersonJournal out;
  out.state.begun = random.below(1000);
  out.state.folded = out.state.begun + random.below(1000);
  out.state.sequence = out.state.folded + random.below(16);
  out.state.ids = random.below(100'000);
  out.state.chunks = random.below(5000);
  out.state.oldest_hour = static_cast<std::uint32_t>(random.below(1U << 24));
  out.state.since_hour = static_cast<std::uint32_t>(random.below(1U << 24));
  out.rows = random_rows(random);
  for (std::uint64_t i = random.below(5); i > 0; --i) {
    HistoryChange change;
    change.kind = static_cast<HistoryChange::Kind>(random.below(3));
    change.fact = !out.rows.empty() && random.chance(0.7) ? out.rows[random.below(out.rows.size())].id : random.below(~0ULL);
    change.time = at_minutes(static_cast<std::int64_t>(random.below(100'000)));
    for (std::uint64_t k = random.below(4) + 1; k > 0; --k) {
      if (change.kind != HistoryChange::Kind::withdraw)
        change.value = random.real(-1e6, 1e6), change.comparator = random_comparator(random);
      out.changes.push_back({static_cast<PartKey>(random.below(PartKeys::kEnd)), change});
    }
  }
  return out;
}

FeatureHistory random_history(Random& random) {
  FeatureHistory out;
  const Likelihood likelihood = Likelihood::normal;
  for (std::uint64_t i = 0; i < random.below(30); ++i) {
    apply_change(out, {HistoryChange::Kind::insert, random.below(~0ULL), at_minutes(static_cast<std::int64_t>(i)), random.real(0, 99),
                       random_comparator(random)});
  }
  trim(likelihood, out, random.below(20));
  return out;
}

StoredPayloads random_payloads(Random& random) {
  StoredPayloads out{random.below(1000), random.below(1000), {}};
  Time time = at_minutes(static_cast<std::int64_t>(random.below(1000)));
  for (std::uint64_t i = random.below(4); i > 0; --i, time += Millis(random.below(100'000))) {
    Payload payload;
    if (random.chance(0.5)) payload.text.assign(random.below(9), static_cast<char>('a' + random.below(26)));
    else payload.values.resize(random.below(5), static_cast<float>(random.real(-9, 9)));
    if (random.chance(0.5)) payload.observed.resize(payload.values.size(), random.chance(0.5) ? 1 : 0);
    out.held.push_back({time, PayloadRef(std::move(payload))});
  }
  return out;
}

template <typename Record>
void check(const Record& record, std::string (*encode)(const Record&), Result<Record> (*decode)(std::string_view),
           bool with_version = true) {
  const std::string bytes = encode(record);
  const Result<Record> read = decode(bytes);
  ASSERT_TRUE(read.ok()) << read.status().to_string();
  ASSERT_EQ(*read, record);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    std::string damaged = bytes;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x41);
    const Result<Record> other = decode(damaged);
    ASSERT_FALSE(other.ok() && *other == record) << "byte " << i << " has no meaning";
    (void)decode(bytes.substr(0, i));
  }
  ASSERT_EQ(decode("").code(), Code::corrupt);
  if (!with_version) return;
  std::string newer = bytes;
  newer[0] = 5;
  ASSERT_EQ(decode(newer).code(), Code::unsupported);
  newer[0] = 0;
  ASSERT_EQ(decode(newer).code(), Code::corrupt);
}

TEST(PersonRecords, RoundTripAndDamage) {
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    check<PersonJournal>(random_journal(random), encode_journal, decode_journal);
    check<DeliveryChunk>({random.below(1000), random.below(1000), random_rows(random)}, encode_chunk, decode_chunk);
    check<StoredHistory>({random.below(1000), random.below(1000), random_history(random)}, encode_history, decode_history);
    check<StoredPayloads>(random_payloads(random), encode_payloads, decode_payloads);
    const Delivery delivery = random_delivery(random);
    check<Delivery>(
        delivery, encode_delivery, [](std::string_view bytes) { return decode_delivery(bytes, 1U << 23); }, false);
  }
}

TEST(PersonRecords, WhatAnOrdinaryEventTakes) {
  Delivery one;
  one.hour = 490'000;
  one.parts = {{4711, 99, false, {}}};
  EXPECT_EQ(encode_delivery(one).size(), 7U);
  one.parts[0].tag |= 1ULL << 63;
  EXPECT_EQ(encode_delivery(one).size(), 14U) << "of a payload";
}

// Seven vital signs of each hour.
TEST(PersonRecords, WhatAJournalTakes) {
  const auto bytes = [](std::uint64_t events) {
    PersonJournal journal;
    journal.state = {88'000, 88'016, 88'015, 1204, 5, 490'896, 490'896};
    for (std::uint64_t e = 0; e < events; ++e) {
      DeliveryRow row{mix64(e), {490'896 + static_cast<std::uint32_t>(e), {}}};
      for (PartKey part = 0; part < 7; ++part) {
        const Time time = at_minutes(static_cast<std::int64_t>(e) * 60 + 5);
        const double value = part == 0 ? 36.8 : 73 + part;
        row.delivery.parts.push_back({part * 1'000'000, value_tag(value, time), false, {}});
        journal.changes.push_back({part * 1'000'000, {HistoryChange::Kind::insert, row.id, time, value}});
      }
      journal.rows.push_back(row);
    }
    return encode_journal(journal).size();
  };
  EXPECT_LE(bytes(1), 75U);
  EXPECT_LE(bytes(2) - bytes(1), 30U);
}

// Each value is read bit by bit as it was written, whichever form it takes.
TEST(PersonRecords, ValuesAreKept) {
  Random random(1);
  std::vector<double> values = {0.0, -0.0, 0.1, 1e-6, -1e-7, 36.8, 1e15, 123456.789, 1.0 / 3, 0.1F, 1e300, -5e-324, 9007199254740993.0};
  for (int i = 0; i < 1000; ++i) values.push_back(std::round(random.real(-1e6, 1e6) * 1000) / 1000);
  StoredHistory written;
  for (const double v : values) written.history.window.push_back({at_minutes(1), v, 1});
  const Result<StoredHistory> read = decode_history(encode_history(written));
  ASSERT_TRUE(read.ok());
  for (std::size_t i = 0; i < values.size(); ++i) {
    EXPECT_EQ(std::bit_cast<std::uint64_t>(read->history.window.at(i).value), std::bit_cast<std::uint64_t>(values[i])) << values[i];
  }
}

// A little of a journal never stands for much: each run of values tells two rows, an event's and its result's.
TEST(PersonRecords, RowsTakeTheirPartsFromARunTwice) {
  PersonJournal journal;
  journal.state = {1, 2, 1, 0, 0, 0, 0};
  const Time time = at_minutes(5);
  journal.changes = {{7, {HistoryChange::Kind::insert, 9, time, 1.5}}};
  const DeliveryRow row{9, {0, {{7, value_tag(1.5, time), false, {}}}}};
  journal.rows = {row, row, row};
  const std::string three = encode_journal(journal);
  ASSERT_EQ(*decode_journal(three), journal);
  journal.rows.pop_back();
  std::string two = encode_journal(journal);
  EXPECT_GE(three.size(), two.size() + 10) << "the third in full";
  const std::string told = two.substr(two.size() - 2);
  two[two.size() - 5] = 3;
  EXPECT_EQ(decode_journal(two + told).code(), Code::corrupt);
}

TEST(PersonRecords, RecordsOfAnUpdateAndBack) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    PersonUpdate update;
    update.patient_id = "a/journal-3/b";
    update.journals = {random_journal(random)};
    update.journals[0].state.sequence += 1;
    const std::uint64_t begun = update.journals[0].state.begun;
    update.chunks = {{7, {begun, update.journals[0].state.sequence, random_rows(random)}}};
    update.histories = {{0x3fa, {begun, update.journals[0].state.folded + 1, random_history(random)}}};
    update.payloads = {{0x51, random_payloads(random)}};
    update.payloads[0].second.begun = begun;
    update.payloads[0].second.sequence = update.journals[0].state.sequence;
    update.expiry = Expiry{0, 0, {1, 2}};
    PersonUpdate read;
    read.patient_id = update.patient_id;
    PersonState known;
    for (const PersonRecord& record : to_records(update)) {
      ASSERT_EQ(person_of(record.key), update.patient_id) << record.key;
      const auto another = add_record(record.key, record.value, known, read);
      ASSERT_TRUE(another.ok() && !*another);
    }
    EXPECT_EQ(read.journals, update.journals);
    EXPECT_EQ(read.chunks, update.chunks);
    EXPECT_EQ(read.histories, update.histories);
    EXPECT_EQ(read.payloads, update.payloads);
    EXPECT_EQ(read.expiry, update.expiry);
    EXPECT_EQ(read.rows.size(), update.chunks[0].second.rows.size() + update.journals[0].rows.size());
    // A store that is past them takes none of it.
    PersonUpdate nothing;
    PersonState past{begun, 3000, 3000, 0, 0, 0, 0};
    for (const PersonRecord& record : to_records(update)) {
      ASSERT_TRUE(!record.value || add_record(record.key, record.value, past, nothing).ok());
    }
    // Nor does one that knows of a person who began later.
    past = {begun + 1, begun + 1, begun + 1, 0, 0, 0, 0};
    for (const PersonRecord& record : to_records(update)) {
      ASSERT_TRUE(!record.value || add_record(record.key, record.value, past, nothing).ok());
    }
    EXPECT_TRUE(nothing.rows.empty() && nothing.journals.empty() && nothing.chunks.empty() && nothing.histories.empty() &&
                nothing.payloads.empty());
  }
  for (const char* other : {"p/tabular", "lacuna.events#partition", "p/ids-", "p/ids-x", "ids-1", "p/history-1/tabular", "p/journal-1x"}) {
    EXPECT_FALSE(person_of(other)) << other;
  }
}

// A person who begins after a forgetting whose tombstone is gone, whichever kind of record is the first to tell: nothing of the one before
// stays, and all of the new one is taken.
TEST(PersonRecords, TellOfAnotherPersonByThemselves) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const auto person = [&random](std::uint64_t begun) {
      PersonUpdate out;
      out.patient_id = "a";
      out.journals = {random_journal(random)};
      PersonState& state = out.journals[0].state;
      state.begun = state.folded = begun;
      state.sequence = begun + 2;
      if (random.chance(0.5)) out.chunks = {{0, {begun, begun + 1, random_rows(random)}}};
      if (random.chance(0.5)) out.histories = {{9, {begun, begun + 1, random_history(random)}}};
      return out;
    };
    const PersonUpdate before = person(100), after = person(200);
    PersonUpdate read;
    read.patient_id = "a";
    read.expiry = Expiry{0, 0, {0}};  // of the chunk before
    PersonState known;
    std::size_t changes = 0;
    for (const PersonUpdate& update : {before, after}) {
      for (const PersonRecord& record : to_records(update)) {
        const auto another = add_record(record.key, record.value, known, read);
        ASSERT_TRUE(another.ok());
        changes += *another ? 1 : 0;
      }
    }
    EXPECT_EQ(changes, 1U);
    EXPECT_EQ(known.begun, 200U);
    EXPECT_EQ(read.journals, after.journals);
    EXPECT_EQ(read.chunks, after.chunks);
    EXPECT_EQ(read.histories, after.histories);
    EXPECT_EQ(read.rows.size(), after.journals[0].rows.size() + (after.chunks.empty() ? 0 : after.chunks[0].second.rows.size()));
    EXPECT_TRUE(!read.expiry || read.expiry->chunks.empty());
  }
}

}  // namespace
}  // namespace lacuna::state
