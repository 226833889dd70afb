// Protects: named state that is written by difference comes back whole, in one step with its batch, and what an earlier build wrote whole
// gives way to it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <rocksdb/db.h>

#include "state/rocksdb_handles.h"
#include "state/store.h"
#include "tests/unit/state/workload.h"

namespace lacuna::state {
namespace {

using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

Piece piece(std::string text) { return std::make_shared<const std::string>(std::move(text)); }

class StoreParts : public ::testing::Test {
 protected:
  StoreOptions options() const {
    StoreOptions out;
    out.path = scratch_.path() + "/state";
    out.memory_bytes_max = 16u << 20;
    return out;
  }
  std::unique_ptr<Store> open() {
    auto store = Store::open(schema_, options());
    EXPECT_TRUE(store.ok()) << store.status().to_string();
    return std::move(store).value();
  }
  static void apply(Store& store, const std::string& name, PartChange part) {
    StateChange change;
    change.parts[name] = std::move(part);
    ASSERT_TRUE(store.apply(change).ok());
  }
  static std::map<std::uint64_t, std::string> rows(const Store& store, const std::string& name) {
    std::map<std::uint64_t, std::string> out;
    const Status read = store.for_each_row(name, [&out](std::uint64_t key, std::string_view bytes) -> Status {
      out.emplace(key, bytes);
      return {};
    });
    EXPECT_TRUE(read.ok()) << read.to_string();
    return out;
  }

  lacuna::testing::ScratchFolder scratch_;
  const Schema schema_ = testing::test_schema(2);
};

TEST_F(StoreParts, ComeBackWholeAfterDifferences) {
  {
    const auto store = open();
    EXPECT_EQ(store->meta("monitor").code(), Code::not_found);
    apply(*store, "monitor", {true, 3, {{0, piece("a")}, {1, piece("b")}, {2, piece("c")}}, {{7, "x"}, {1ULL << 63, "y"}}});
    apply(*store, "monitor2", {true, 1, {{0, piece("other")}}, {{7, "z"}}});
    EXPECT_EQ(store->meta("monitor")->content, "abc");
    apply(*store, "monitor", {false, {}, {{1, piece("B")}}, {{7, std::nullopt}, {8, "w"}}});
    apply(*store, "monitor", {false, 4, {{3, piece("")}}, {}});
    apply(*store, "monitor", {false, 2, {}, {}});
  }
  const auto store = open();
  const auto meta = store->meta("monitor");
  ASSERT_TRUE(meta.ok()) << meta.status().to_string();
  EXPECT_EQ(meta->content, "aB");
  EXPECT_EQ(meta->pieces.size(), 2u);
  EXPECT_EQ(meta->grown, nullptr);
  EXPECT_THAT(rows(*store, "monitor"), UnorderedElementsAre(Pair(8, "w"), Pair(1ULL << 63, "y")));
  EXPECT_THAT(rows(*store, "monitor2"), UnorderedElementsAre(Pair(7, "z")));
  EXPECT_THAT(rows(*store, "mon"), IsEmpty());
  EXPECT_EQ(store->meta("monitor2")->content, "other");
}

TEST_F(StoreParts, AnewLeavesNothingOfBefore) {
  const auto store = open();
  apply(*store, "monitor", {true, 3, {{0, piece("a")}, {1, piece("b")}, {2, piece("c")}}, {{7, "x"}}});
  apply(*store, "monitor", {true, 1, {{0, piece("n")}}, {{9, "y"}}});
  EXPECT_EQ(store->meta("monitor")->content, "n");
  EXPECT_THAT(rows(*store, "monitor"), UnorderedElementsAre(Pair(9, "y")));
}

// As an earlier build, or one that adopts a published model, writes it.
TEST_F(StoreParts, AWholeTakesThePlaceOfPiecesAndBack) {
  const auto store = open();
  apply(*store, "scores", {true, 2, {{0, piece("a")}, {1, piece("b")}}, {}});
  StateChange whole;
  whole.meta["scores"] = "whole";
  ASSERT_TRUE(store->apply(whole).ok());
  EXPECT_EQ(store->meta("scores")->content, "whole");
  EXPECT_THAT(store->meta("scores")->pieces, IsEmpty());
  apply(*store, "scores", {true, 1, {{0, piece("p")}}, {}});
  EXPECT_EQ(store->meta("scores")->content, "p");
}

TEST_F(StoreParts, AMissingPieceIsDamage) {
  {
    const auto store = open();
    apply(*store, "scores", {true, 3, {{0, piece("a")}, {1, piece("b")}, {2, piece("c")}}, {}});
  }
  {
    auto handles = open_rocksdb(options().path + "/rocksdb", 16u << 20);
    ASSERT_TRUE(handles.ok());
    const std::string key("nscores\0\0\0\0\1", 12);
    std::string there;
    ASSERT_TRUE((*handles)->db->Get(rocksdb::ReadOptions(), (*handles)->meta, key, &there).ok()) << "the key that docs/formats.md tells";
    ASSERT_TRUE((*handles)->db->Delete(rocksdb::WriteOptions(), (*handles)->meta, key).ok());
  }
  EXPECT_EQ(open()->meta("scores").code(), Code::corrupt);
}

TEST_F(StoreParts, CountsWhatItWrites) {
  const auto store = open();
  const std::uint64_t before = store->written();
  apply(*store, "scores", {true, 1, {{0, piece(std::string(1000, 'a'))}}, {}});
  const std::uint64_t first = store->written() - before;
  EXPECT_GT(first, 1000u);
  EXPECT_LT(first, 1300u);
}

}  // namespace
}  // namespace lacuna::state
