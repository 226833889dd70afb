#include "state/schema_book.h"

#include <gtest/gtest.h>

#include "state/records/schema_bytes.h"
#include "state/store.h"
#include "state/stored_records.h"
#include "tests/unit/state/workload.h"

namespace lacuna::state {
namespace {

TEST(SchemaBook, KnowsThePresentOneAndWhatWasAdded) {
  const Schema before = testing::test_schema(2), now = testing::test_schema(3);
  SchemaBook book(now);
  EXPECT_EQ(book.find(now.fingerprint())->grown, nullptr);
  EXPECT_EQ(book.find(before.fingerprint()).code(), Code::not_found);
  ASSERT_TRUE(book.add({encode_schema(before), false}).ok());
  const auto known = book.find(before.fingerprint());
  ASSERT_TRUE(known.ok());
  EXPECT_EQ(known->schema->feature_count(), 6u);
  ASSERT_TRUE(known->grown);
  EXPECT_EQ(known->grown->from_feature_count(), 6u);
  EXPECT_EQ(book.add({"", false}).code(), Code::corrupt);
}

TEST(SchemaBook, WhatNamesNoSchemaIsOfTheOneToldFirst) {
  const Schema before = testing::test_schema(2), now = testing::test_schema(3);
  SchemaBook book(now);
  EXPECT_EQ(book.find(0).code(), Code::not_found);
  ASSERT_TRUE(book.add({encode_schema(before), true}).ok());
  ASSERT_TRUE(book.add({encode_schema(now), true}).ok());
  EXPECT_EQ(book.unnamed(), before.fingerprint());
  EXPECT_EQ(book.find(0)->schema->fingerprint(), before.fingerprint());
  const auto told = book.to_publish();
  ASSERT_EQ(told.size(), 2u);
  EXPECT_TRUE(told.at(before.fingerprint()).unnamed);
  EXPECT_FALSE(told.at(now.fingerprint()).unnamed);
}

TEST(SchemaBook, RefusesWhatNothingLeadsFrom) {
  std::vector<Schema::ModalitySpec> specs(1);
  specs[0].modality.name = "m0";
  specs[0].modality.kind = ModalityKind::embedding;
  specs[0].modality.payload.length = 4;
  const Schema other = Schema::make(specs, {}).value();
  SchemaBook book(testing::test_schema());
  EXPECT_EQ(book.add({encode_schema(other), false}).code(), Code::unsupported);
  EXPECT_FALSE(book.contains(other.fingerprint()));
}

// Protects: right numbers under a grown schema. A record is read by the names of the schema it was written under, whatever is the present
// one.
TEST(SchemaBook, RecordsAreReadByName) {
  const Schema before = testing::test_schema(2), now = testing::test_schema(3);
  testing::Random random(3);
  const Snapshot there = testing::random_snapshot(before, random, 40);
  const std::string bytes = encode_snapshot(before, there);
  SchemaBook book(now);
  EXPECT_EQ(decode_snapshot(now, bytes).code(), Code::unsupported);
  EXPECT_EQ(decode_snapshot(book, bytes).code(), Code::not_found);
  ASSERT_TRUE(book.add({encode_schema(before), false}).ok());
  std::uint64_t dropped = 0;
  const Result<Snapshot> here = decode_snapshot(book, bytes, &dropped);
  ASSERT_TRUE(here.ok()) << here.status().to_string();
  EXPECT_EQ(dropped, 0u);
  ASSERT_EQ(here->features.size(), 9u);
  for (FeatureId f = 0; f < 6; ++f) EXPECT_EQ(here->features[f / 2 * 3 + f % 2], there.features[f]) << f;
  for (FeatureId f = 2; f < 9; f += 3) EXPECT_EQ(here->features[f].count, 0u);

  const Example example{there, testing::at_minutes(9), {{1, 12.5}, {4, 3}}};
  const Result<Example> learned = decode_example(book, encode_example(before, example));
  ASSERT_TRUE(learned.ok());
  EXPECT_EQ(learned->arrived, (std::vector<FeatureValue>{{1, 12.5}, {6, 3}}));
}

}  // namespace
}  // namespace lacuna::state
