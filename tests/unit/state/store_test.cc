// Protects: the local store. What was applied is read back, all of a batch or nothing, after any number of restarts; data
// of another schema or a newer build are refused; reading beside writing is safe; memory stays within its bound.

#include "state/store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rocksdb/db.h>

#include <atomic>
#include <cmath>
#include <filesystem>
#include <numeric>
#include <set>
#include <thread>

#include "state/rocksdb_handles.h"
#include "state/stored_records.h"
#include "tests/unit/state/workload.h"

namespace lacuna::state {
namespace {

using testing::contents;
using ::testing::HasSubstr;
using testing::open_store;
using testing::Random;
using testing::store_options;
using testing::Workload;

TEST(Store, ReadsBackWhatWasApplied) {
  const Schema schema = testing::test_schema();
  lacuna::testing::ScratchFolder scratch;
  auto store = open_store(schema, store_options(scratch.path()));
  EXPECT_EQ(store->snapshot("a").code(), Code::not_found);
  EXPECT_EQ(store->meta("scores").code(), Code::not_found);
  EXPECT_TRUE(store->draw(5, 1)->empty());
  EXPECT_TRUE(store->positions()->empty());

  Random random(1);
  StateChange change;
  for (const char* id : {"a", "b", "c"}) {
    change.snapshots.push_back(testing::random_snapshot(schema, random, 20));
    change.snapshots.back().patient_id = id;
  }
  change.positions[{"x", 1}] = {10, 20};
  change.positions[{"x1", 0}] = {11, 21};
  change.positions[{"", 258}] = {12, 22};
  change.meta["empty"] = "";
  change.meta["bytes"] = std::string("\0\xff", 2);
  ASSERT_TRUE(store->apply(change).ok());

  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(*store->snapshot("b"), change.snapshots[1]);
    const std::vector<std::string> ids{"c", "nobody", "a", "c"};
    const auto found = *store->snapshots(ids);
    ASSERT_EQ(found.size(), 4u);
    EXPECT_EQ(found[0], change.snapshots[2]);
    EXPECT_EQ(found[1], std::nullopt);
    EXPECT_EQ(found[2], change.snapshots[0]);
    EXPECT_EQ(found[3], change.snapshots[2]);
    EXPECT_EQ(*store->positions(), change.positions);
    EXPECT_EQ(store->meta("empty")->content, "");
    EXPECT_EQ(store->meta("bytes")->content, change.meta["bytes"]);
    EXPECT_EQ(store->patient_count_estimate(), 3u);
    ASSERT_TRUE(store->sync().ok());
    store.reset();
    store = open_store(schema, store_options(scratch.path()));
  }
  ASSERT_TRUE(store->put_checkpoint("000001", "weights").ok());
  EXPECT_EQ(*store->checkpoint("000001"), "weights");
  EXPECT_EQ(store->checkpoint_names()->size(), 1u);
  EXPECT_TRUE(store->drop_checkpoint("000001").ok());
}

// A store that is closed and opened again at random moments is held against one that never was.
TEST(Store, RestartsChangeNothing) {
  const Schema schema = testing::test_schema();
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    lacuna::testing::ScratchFolder a, b;
    auto whole = open_store(schema, store_options(a.path()));
    auto restarted = open_store(schema, store_options(b.path()));
    Random random(seed);
    Workload work(schema, seed, 60, 25);
    for (int i = 0; i < 60; ++i) {
      const StateChange change = work.next();
      ASSERT_TRUE(whole->apply(change).ok());
      ASSERT_TRUE(restarted->apply(change).ok());
      if (random.chance(0.1)) {
        restarted.reset();
        restarted = open_store(schema, store_options(b.path()));
      }
    }
    const testing::Contents expected = contents(*whole);
    EXPECT_EQ(contents(*restarted), expected);
    EXPECT_EQ(expected.replay_size, 120u);
    EXPECT_EQ(expected.patients, expected.snapshots.size());
    EXPECT_EQ(expected.drawn.size(), 400u);
  }
}

// Each example that was offered has its own time; whatever is drawn must be one of them, unchanged.
TEST(Store, DrawsGiveExamplesAsOffered) {
  const Schema schema = testing::test_schema();
  lacuna::testing::ScratchFolder scratch;
  const auto store = open_store(schema, store_options(scratch.path()));
  Workload work(schema, 3, 40, 30);
  std::map<Time, Example> offered;
  for (int i = 0; i < 50; ++i) {
    const StateChange change = work.next();
    for (const Example& e : change.examples) offered[e.time] = e;
    ASSERT_TRUE(store->apply(change).ok());
  }
  ASSERT_GT(offered.size(), 1000u);
  std::map<Time, int> drawn;
  const Result<std::vector<Example>> draw = store->draw(3000, 8);
  ASSERT_TRUE(draw.ok()) << draw.status().to_string();
  for (const Example& e : *draw) {
    ASSERT_EQ(e, offered.at(e.time));
    drawn[e.time] += 1;
  }
  EXPECT_GT(drawn.size(), 100u) << "3000 draws reach nearly all of 120 slots";
  EXPECT_LE(drawn.size(), 120u);

  // A pass: each place once.
  std::vector<std::size_t> places(store->replay_size() + 2);
  std::iota(places.rbegin(), places.rend(), std::size_t{0});
  const Result<std::vector<Example>> pass = store->replayed(places);
  ASSERT_TRUE(pass.ok()) << pass.status().to_string();
  EXPECT_EQ(pass->size(), store->replay_size()) << "places beyond it are left out";
  std::set<Time> times;
  for (const Example& e : *pass) {
    ASSERT_EQ(e, offered.at(e.time));
    times.insert(e.time);
  }
  EXPECT_EQ(times.size(), pass->size());
}

// Draws run from the moment the buffer is full, while ever more strata make the older ones give slots back: a draw that
// saw the counters of one batch and the slots of another would meet an empty slot.
TEST(Store, ReadingBesideWritingIsSafe) {
  const Schema schema = testing::test_schema(1, 6);
  lacuna::testing::ScratchFolder scratch;
  StoreOptions o = store_options(scratch.path());
  o.replay_capacity = 1500;
  o.replay_strata_max = 200;
  const auto store = open_store(schema, o);
  Random random(4);
  const auto batch = [&](std::uint64_t strata) {
    StateChange change;
    for (int i = 0; i < 50; ++i) {
      Example example{testing::random_snapshot(schema, random, 1), testing::at_minutes(i), {{0, 1.0}}};
      example.before.site = std::to_string(random.below(strata));
      change.examples.push_back(std::move(example));
    }
    return change;
  };
  for (int i = 0; i < 60; ++i) ASSERT_TRUE(store->apply(batch(1)).ok());
  std::atomic<bool> stop{false};
  std::atomic<int> draws{0};
  std::string problem;
  std::thread learner([&] {
    for (std::uint64_t seed = 0; !stop && problem.empty(); ++seed) {
      const auto drawn = store->draw(1000, seed);
      const auto some = store->snapshots(std::vector<std::string>{"patient-1", "patient-2"});
      if (!drawn.ok()) problem = drawn.status().to_string();
      else if (drawn->size() != 1000) problem = "a draw came back short";
      else if (!some.ok()) problem = some.status().to_string();
      (void)store->usage();
      ++draws;
    }
  });
  for (std::uint64_t i = 0; i < 600 || (draws < 50 && i < 100'000); ++i) {
    const Status applied = store->apply(batch(1 + i / 3));
    EXPECT_TRUE(applied.ok()) << applied.to_string();
    if (!applied.ok()) break;
  }
  stop = true;
  learner.join();
  EXPECT_EQ(problem, "");
  EXPECT_GE(draws, 50);
}

TEST(Store, ANewerFormatIsRefused) {
  const Schema schema = testing::test_schema();
  lacuna::testing::ScratchFolder scratch;
  { open_store(schema, store_options(scratch.path())); }
  {
    auto handles = open_rocksdb(scratch.path() + "/rocksdb", 16u << 20);
    ASSERT_TRUE(handles.ok());
    const std::string newer = encode_header({schema.fingerprint(), 0}) + std::string{'\x08', static_cast<char>(kFormatVersion + 1)};
    ASSERT_TRUE((*handles)->db->Put(rocksdb::WriteOptions(), (*handles)->meta, "h", newer).ok());
  }
  EXPECT_EQ(Store::open(schema, store_options(scratch.path())).code(), Code::unsupported);
}

TEST(Store, OneProcessAtATime) {
  const Schema schema = testing::test_schema();
  lacuna::testing::ScratchFolder scratch;
  const auto first = open_store(schema, store_options(scratch.path()));
  const auto second = Store::open(schema, store_options(scratch.path()));
  ASSERT_EQ(second.code(), Code::unavailable) << second.status().to_string();
  EXPECT_THAT(second.status().message(), HasSubstr("another process"));
}

TEST(Store, MemoryStaysWithinItsBound) {
  const Schema schema = testing::test_schema();
  lacuna::testing::ScratchFolder scratch;
  StoreOptions o = store_options(scratch.path());
  o.memory_bytes_max = kMemoryBytesMin;
  o.replay_capacity = 4000;
  const auto store = open_store(schema, o);
  Random random(2);
  const Snapshot pattern = testing::random_snapshot(schema, random, 60);
  std::uint64_t written = 0, memtables_max = 0, cache_max = 0;
  for (int batch = 0; written < (60u << 20); ++batch) {
    StateChange change;
    for (int i = 0; i < 500; ++i) {
      change.snapshots.push_back(pattern);
      change.snapshots.back().patient_id = std::to_string(random.below(30'000));
      change.examples.push_back({pattern, testing::at_minutes(batch), {{0, 1.0}}});
    }
    ASSERT_TRUE(store->apply(change).ok());
    written += 1000 * encode_snapshot(schema, pattern).size();
    ASSERT_TRUE(store->draw(64, static_cast<std::uint64_t>(batch)).ok());
    auto usage = store->usage();
    memtables_max = std::max(memtables_max, usage["memtables"]);
    cache_max = std::max(cache_max, usage["block_cache"] + usage["memtables"]);
  }
  // Memtables take a quarter, and one batch more before they are turned over.
  EXPECT_LT(memtables_max, kMemoryBytesMin / 4 + (2u << 20));
  EXPECT_LT(cache_max, kMemoryBytesMin + (2u << 20));
  std::uint64_t wal = 0;
  for (const auto& file : std::filesystem::directory_iterator(scratch.path() + "/rocksdb")) {
    if (file.path().extension() == ".log") wal += file.file_size();
  }
  EXPECT_LT(wal, 20u << 20);
}

TEST(Store, TooLittleMemoryIsInvalid) {
  lacuna::testing::ScratchFolder scratch;
  StoreOptions o = store_options(scratch.path());
  o.memory_bytes_max = kMemoryBytesMin - 1;
  EXPECT_EQ(Store::open(testing::test_schema(), o).code(), Code::invalid);
}

TEST(Store, ItsFolderIsForItsOwnerAlone) {
  lacuna::testing::ScratchFolder scratch;
  const std::string path = scratch.path() + "/deep/state";
  open_store(testing::test_schema(), store_options(path));
  EXPECT_EQ(std::filesystem::status(path).permissions(), std::filesystem::perms::owner_all);
}

}  // namespace
}  // namespace lacuna::state
