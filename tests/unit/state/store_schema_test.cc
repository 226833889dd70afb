// Protects: right numbers after the schema has changed. What the store holds is read by name, under whatever schema it is opened.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "state/records/schema_bytes.h"
#include "state/rocksdb_handles.h"
#include "state/store.h"
#include "state/stored_records.h"
#include "tests/unit/state/workload.h"

#include <rocksdb/db.h>

namespace lacuna::state {
namespace {

using ::testing::HasSubstr;
using testing::Random;

class StoreSchema : public ::testing::Test {
 protected:
  StoreOptions options() const {
    StoreOptions out;
    out.path = scratch_.path() + "/state";
    out.memory_bytes_max = 16u << 20;
    return out;
  }
  std::unique_ptr<Store> open(const Schema& schema) {
    auto store = Store::open(schema, options());
    EXPECT_TRUE(store.ok()) << store.status().to_string();
    return std::move(store).value();
  }
  /// One patient with every feature known, an example, and named state.
  void fill(const Schema& schema) {
    StateChange change;
    Random random(1);
    change.snapshots.push_back(testing::random_snapshot(schema, random, 60));
    change.snapshots.back().patient_id = "a";
    before_ = change.snapshots.back();
    change.examples.push_back({before_, before_.last_time, {{0, 1}, {4, 2}}});
    change.positions[{"events", 0}] = {10, 12, {}, {}};
    change.meta["scores"] = "s";
    ASSERT_TRUE(open(schema)->apply(change).ok());
  }
  template <typename Edit>
  void edit(Edit edit) {
    auto handles = open_rocksdb(options().path + "/rocksdb", 16u << 20);
    ASSERT_TRUE(handles.ok());
    edit(**handles);
  }

  lacuna::testing::ScratchFolder scratch_;
  const Schema schema_ = testing::test_schema(2), grown_ = testing::test_schema(3), small_ = testing::test_schema(1);
  Snapshot before_;
};

TEST_F(StoreSchema, AGrownOneReadsByNameAndCountsNothing) {
  fill(schema_);
  auto store = open(grown_);
  const Result<Snapshot> a = store->snapshot("a");
  ASSERT_TRUE(a.ok()) << a.status().to_string();
  for (FeatureId f = 0; f < 6; ++f) EXPECT_EQ(a->features[f / 2 * 3 + f % 2], before_.features[f]) << f;
  EXPECT_EQ(store->draw(1, 7)->at(0).arrived, (std::vector<FeatureValue>{{0, 1}, {6, 2}}));
  const auto scores = store->meta("scores");
  ASSERT_TRUE(scores.ok());
  ASSERT_TRUE(scores->grown) << "written under the schema before";
  EXPECT_EQ(scores->grown->from_feature_count(), 6u);
  EXPECT_EQ(store->dropped(), 0u);

  StateChange change;
  change.snapshots.push_back(*a);
  change.meta["scores"] = "t";
  ASSERT_TRUE(store->apply(change).ok());
  EXPECT_EQ(store->meta("scores")->grown, nullptr) << "and now under the present one";
  store.reset();
  EXPECT_EQ(*open(grown_)->snapshot("a"), *a);
}

TEST_F(StoreSchema, ASmallerOneCountsWhatItDrops) {
  fill(schema_);
  auto store = open(small_);
  const std::vector<std::string> ids{"a"};
  const auto a = store->snapshots(ids);
  ASSERT_TRUE(a.ok());
  std::uint64_t known = 0;
  for (FeatureId f = 1; f < 6; f += 2) known += before_.features[f].count > 0 ? 1 : 0;
  EXPECT_EQ(store->dropped(), known);
  EXPECT_EQ((*a)[0]->features[0], before_.features[0]);
  store.reset();
  EXPECT_EQ(*open(schema_)->snapshot("a"), before_) << "what was not rewritten comes back with its feature";
}

TEST_F(StoreSchema, AnExampleOfWhichNothingIsLeftIsNotDrawn) {
  StateChange change;
  Random random(1);
  change.examples.push_back({testing::random_snapshot(schema_, random, 60), testing::at_minutes(1), {{1, 1}}});
  change.positions[{"events", 0}] = {1, 1, {}, {}};
  ASSERT_TRUE(open(schema_)->apply(change).ok());
  EXPECT_TRUE(open(small_)->draw(5, 1)->empty());
  EXPECT_EQ(open(schema_)->draw(5, 1)->size(), 5u);
}

// A restored patient is an example without arrivals: there is something to learn from what is known.
TEST_F(StoreSchema, ARestoredPatientIsDrawnAsBefore) {
  StateChange change;
  Random random(1);
  change.examples.push_back({testing::random_snapshot(schema_, random, 60), testing::at_minutes(1), {}});
  change.positions[{"events", 0}] = {1, 1, {}, {}};
  ASSERT_TRUE(open(schema_)->apply(change).ok());
  EXPECT_EQ(open(schema_)->draw(5, 1)->size(), 5u);
  EXPECT_EQ(open(grown_)->draw(5, 1)->size(), 5u);
}

TEST_F(StoreSchema, OneThatNothingLeadsToIsRefusedAndTheDataStay) {
  fill(schema_);
  std::vector<Schema::ModalitySpec> specs(1);
  specs[0].modality.name = "m0";
  specs[0].modality.kind = ModalityKind::embedding;
  specs[0].modality.payload.length = 4;
  const Schema other = Schema::make(specs, {}).value();
  const auto refused = Store::open(other, options());
  ASSERT_EQ(refused.code(), Code::unsupported);
  EXPECT_THAT(refused.status().message(), HasSubstr("m0"));
  EXPECT_THAT(refused.status().message(), HasSubstr("another name"));
  EXPECT_EQ(*open(schema_)->snapshot("a"), before_);
}

TEST_F(StoreSchema, AStoreWithoutDataTakesAnySchema) {
  std::vector<Schema::ModalitySpec> specs(1);
  specs[0].modality.name = "m0";
  specs[0].modality.kind = ModalityKind::embedding;
  specs[0].modality.payload.length = 4;
  open(Schema::make(specs, {}).value()).reset();
  open(schema_).reset();
  fill(grown_);
  EXPECT_TRUE(open(schema_)->snapshot("a").ok());
}

TEST_F(StoreSchema, NamedStateAloneIsDataToo) {
  {
    StateChange change;
    change.meta["scores"] = "s";
    ASSERT_TRUE(open(schema_)->apply(change).ok());
  }
  const auto store = open(grown_);
  EXPECT_TRUE(store->meta("scores")->grown);
}

// A store as versions before wrote it: records and the header name no schema, and none lies there.
TEST_F(StoreSchema, OfFormatOneIsOpenedUnderItsSchemaFirst) {
  fill(schema_);
  edit([this](RocksDbHandles& handles) {
    const auto first_version = [](std::string bytes) {
      bytes[1] = 1;
      return bytes;
    };
    // Its fingerprint is the last field of a snapshot without payloads: two bytes of tag, eight of number.
    std::string snapshot = first_version(encode_snapshot(schema_, before_));
    snapshot.resize(snapshot.size() - 10);
    ASSERT_TRUE(decode_snapshot(schema_, snapshot).ok());
    const rocksdb::WriteOptions write;
    ASSERT_TRUE(handles.db->Put(write, handles.snapshots, "a", snapshot).ok());
    ASSERT_TRUE(handles.db->Put(write, handles.meta, "h", first_version(encode_header({schema_.fingerprint(), 1}))).ok());
    ASSERT_TRUE(handles.db->Put(write, handles.meta, "mscores", first_version(encode_named_blob({"scores", "s"}))).ok());
    ASSERT_TRUE(handles.db->DeleteRange(write, handles.meta, "s", "t").ok());
    ASSERT_TRUE(handles.db->DeleteRange(write, handles.replay, "", "\xff").ok());
    ASSERT_TRUE(handles.db->DeleteRange(write, handles.meta, "r", "s").ok());
  });
  const auto refused = Store::open(grown_, options());
  ASSERT_EQ(refused.code(), Code::unsupported);
  EXPECT_THAT(refused.status().message(), HasSubstr("start this version once with the schema"));
  EXPECT_EQ(*open(schema_)->snapshot("a"), before_);
  const auto store = open(grown_);
  EXPECT_EQ(store->snapshot("a")->features[1], before_.features[1]);
  EXPECT_EQ(store->snapshot("a")->features[3], before_.features[2]);
  EXPECT_TRUE(store->meta("scores")->grown);
  EXPECT_TRUE(store->schemas().to_publish().at(schema_.fingerprint()).unnamed);
}

TEST_F(StoreSchema, WhatALogTellsIsKept) {
  fill(grown_);
  const std::string record = encode_schema_record({encode_schema(schema_), false});
  {
    const auto store = open(grown_);
    EXPECT_FALSE(store->schemas().contains(schema_.fingerprint()));
    ASSERT_TRUE(store->learn_schema(record).ok());
    ASSERT_TRUE(store->learn_schema(record).ok()) << "again";
    EXPECT_EQ(store->learn_schema("damaged").code(), Code::corrupt);
  }
  const auto store = open(grown_);
  EXPECT_TRUE(store->schemas().contains(schema_.fingerprint()));
  StateChange change;
  change.meta["scores"] = "another's";
  change.meta_schema = schema_.fingerprint();
  ASSERT_TRUE(store->apply(change).ok());
  EXPECT_TRUE(store->meta("scores")->grown);
}

}  // namespace
}  // namespace lacuna::state
