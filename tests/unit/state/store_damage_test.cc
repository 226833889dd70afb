// Protects: the store after power loss and on a failing disk.
// Fault model: of the write-ahead log, which is not synced per batch, any suffix may be lost, in the middle of a record
// too; of a table file any bytes may change. The first must lead to exactly the state after some whole batch, the second
// to `corrupt` and never to other data.

#include <gtest/gtest.h>

#include <fstream>

#include "tests/unit/state/workload.h"

namespace lacuna::state {
namespace {

namespace fs = std::filesystem;
using testing::Contents;
using testing::contents;
using testing::Random;
using testing::Workload;

StoreOptions options(const std::string& path) {
  StoreOptions out;
  out.path = path;
  out.memory_bytes_max = 16u << 20;
  out.replay_capacity = 80;
  out.replay_strata_max = 6;
  return out;
}

std::vector<fs::path> files_with(const std::string& folder, const std::string& extension) {
  std::vector<fs::path> out;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == extension) out.push_back(entry.path());
  }
  std::sort(out.begin(), out.end());
  return out;
}

TEST(StoreDamage, ALostEndOfTheLogGivesTheStateAfterAWholeBatch) {
  const Schema schema = testing::test_schema();
  testing::ScratchFolder scratch;
  const std::string live = scratch.path() + "/live";
  constexpr int kBatches = 40;
  std::vector<Contents> after;  // [n]: after n batches
  {
    auto store = Store::open(schema, options(live));
    ASSERT_TRUE(store.ok());
    Workload work(schema, 11, 30, 12);
    after.push_back(contents(**store));
    for (int i = 0; i < kBatches; ++i) {
      ASSERT_TRUE((*store)->apply(work.next()).ok());
      after.push_back(contents(**store));
    }
  }
  const auto logs = files_with(live + "/rocksdb", ".log");
  ASSERT_FALSE(logs.empty());
  const auto size = fs::file_size(logs.back());
  ASSERT_GT(size, 50'000u) << "the batches are not in the log: the test would cut nothing";

  const std::uint64_t seed = 31;
  SCOPED_TRACE("seed " + std::to_string(seed));
  Random random(seed);
  std::size_t intermediate = 0;
  for (int i = 0; i < 25; ++i) {
    const std::string copy = scratch.path() + "/copy";
    fs::remove_all(copy);
    fs::copy(live, copy, fs::copy_options::recursive);
    fs::resize_file(copy / fs::relative(logs.back(), live), random.below(size + 1));
    auto store = Store::open(schema, options(copy));
    ASSERT_TRUE(store.ok()) << store.status().to_string();
    const Contents found = contents(**store);
    const auto it = std::find(after.begin(), after.end(), found);
    ASSERT_NE(it, after.end()) << "the state is of no single batch";
    if (it != after.begin() && it != after.end() - 1) ++intermediate;
  }
  EXPECT_GT(intermediate, 10u);
}

TEST(StoreDamage, ChangedTablesAreCorruptAndNeverOtherData) {
  const Schema schema = testing::test_schema();
  testing::ScratchFolder scratch;
  const std::string live = scratch.path() + "/live";
  Contents expected;
  {
    auto store = Store::open(schema, options(live));
    ASSERT_TRUE(store.ok());
    Workload work(schema, 12, 200, 50);
    for (int i = 0; i < 30; ++i) ASSERT_TRUE((*store)->apply(work.next()).ok());
    expected = contents(**store);
  }
  { ASSERT_TRUE(Store::open(schema, options(live)).ok()); }  // opening turns the log into tables
  const auto tables = files_with(live + "/rocksdb", ".sst");
  ASSERT_GE(tables.size(), 3u);

  const std::uint64_t seed = 32;
  SCOPED_TRACE("seed " + std::to_string(seed));
  Random random(seed);
  int noticed = 0;
  for (int i = 0; i < 20; ++i) {
    const std::string copy = scratch.path() + "/copy";
    fs::remove_all(copy);
    fs::copy(live, copy, fs::copy_options::recursive);
    const fs::path table = copy / fs::relative(tables[random.below(tables.size())], live);
    {
      std::fstream file(table, std::ios::binary | std::ios::in | std::ios::out);
      file.seekp(static_cast<std::streamoff>(random.below(fs::file_size(table) - 16)));
      file << "sixteen bytes!!!";
    }
    auto store = Store::open(schema, options(copy));
    if (!store.ok()) {
      EXPECT_EQ(store.code(), Code::corrupt) << store.status().to_string();
      ++noticed;
      continue;
    }
    Status status = (*store)->for_each_snapshot([](const Snapshot&) {});
    if (status.ok()) status = (*store)->draw(400, 99).status();
    if (status.ok()) status = (*store)->positions().status();
    if (status.ok()) {
      EXPECT_EQ(contents(**store), expected);  // what was hit is not in use
    } else {
      EXPECT_EQ(status.code(), Code::corrupt) << status.to_string();
      ++noticed;
    }
  }
  EXPECT_GT(noticed, 10);
}

}  // namespace
}  // namespace lacuna::state
