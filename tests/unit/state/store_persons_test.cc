// Protects: what is kept of a patient beside the snapshot is read back, over restarts, until it expires or its partition is wiped; and the
// replay buffer finds a patient's examples, to put them right or to take them out, whatever moved in between. Random updates against plain
// maps; random batches of examples against the set of those that may be left.

#include <gtest/gtest.h>
#include <rocksdb/db.h>

#include <map>
#include <numeric>

#include "state/rocksdb_handles.h"
#include "state/store.h"
#include "tests/unit/state/workload.h"

namespace lacuna::state {
namespace {

using testing::at_minutes;
using testing::open_store;
using testing::Random;
using testing::store_options;
using testing::Workload;

// What should be there of one patient.
struct Plain {
  PersonState state;
  std::map<std::uint64_t, Delivery> rows;
  std::map<std::uint64_t, PersonJournal> pending;
  std::map<PartKey, FeatureHistory> histories;
  HeldPayloads payloads;
};

PersonUpdate next_update(const std::string& patient, Plain& plain, Random& random) {
  PersonUpdate update;
  update.patient_id = patient;
  PersonJournal journal;
  journal.state = plain.state;
  journal.state.sequence += 1;
  for (std::uint64_t i = random.below(4); i > 0; --i) {
    const std::uint64_t id = random.below(40) << 8;
    const Delivery delivery{static_cast<std::uint32_t>(journal.state.sequence),
                            {{5, static_cast<std::uint16_t>(random.below(9)), false, {}}}};
    journal.rows.push_back({id, delivery});
    journal.changes.push_back({5, {HistoryChange::Kind::insert, id, at_minutes(static_cast<std::int64_t>(id)), 1.5}});
    plain.rows[id] = delivery;
  }
  update.rows = journal.rows;
  if (random.chance(0.2)) {
    Payload payload;
    payload.values = {static_cast<float>(random.below(9))};
    plain.payloads = {{at_minutes(1), PayloadRef(std::move(payload))}};
    update.payloads.emplace_back(7, StoredPayloads{0, journal.state.sequence, plain.payloads});
  }
  if (journal.state.sequence - journal.state.folded == kJournalSlots) {
    journal.state.folded = journal.state.sequence;
    plain.pending.clear();
    FeatureHistory history;
    apply_change(history, {HistoryChange::Kind::insert, 1, at_minutes(static_cast<std::int64_t>(journal.state.sequence)), 2.5});
    plain.histories[5] = history;
    update.histories.emplace_back(5, StoredHistory{0, journal.state.sequence, history});
    update.chunks.emplace_back(journal.state.chunks++, DeliveryChunk{0, journal.state.sequence, journal.rows});
    journal.rows.clear();
    journal.changes.clear();
  } else {
    plain.pending[journal.state.sequence] = journal;
  }
  plain.state = journal.state;
  update.journals = {std::move(journal)};
  return update;
}

void check(const Store& store, const std::string& patient, const Plain& plain) {
  const std::vector<std::string> ids{"nobody", patient};
  const auto states = store.persons(ids);
  ASSERT_TRUE(states.ok()) << states.status().to_string();
  EXPECT_EQ((*states)[0], PersonState{});
  ASSERT_EQ((*states)[1], plain.state);
  std::vector<DeliveryKey> keys;
  for (std::uint64_t id = 0; id < 45; ++id) keys.push_back({patient_key(patient), id << 8});
  const auto rows = store.deliveries(keys);
  ASSERT_TRUE(rows.ok()) << rows.status().to_string();
  for (std::uint64_t id = 0; id < 45; ++id) {
    const auto expected = plain.rows.find(id << 8);
    ASSERT_EQ((*rows)[id].has_value(), expected != plain.rows.end()) << id;
    if (expected == plain.rows.end()) continue;
    ASSERT_EQ((*rows)[id]->parts, expected->second.parts) << id;
  }
  const std::vector<PartKey> parts{4, 5};
  const auto past = store.past(patient, plain.state, parts);
  ASSERT_TRUE(past.ok()) << past.status().to_string();
  ASSERT_EQ(past->pending.size(), plain.pending.size());
  std::size_t i = 0;
  for (const auto& [sequence, journal] : plain.pending) ASSERT_EQ(past->pending[i++], journal);
  ASSERT_FALSE(past->histories[0]);
  const auto history = plain.histories.find(5);
  ASSERT_EQ(past->histories[1], history == plain.histories.end() ? std::nullopt : std::optional(history->second));
  const std::vector<PartKey> asked{7, 8};
  const auto payloads = store.payloads(patient, asked);
  ASSERT_TRUE(payloads.ok()) << payloads.status().to_string();
  ASSERT_EQ((*payloads)[0], plain.payloads);
  ASSERT_TRUE((*payloads)[1].empty());
}

TEST(StorePersons, ReadBackOverRestarts) {
  const Schema schema = testing::test_schema();
  const lacuna::testing::ScratchFolder scratch;
  auto store = open_store(schema, store_options(scratch.path()));
  Random random(3);
  std::map<std::string, Plain> plain;
  for (int batch = 0; batch < 120; ++batch) {
    StateChange change;
    for (const char* patient : {"a", "b", "ab"}) {
      if (random.chance(0.7)) change.persons.push_back(next_update(patient, plain[patient], random));
    }
    ASSERT_TRUE(store->apply(change).ok());
    if (batch % 40 == 20) {
      store.reset();
      store = open_store(schema, store_options(scratch.path()));
    }
    for (const auto& [patient, expected] : plain) check(*store, patient, expected);
  }
}

// A store whose last journals are of version 1, in the slots of that, and whose patient goes on in the slots of this one.
TEST(StorePersons, JournalsAreFoundInTheSlotsOfVersion1) {
  const Schema schema = testing::test_schema();
  const lacuna::testing::ScratchFolder scratch;
  ASSERT_TRUE(open_store(schema, store_options(scratch.path())));
  const auto journal = [](std::uint64_t sequence) {
    PersonJournal out;
    out.state = {0, sequence, 17, 0, 0, 0, 0};
    out.rows = {{sequence << 8, {7, {{5, 1, false, {}}}}}};
    return out;
  };
  {
    const auto handles = open_rocksdb(scratch.path() + "/rocksdb", 16u << 20);
    ASSERT_TRUE(handles.ok());
    for (std::uint64_t sequence = 15; sequence <= 30; ++sequence) {
      std::string key;
      for (int shift = 56; shift >= 0; shift -= 8) key.push_back(static_cast<char>(patient_key("a") >> shift & 0xff));
      key += "j" + std::string(7, '\0') + static_cast<char>(sequence % 16);
      ASSERT_TRUE((*handles)->db->Put({}, (*handles)->persons, key, encode_journal(journal(sequence))).ok());
    }
  }
  const auto store = open_store(schema, store_options(scratch.path()));
  for (std::uint64_t sequence = 31; sequence <= 40; ++sequence) {
    StateChange change;
    PersonUpdate& update = change.persons.emplace_back();
    update.patient_id = "a";
    update.journals = {journal(sequence)};
    update.rows = update.journals[0].rows;
    ASSERT_TRUE(store->apply(change).ok());
  }
  const auto past = store->past("a", journal(40).state, {});
  ASSERT_TRUE(past.ok()) << past.status().to_string();
  ASSERT_EQ(past->pending.size(), 23U);
  for (std::uint64_t sequence = 18; sequence <= 40; ++sequence) EXPECT_EQ(past->pending[sequence - 18], journal(sequence)) << sequence;
}

TEST(StorePersons, IdsExpireByTimeAndByNumber) {
  const Schema schema = testing::test_schema();
  const lacuna::testing::ScratchFolder scratch;
  const auto store = open_store(schema, store_options(scratch.path()));
  StateChange change;
  PersonUpdate update;
  update.patient_id = "a";
  for (std::uint64_t id = 0; id < 100; ++id) update.rows.push_back({id << 8, {static_cast<std::uint32_t>(id / 10), {{5, 1, false, {}}}}});
  for (std::uint64_t c = 0; c < 10; ++c) {
    update.chunks.emplace_back(c, DeliveryChunk{0,
                                                c + 1,
                                                {update.rows.begin() + static_cast<std::ptrdiff_t>(c) * 10,
                                                 update.rows.begin() + static_cast<std::ptrdiff_t>(c) * 10 + 10}});
  }
  change.persons = {update};
  update.patient_id = "b";
  change.persons.push_back(update);
  ASSERT_TRUE(store->apply(change).ok());

  EXPECT_EQ(*store->expiry("a", 0, 1000), (Expiry{0, 100, {}}));
  EXPECT_EQ(*store->expiry("a", 3, 1000), (Expiry{3, 70, {0, 1, 2}}));
  const Expiry by_number = *store->expiry("a", 0, 45);
  EXPECT_EQ(by_number, (Expiry{6, 40, {0, 1, 2, 3, 4, 5}}));
  StateChange prune;
  PersonUpdate pruned;
  pruned.patient_id = "a";
  pruned.expiry = by_number;
  pruned.rows = {{3 << 8, {9, {{5, 1, false, {}}}}}};
  prune.persons = {pruned};
  ASSERT_TRUE(store->apply(prune).ok());
  std::vector<DeliveryKey> keys;
  for (const char* patient : {"a", "b"}) {
    for (std::uint64_t id = 0; id < 100; ++id) keys.push_back({patient_key(patient), id << 8});
  }
  const auto left = *store->deliveries(keys);
  for (std::size_t id = 0; id < 100; ++id) {
    EXPECT_EQ(left[id].has_value(), id >= 60 || id == 3) << id;
    EXPECT_TRUE(left[100 + id].has_value()) << "another patient's";
  }
  EXPECT_TRUE(store->expiry("a", 6, 1000)->chunks.empty());
}

TEST(StorePersons, AWipedPartitionTakesThemAlong) {
  const Schema schema = testing::test_schema();
  const lacuna::testing::ScratchFolder scratch;
  const auto store = open_store(schema, store_options(scratch.path()));
  Random random(4);
  std::map<std::string, Plain> plain;
  StateChange change;
  for (const char* patient : {"a", "b"}) {
    change.snapshots.push_back(testing::random_snapshot(schema, random, 3));
    change.snapshots.back().patient_id = patient;
    change.snapshots.back().source = {"events", patient[0] == 'a' ? 0 : 1, 7};
    change.persons.push_back(next_update(patient, plain[patient], random));
  }
  ASSERT_TRUE(store->apply(change).ok());
  ASSERT_TRUE(store->wipe("events", 0).ok());
  check(*store, "a", {});
  check(*store, "b", plain["b"]);
}

// All examples that are stored, each once.
std::vector<Example> stored(const Store& store) {
  std::vector<Example> out;
  std::vector<std::size_t> places(store.replay_size());
  std::iota(places.begin(), places.end(), 0);
  const auto all = store.replayed(places);
  if (!all.ok()) throw std::runtime_error(all.status().to_string());
  for (const Example& e : *all) {
    if (std::find(out.begin(), out.end(), e) == out.end()) out.push_back(e);
  }
  return out;
}

TEST(StoreReplay, APatientsExamplesAreFoundWhereverTheyWent) {
  const Schema schema = testing::test_schema();
  const lacuna::testing::ScratchFolder scratch;
  auto store = open_store(schema, store_options(scratch.path()));
  Workload workload(schema, 11, 12, 40);
  Random random(11);
  std::map<std::string, Time> dropped;  // from when on nothing of the patient may be left
  int found = 0;
  for (int batch = 0; batch < 40; ++batch) {
    StateChange change = workload.next();
    for (const Example& e : change.examples) {
      const auto at = dropped.find(e.before.patient_id);
      if (at != dropped.end() && e.time >= at->second) dropped.erase(at);  // it came anew
    }
    ASSERT_TRUE(store->apply(change).ok());
    if (batch % 10 == 5) {
      store.reset();
      store = open_store(schema, store_options(scratch.path()));
    }
    const std::string patient = "patient-" + std::to_string(random.below(12));
    const Time from = at_minutes(static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(batch + 1) * 40)));
    const auto before = stored(*store);
    for (const Example& e : before) found += e.before.patient_id == patient && e.time >= from ? 1 : 0;
    StateChange correction;
    correction.corrections = {{patient, 0, from, true, {}}};
    ASSERT_TRUE(store->apply(correction).ok());
    auto [at, first] = dropped.try_emplace(patient, from);
    at->second = std::min(at->second, from);
    std::size_t expected = 0;
    for (const Example& e : before) expected += e.before.patient_id == patient && e.time >= from ? 0 : 1;
    const auto after = stored(*store);
    ASSERT_EQ(after.size(), expected);
    ASSERT_EQ(store->replay_size(), expected) << "every other one is still there";
    for (const Example& e : after) {
      const auto gone = dropped.find(e.before.patient_id);
      ASSERT_TRUE(gone == dropped.end() || e.time < gone->second);
    }
  }
  EXPECT_GT(found, 50);
}

// Of a forgotten patient nothing is found, whatever was kept; a new person with the id who comes in the same change is all there is of
// them; others lose nothing; and so it is after a restart.
TEST(StorePersons, AForgottenPatientLeavesNothing) {
  const Schema schema = testing::test_schema();
  for (const bool comes_again : {false, true}) {
    const lacuna::testing::ScratchFolder scratch;
    auto store = open_store(schema, store_options(scratch.path()));
    Random random(8);
    std::map<std::string, Plain> plain;
    for (int batch = 0; batch < 40; ++batch) {
      StateChange change;
      for (const char* patient : {"a", "b", "ab"}) {
        change.snapshots.push_back(testing::random_snapshot(schema, random, 3));
        change.snapshots.back().patient_id = patient;
        change.persons.push_back(next_update(patient, plain[patient], random));
        if (batch < 20) change.examples.push_back({change.snapshots.back(), at_minutes(batch), {{0, 70.0}}});
      }
      ASSERT_TRUE(store->apply(change).ok());
    }
    ASSERT_EQ(store->patient_count_estimate(), 3U);
    ASSERT_EQ(store->replay_size(), 60U);
    ASSERT_EQ(store->replay_size("a"), 20U);
    const auto keys = *store->person_keys("a");
    EXPECT_EQ(keys.size(), kJournalSlots + plain["a"].histories.size() + plain["a"].state.chunks + (plain["a"].payloads.empty() ? 0 : 1));
    for (const std::string& key : keys) EXPECT_EQ(person_of(key), "a") << key;

    StateChange forgetting;
    forgetting.forgotten = {"a", "nobody"};
    plain.erase("a");
    if (comes_again) {
      forgetting.snapshots = {new_snapshot(schema, "a")};
      forgetting.persons = {next_update("a", plain["a"], random)};
      forgetting.examples = {{forgetting.snapshots[0], at_minutes(99), {{0, 71.0}}}};
    }
    ASSERT_TRUE(store->apply(forgetting).ok());
    for (const bool restarted : {false, true}) {
      if (restarted) {
        store.reset();
        store = open_store(schema, store_options(scratch.path()));
      }
      EXPECT_EQ(store->patient_count_estimate(), comes_again ? 3U : 2U);
      if (comes_again) EXPECT_EQ(*store->snapshot("a"), forgetting.snapshots[0]);
      else EXPECT_EQ(store->snapshot("a").code(), Code::not_found);
      check(*store, "a", plain["a"]);
      check(*store, "b", plain["b"]);
      check(*store, "ab", plain["ab"]);
      EXPECT_EQ(store->person_keys("a")->size(), (comes_again ? 1U : 0U) + (plain["a"].payloads.empty() ? 0U : 1U));
      EXPECT_EQ(store->replay_size(), comes_again ? 41U : 40U);
      EXPECT_EQ(store->replay_size("a"), comes_again ? 1U : 0U);
      EXPECT_EQ(store->replay_size("ab"), 20U);
      for (const Example& e : stored(*store)) EXPECT_TRUE(e.before.patient_id != "a" || e.time == at_minutes(99));
    }
  }
}

TEST(StoreReplay, ExamplesArePutRight) {
  const Schema schema = testing::test_schema();
  const lacuna::testing::ScratchFolder scratch;
  const auto store = open_store(schema, store_options(scratch.path()));
  StateChange change;
  FeatureHistory history;
  Snapshot snapshot = new_snapshot(schema, "a");
  for (std::int64_t m = 0; m < 6; ++m) {
    change.examples.push_back({snapshot, at_minutes(m), {{0, 70.0 + double(m)}, {1, 5}}});
    apply_fresh(schema, snapshot, {"e", "a", "", 0, at_minutes(m), {{0, 70.0 + double(m)}, {1, 5}}, {}}, {}, Millis::max());
    apply_change(history, {HistoryChange::Kind::insert, static_cast<std::uint64_t>(m), at_minutes(m), 70.0 + double(m)});
  }
  ASSERT_TRUE(store->apply(change).ok());
  ASSERT_TRUE(apply_change(history, {HistoryChange::Kind::withdraw, 3, at_minutes(3), 0}));
  StateChange correction;
  correction.corrections = {{"a", 0, at_minutes(3), false, history}};
  ASSERT_TRUE(store->apply(correction).ok());
  const auto examples = stored(*store);
  ASSERT_EQ(examples.size(), 6U);
  for (const Example& e : examples) {
    const auto minute = static_cast<std::int64_t>((e.time - at_minutes(0)).count() / 60'000);
    EXPECT_EQ(e.arrived.size(), minute == 3 ? 1U : 2U);
    EXPECT_EQ(e.before.features[0].count, static_cast<std::uint32_t>(minute > 3 ? minute - 1 : minute));
    EXPECT_TRUE(minute != 4 || e.before.features[0].last == 72);
  }
}

}  // namespace
}  // namespace lacuna::state
