// Protects: giving up part of a store, or all of it. A wiped partition leaves nothing of its patients and everything of the
// others, also when it is interrupted and done again; what is put aside stays as it was found.

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <set>

#include "tests/unit/state/workload.h"

namespace lacuna::state {
namespace {

namespace fs = std::filesystem;
using testing::Contents;
using testing::contents;
using testing::Random;

StoreOptions options(const std::string& path) {
  StoreOptions out;
  out.path = path;
  out.memory_bytes_max = 16u << 20;
  out.replay_capacity = 80;
  return out;
}

std::unique_ptr<Store> open(const Schema& schema, const std::string& path) {
  Result<std::unique_ptr<Store>> opened = Store::open(schema, options(path));
  if (!opened.ok()) throw std::runtime_error(opened.status().to_string());
  return std::move(opened).value();
}

/// Patients of a few partitions of two topics, some of which change partition later, with examples and scores.
void fill(Store& store, const Schema& schema, Random& random, int patients) {
  for (int round = 0; round < 3; ++round) {
    StateChange change;
    for (int p = 0; p < patients; ++p) {
      if (round > 0 && random.chance(0.7)) continue;
      Snapshot s = testing::random_snapshot(schema, random, 2);
      s.patient_id = "patient-" + std::to_string(p);
      s.source = {random.chance(0.5) ? "a" : "b", static_cast<std::int32_t>(random.below(3)), p};
      change.positions[{s.source.topic, s.source.partition}] = {p + 1, round};
      if (p % 10 == 0) change.examples.push_back({s, testing::at_minutes(p), {{0, 1.0}}});
      change.snapshots.push_back(std::move(s));
    }
    change.meta["scores"] = "scores after round " + std::to_string(round);
    const Status applied = store.apply(change);
    if (!applied.ok()) throw std::runtime_error(applied.to_string());
  }
}

Contents without(Contents all, const std::string& topic, std::int32_t partition) {
  std::erase_if(all.snapshots, [&](const auto& s) { return s.second.source.topic == topic && s.second.source.partition == partition; });
  all.positions.erase({topic, partition});
  all.patients = all.snapshots.size();
  return all;
}

TEST(StoreWipe, LeavesExactlyTheOtherPartitions) {
  const Schema schema = testing::test_schema();
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    lacuna::testing::ScratchFolder scratch;
    auto store = open(schema, scratch.path());
    fill(*store, schema, random, static_cast<int>(random.below(200)));
    for (int i = 0; i < 3; ++i) {
      const std::string topic = random.chance(0.5) ? "a" : "b";
      const auto partition = static_cast<std::int32_t>(random.below(4));  // there is no partition 3
      const Contents expected = without(contents(*store), topic, partition);
      ASSERT_TRUE(store->wipe(topic, partition).ok());
      ASSERT_EQ(contents(*store), expected);
      if (random.chance(0.5)) {
        store.reset();
        store = open(schema, scratch.path());
        ASSERT_EQ(contents(*store), expected);
      }
    }
  }
}

// The wipe of a large partition takes several steps. It is cut off after any of them by cutting the log, as a loss of power
// would; then it is done again.
TEST(StoreWipe, InterruptedItIsDoneAgain) {
  const Schema schema = testing::test_schema(1, 1);
  const std::uint64_t seed = 41;
  SCOPED_TRACE("seed " + std::to_string(seed));
  Random random(seed);
  lacuna::testing::ScratchFolder scratch;
  const std::string live = scratch.path() + "/live", copy = scratch.path() + "/copy";
  const auto log_of = [](const std::string& path) {
    for (const auto& entry : fs::directory_iterator(path + "/rocksdb")) {
      if (entry.path().extension() == ".log") return entry.path();
    }
    throw std::runtime_error("no log");
  };
  Contents before, after;
  std::uintmax_t begun = 0;
  {
    const auto store = open(schema, live);
    fill(*store, schema, random, 20'000);
  }
  {
    const auto store = open(schema, live);  // opening turned the log into tables: the new one holds the wipe alone
    before = contents(*store);
    begun = fs::file_size(log_of(live));
    ASSERT_TRUE(store->wipe("a", 1).ok());
    after = contents(*store);
    ASSERT_EQ(after, without(before, "a", 1));
    ASSERT_GT(before.patients - after.patients, 2500u) << "too few for several steps";
  }
  const std::uintmax_t end = fs::file_size(log_of(live));
  std::set<std::uint64_t> counts;  // of patients left at the cut
  for (int i = 0; i <= 12; ++i) {
    testing::copy_afresh(live, copy);
    fs::resize_file(log_of(copy), begun + (end - begun) * static_cast<std::uintmax_t>(i) / 12);
    const auto store = open(schema, copy);
    const Contents cut = contents(*store);
    ASSERT_EQ(cut.patients, cut.snapshots.size());
    ASSERT_EQ(without(cut, "a", 1), after) << "something else was touched";
    ASSERT_TRUE(cut == before || !cut.positions.contains({"a", 1})) << "patients went before the position";
    counts.insert(cut.patients);
    ASSERT_TRUE(store->wipe("a", 1).ok());
    ASSERT_EQ(contents(*store), after);
  }
  EXPECT_GE(counts.size(), 4u);
  EXPECT_EQ(*counts.begin(), after.patients);
  EXPECT_EQ(*counts.rbegin(), before.patients);
}

std::map<std::string, std::string> files_under(const std::string& path) {
  std::map<std::string, std::string> out;
  for (const auto& entry : fs::recursive_directory_iterator(path)) {
    if (!entry.is_regular_file()) continue;
    std::ifstream in(entry.path(), std::ios::binary);
    out[fs::relative(entry.path(), path).string()] = {std::istreambuf_iterator<char>(in), {}};
  }
  return out;
}

TEST(Quarantine, KeepsEverythingAsideAndTheNextStoreIsEmpty) {
  const Schema schema = testing::test_schema();
  lacuna::testing::ScratchFolder scratch;
  const std::string path = scratch.path() + "/state";
  for (const std::string number : {"1", "2"}) {
    Random random(7);
    {
      const auto store = open(schema, path);
      EXPECT_EQ(contents(*store), Contents{});
      EXPECT_TRUE(store->checkpoint_names()->empty());
      fill(*store, schema, random, 50);
      ASSERT_TRUE(store->put_checkpoint("000001", "weights").ok());
    }
    const auto found = files_under(path);
    const Result<std::string> aside = quarantine(path);
    ASSERT_TRUE(aside.ok()) << aside.status().to_string();
    EXPECT_EQ(*aside, path + ".damaged-" + number);
    EXPECT_FALSE(fs::exists(path));
    EXPECT_EQ(files_under(*aside), found);
  }
  EXPECT_EQ(files_under(path + ".damaged-1").contains("checkpoints/000001"), true) << "the first one is still there";
  EXPECT_EQ(quarantine(path).code(), Code::internal) << "there is nothing to put aside";
}

}  // namespace
}  // namespace lacuna::state
