// Protects: the store on a full disk. What does not fit is refused whole as `unavailable`, what was there stays and is read,
// and once there is room the same call succeeds; a crash meanwhile changes nothing.
// Method: a real file system of a few MiB, in a mount namespace of this process's own, filled up by a file to within a random
// number of bytes, so that now a log, now a table, now the list of files is what does not fit. A second store with room
// enough says what the first must hold. Skipped where the system does not let us mount.

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "tests/support/small_disk.h"
#include "tests/unit/state/workload.h"

namespace lacuna::state {
namespace {

namespace fs = std::filesystem;
using lacuna::testing::Ballast;
using lacuna::testing::mount_small_disk;
using testing::Contents;
using testing::contents;
using testing::Random;
using testing::Workload;

constexpr std::uintmax_t kDiskBytes = 24u << 20;

StoreOptions options(const std::string& path) {
  StoreOptions out;
  out.path = path;
  out.memory_bytes_max = 8u << 20;
  out.replay_capacity = 200;
  return out;
}

std::unique_ptr<Store> open(const Schema& schema, const std::string& path) {
  Result<std::unique_ptr<Store>> opened = Store::open(schema, options(path));
  if (!opened.ok()) throw std::runtime_error(opened.status().to_string());
  return std::move(opened).value();
}

TEST(FullDisk, ABatchIsRefusedWholeAndAppliedWhenThereIsRoom) {
  lacuna::testing::ScratchFolder scratch;
  const std::string disk = scratch.path() + "/disk";
  if (const std::string why = mount_small_disk(disk, kDiskBytes); !why.empty()) GTEST_SKIP() << why;
  const Schema schema = testing::test_schema();
  const std::uint64_t seed = 51;
  SCOPED_TRACE("seed " + std::to_string(seed));
  Random random(seed);
  Workload work(schema, seed, 150, 60);
  const Ballast ballast(disk + "/ballast");
  auto store = open(schema, disk + "/state");
  auto roomy = open(schema, scratch.path() + "/roomy");
  ASSERT_TRUE(store->put_checkpoint("model", "old").ok());

  for (int round = 0; round < 8; ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    StateChange change = work.next();
    Status status;
    int refused = 0;
    bool made_room = false;
    // Trying again may make room itself: it writes a table and frees a log. Then the disk is filled up further.
    for (int i = 0; i < 500 && refused < 3; ++i) {
      if (i == 0 || made_room) ballast.leave(random.below(600u << 10));
      status = store->apply(change);
      made_room = status.ok() && refused > 0;
      if (status.ok()) {
        ASSERT_TRUE(roomy->apply(change).ok());
        change = work.next();
        refused = 0;
      } else {
        ASSERT_EQ(status.code(), Code::unavailable) << status.to_string();
        ++refused;
      }
    }
    ASSERT_EQ(refused, 3) << "the disk does not get full";
    const Contents expected = contents(*roomy);
    ASSERT_EQ(contents(*store), expected);
    const std::string model(ballast.available() + (1u << 20), 'm');
    ASSERT_EQ(store->put_checkpoint("model", model).code(), Code::unavailable);
    ASSERT_EQ(*store->checkpoint("model"), "old");
    const Status synced = store->sync();  // which tries whether there is room, and may make it
    ASSERT_TRUE(synced.ok() || synced.code() == Code::unavailable) << synced.to_string();
    ASSERT_EQ(contents(*store), expected);

    // What a crash at this moment would leave.
    testing::copy_at_once(disk + "/state", scratch.path() + "/crashed");
    ASSERT_EQ(contents(*open(schema, scratch.path() + "/crashed")), expected);
    fs::remove_all(scratch.path() + "/crashed");
    const bool restart = random.chance(0.5);
    if (restart) {
      store.reset();
      if (random.chance(0.5)) {  // tried in vain first; there may be just enough room to open
        const auto opened = Store::open(schema, options(disk + "/state"));
        ASSERT_TRUE(opened.ok() || opened.code() == Code::unavailable) << opened.status().to_string();
      }
    }

    ballast.remove();
    if (restart) store = open(schema, disk + "/state");
    ASSERT_EQ(contents(*store), expected);
    std::atomic<bool> stop = false;
    std::string problem;  // the reader's until it is joined
    std::thread reader([&] {
      for (std::uint64_t n = 0; problem.empty() && (n == 0 || !stop); ++n) {
        const Result<Snapshot> snapshot = store->snapshot("patient-0");
        const auto drawn = store->draw(20, n);
        if (!snapshot.ok()) problem = snapshot.status().to_string();
        if (!drawn.ok()) problem = drawn.status().to_string();
      }
    });
    status = store->apply(change);
    stop = true;
    reader.join();
    ASSERT_TRUE(status.ok()) << status.to_string();
    ASSERT_EQ(problem, "") << "reading while the database is opened again";
    ASSERT_TRUE(roomy->apply(change).ok());
    ASSERT_TRUE(store->put_checkpoint("model", model).ok());
    ASSERT_EQ(*store->checkpoint("model"), model);
    ASSERT_TRUE(store->put_checkpoint("model", "old").ok());
    ASSERT_EQ(contents(*store), contents(*roomy));
  }
  store.reset();
  EXPECT_EQ(contents(*open(schema, disk + "/state")), contents(*roomy));
}

}  // namespace
}  // namespace lacuna::state
