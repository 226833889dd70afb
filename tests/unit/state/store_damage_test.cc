// Protects: the store after power loss and on a failing disk.
// Fault model: of the write-ahead log, which is not synced per batch, any suffix may be lost, in the middle of a record
// too; of any file a bit may flip; the list of files may lose its end; a file may be gone. The first must lead to exactly the
// state after some whole batch, the others to that or to `corrupt`, and never to other data.

#include <gtest/gtest.h>
#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <fstream>
#include <functional>

#include "state/rocksdb_handles.h"
#include "tests/unit/state/workload.h"

namespace lacuna::state {
namespace {

namespace fs = std::filesystem;
using testing::Contents;
using testing::contents;
using testing::copy_afresh;
using testing::copy_at_once;
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

/// What a store answers, or why it does not: damage shows when it is opened, or when what was hit is read.
Result<Contents> contents_of(const Schema& schema, const StoreOptions& o) {
  auto store = Store::open(schema, o);
  if (!store.ok()) return store.status();
  LACUNA_RETURN_IF_ERROR((*store)->for_each_snapshot([](const Snapshot&) {}));
  LACUNA_RETURN_IF_ERROR((*store)->positions().status());
  LACUNA_RETURN_IF_ERROR((*store)->meta("scores").status());
  LACUNA_RETURN_IF_ERROR((*store)->draw(400, 99).status());
  return contents(**store);
}

TEST(StoreDamage, ALostEndOfTheLogGivesTheStateAfterAWholeBatch) {
  const Schema schema = testing::test_schema();
  lacuna::testing::ScratchFolder scratch;
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
    copy_afresh(live, copy);
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

// A store as a crash leaves it, with tables, several logs, and batches that are in both.
class CrashedStore {
 public:
  /// Applies batches until done(files of the database); afterwards `more` more.
  CrashedStore(const Schema& schema, const std::function<bool(const fs::path& database)>& done, int more) {
    const std::string live = scratch_.path() + "/live";
    const auto store = Store::open(schema, small(live));
    if (!store.ok()) throw std::runtime_error(store.status().to_string());
    Workload work(schema, 13, 400, 100);
    while (!done(live + "/rocksdb")) apply(**store, work);
    states_.push_back(contents(**store));
    for (int i = 0; i < more; ++i) {
      apply(**store, work);
      states_.push_back(contents(**store));
    }
    copy_at_once(live, path());
  }
  /// Small memory, so that tables are written early.
  static StoreOptions small(const std::string& path) {
    StoreOptions o = options(path);
    o.memory_bytes_max = 8u << 20;
    return o;
  }
  std::string path() const { return scratch_.path() + "/crashed"; }
  std::string copy() const {
    copy_afresh(path(), scratch_.path() + "/copy");
    return scratch_.path() + "/copy";
  }
  std::vector<fs::path> files() const {
    std::vector<fs::path> out;
    for (const auto& entry : fs::directory_iterator(path() + "/rocksdb")) {
      if (entry.file_size() > 0) out.push_back(entry.path().filename());
    }
    std::sort(out.begin(), out.end());
    return out;
  }
  const Contents& last() const { return states_.back(); }
  bool had(const Contents& state) const {
    return state.positions.empty() ? state == Contents{} : std::find(states_.begin(), states_.end(), state) != states_.end();
  }

 private:
  static void apply(Store& store, Workload& work) {
    const Status status = store.apply(work.next());
    if (!status.ok()) throw std::runtime_error(status.to_string());
  }
  lacuna::testing::ScratchFolder scratch_;
  std::vector<Contents> states_;
};

std::string slurp(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
void spill(const std::string& path, const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; }

TEST(StoreDamage, AFlippedBitAnywhereIsCorruptOrLeavesTheStateOfAWholeBatch) {
  const Schema schema = testing::test_schema();
  // All states since the first batch are known.
  const CrashedStore crashed(
      schema, [n = 0](const fs::path&) mutable { return n++ > 0; }, 60);
  const std::vector<fs::path> files = crashed.files();
  const std::uint64_t seed = 33;
  SCOPED_TRACE("seed " + std::to_string(seed));
  Random random(seed);
  std::map<std::string, int> noticed;
  for (int i = 0; i < 250; ++i) {
    const std::string copy = crashed.copy();
    const fs::path hit = files[random.below(files.size())];
    const std::string path = copy + "/rocksdb/" + hit.string();
    std::string bytes = slurp(path);
    const std::uint64_t bit = random.below(bytes.size() * 8);
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
    spill(path, bytes);
    SCOPED_TRACE(hit.string() + ", bit " + std::to_string(bit));
    const Result<Contents> found = contents_of(schema, CrashedStore::small(copy));
    if (!found.ok()) {
      ASSERT_EQ(found.code(), Code::corrupt) << found.status().to_string();
      noticed[hit.has_extension() ? hit.extension().string() : hit.string().substr(0, 7)] += 1;
    } else if (*found != crashed.last()) {
      // The newest log may end where it is damaged: it is as if it had not been written further.
      ASSERT_TRUE(crashed.had(*found)) << "the state is of no single batch";
      ASSERT_TRUE(hit.extension() == ".log" || (hit.string().starts_with("MANIFEST") && found->positions.empty()));
    }
  }
  for (const char* kind : {".sst", ".log", "MANIFES", "CURRENT"}) EXPECT_GT(noticed[kind], 5) << kind;
}

// Logs are written out by the kernel in any order: an older one could have lost its end when a newer one is whole. Cut between
// two records it shows no damage by itself. So it must have been synced, and be known to have been, before the newer one
// is begun, also while no table holds yet what is in it.
TEST(StoreDamage, ALogIsSyncedBeforeTheNextOneIsBegun) {
  lacuna::testing::ScratchFolder scratch;
  const std::string live = scratch.path() + "/live", copy = scratch.path() + "/copy";
  const auto logs = [&] { return files_with(live, ".log"); };
  std::vector<std::uintmax_t> ends{0};  // of the first log, after each batch
  {
    const auto handles = open_rocksdb(live, kMemoryBytesMin);
    ASSERT_TRUE(handles.ok());
    rocksdb::DB& db = *(*handles)->db;
    ASSERT_TRUE(db.PauseBackgroundWork().ok());
    for (int more = 3; more > 0; more -= logs().size() > 1 ? 1 : 0) {
      rocksdb::WriteBatch batch;
      batch.Put((*handles)->snapshots, "key", std::string(20'000, 'x'));
      ASSERT_TRUE(write_batch(**handles, batch, "a test").ok());
      if (logs().size() == 1) ends.push_back(fs::file_size(logs().front()));
    }
    fs::copy(live, scratch.path() + "/crashed", fs::copy_options::recursive);
    ASSERT_TRUE(db.ContinueBackgroundWork().ok());
  }
  ASSERT_EQ(files_with(scratch.path() + "/crashed", ".log").size(), 2u);
  ASSERT_GT(ends.size(), 5u);
  for (std::size_t kept = 0; kept + 1 < ends.size(); ++kept) {
    copy_afresh(scratch.path() + "/crashed", copy);
    fs::resize_file(files_with(copy, ".log").front(), ends[kept]);
    const auto handles = open_rocksdb(copy, kMemoryBytesMin);
    EXPECT_EQ(handles.code(), Code::corrupt) << kept << " batches kept: " << handles.status().to_string();
  }
}

// RocksDB takes a list that breaks off for one whose end was not yet written. By then the logs that held the same data may be
// gone, and newer ones be applied to older tables: states that never were.
TEST(StoreDamage, AListOfFilesThatLostItsEndIsCorrupt) {
  const Schema schema = testing::test_schema();
  std::size_t logs = 0;
  const auto logs_were_freed = [&logs](const fs::path& database) {
    const std::size_t before = logs;
    logs = files_with(database.string(), ".log").size();
    return logs + 3 < before;
  };
  const CrashedStore crashed(schema, logs_were_freed, 3);
  const std::vector<fs::path> files = crashed.files();
  const auto manifest = std::find_if(files.begin(), files.end(), [](const fs::path& f) { return f.string().starts_with("MANIFEST"); });
  ASSERT_NE(manifest, files.end());
  const std::string bytes = slurp(crashed.path() + "/rocksdb/" + manifest->string());
  // Records: checksum (4), length (2), type (1), content; all within the first block of 32 KiB here.
  std::vector<std::size_t> records;
  for (std::size_t at = 0; at < bytes.size();) {
    records.push_back(at);
    at += 7 + static_cast<std::size_t>(static_cast<unsigned char>(bytes[at + 4]) | static_cast<unsigned char>(bytes[at + 5]) << 8);
  }
  ASSERT_LT(bytes.size(), 32u << 10);
  ASSERT_GT(records.size(), 12u);
  for (std::size_t r = records.size() - 12; r < records.size(); ++r) {
    std::string longer = bytes;
    longer[records[r] + 5] ^= 0x40;
    for (const std::string& damaged : {longer, bytes.substr(0, records[r] + 9)}) {
      SCOPED_TRACE("record " + std::to_string(r) + " of " + std::to_string(records.size()));
      const std::string copy = crashed.copy();
      spill(copy + "/rocksdb/" + manifest->string(), damaged);
      const Result<Contents> found = contents_of(schema, CrashedStore::small(copy));
      if (found.ok()) EXPECT_EQ(*found, crashed.last());
      else EXPECT_EQ(found.code(), Code::corrupt) << found.status().to_string();
    }
  }
}

TEST(StoreDamage, AMissingFileIsCorruptOrLeavesTheStateOfAWholeBatch) {
  const Schema schema = testing::test_schema();
  const CrashedStore crashed(
      schema, [n = 0](const fs::path&) mutable { return n++ > 0; }, 60);
  int noticed = 0;
  for (const fs::path& file : crashed.files()) {
    SCOPED_TRACE(file.string());
    const std::string copy = crashed.copy();
    fs::remove(copy + "/rocksdb/" + file.string());
    const Result<Contents> found = contents_of(schema, CrashedStore::small(copy));
    if (found.ok()) {
      EXPECT_TRUE(crashed.had(*found)) << "the state is of no single batch";
    } else {
      EXPECT_EQ(found.code(), Code::corrupt) << found.status().to_string();
      ++noticed;
    }
  }
  EXPECT_GT(noticed, 3);
}

}  // namespace
}  // namespace lacuna::state
