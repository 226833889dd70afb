#include "state/store_inspection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "state/store.h"
#include "tests/unit/state/workload.h"

namespace lacuna::state {
namespace {

using ::testing::HasSubstr;
using testing::open_store;
using testing::Random;
using testing::store_options;

TEST(StoreInspection, IsReadBesideWhoeverHasItOpen) {
  const Schema schema = testing::test_schema();
  lacuna::testing::ScratchFolder scratch;
  const std::string path = scratch.path() + "/state";
  EXPECT_EQ(read_snapshot(schema, path, "a").code(), Code::not_found);
  EXPECT_FALSE(std::filesystem::exists(path)) << "reading makes nothing";
  auto store = open_store(schema, store_options(path));
  Random random(1);
  StateChange change;
  change.snapshots.push_back(testing::random_snapshot(schema, random, 20));
  change.snapshots.back().patient_id = "a";
  ASSERT_TRUE(store->apply(change).ok());
  EXPECT_EQ(read_snapshot(schema, path, "a").value(), change.snapshots.front()) << "what is in the log only, too";
  EXPECT_EQ(read_snapshot(schema, path, "b").code(), Code::not_found);
  ASSERT_TRUE(store->apply(change).ok()) << "the owner goes on";
  store.reset();
  EXPECT_EQ(read_snapshot(schema, path, "a").value(), change.snapshots.front()) << "and when nobody has it open";
}

TEST(StoreInspection, EveryPatientIsReadBesideWhoeverHasItOpen) {
  const Schema schema = testing::test_schema();
  lacuna::testing::ScratchFolder scratch;
  const std::string path = scratch.path() + "/state";
  std::vector<Snapshot> read;
  const auto take = [&read](Snapshot s) {
    read.push_back(std::move(s));
    return Status();
  };
  EXPECT_EQ(read_snapshots(schema, path, take).code(), Code::not_found);
  auto store = open_store(schema, store_options(path));
  Random random(1);
  StateChange change;
  for (const char* id : {"a", "b", "c"}) {
    change.snapshots.push_back(testing::random_snapshot(schema, random, 20));
    change.snapshots.back().patient_id = id;
  }
  ASSERT_TRUE(store->apply(change).ok());
  ASSERT_TRUE(read_snapshots(schema, path, take).ok());
  EXPECT_EQ(read, change.snapshots);
  int seen = 0;
  const auto stops = [&seen](Snapshot) { return ++seen == 2 ? Status(Code::unavailable, "enough") : Status(); };
  EXPECT_EQ(read_snapshots(schema, path, stops).code(), Code::unavailable);
  EXPECT_EQ(seen, 2);
}

// Protects: whoever is about to change the schema. What would happen is said beforehand, and nothing is written.
TEST(StoreInspection, SaysWhatASchemaWouldChange) {
  const Schema schema = testing::test_schema(), grown = testing::test_schema(4);
  lacuna::testing::ScratchFolder scratch;
  const std::string path = scratch.path() + "/state";
  EXPECT_EQ(read_growth(grown, path).code(), Code::not_found);
  {
    auto store = open_store(schema, store_options(path));
    EXPECT_EQ(read_growth(grown, path).code(), Code::not_found) << "nothing is in it";
    Random random(1);
    StateChange change;
    change.snapshots.push_back(testing::random_snapshot(schema, random, 20));
    ASSERT_TRUE(store->apply(change).ok());
    const auto growth = read_growth(grown, path);
    ASSERT_TRUE(growth.ok()) << growth.status().to_string();
    EXPECT_EQ(growth->patients, 1u);
    ASSERT_EQ(growth->changes.size(), 3u) << "one feature more in each modality";
    for (const SchemaChange& c : growth->changes) EXPECT_EQ(c.effect, SchemaChange::Effect::begins) << c.subject;
    EXPECT_TRUE(read_growth(schema, path)->changes.empty());
  }
  const auto refused = read_growth(testing::payload_schema(), path);
  ASSERT_TRUE(refused.ok()) << "other names: all is dropped, nothing refused";
  EXPECT_TRUE(Store::open(schema, store_options(path)).ok());
}

}  // namespace
}  // namespace lacuna::state
