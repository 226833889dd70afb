// Protects: the embedded log on a full disk. A step is in it whole or not at all, also where the writer could not tell; whoever joins waits
// for room with `unavailable`, and goes on from what is committed. What was there is never lost.
// Method: a real file system of a few MiB, filled up to within a random number of bytes. Each step reads one record, writes one that says
// which step it was, and moves the position by one: so what is written must be the numbers up to the position, each once.

#include <gtest/gtest.h>

#include <random>

#include "state/records/hash.h"
#include "streaming/log/event_log.h"
#include "tests/support/scratch_folder.h"
#include "tests/support/small_disk.h"

namespace lacuna::streaming {
namespace {

using lacuna::testing::Ballast;
using lacuna::testing::mount_small_disk;

constexpr std::size_t kRecordBytes = 50'000;

class EmbeddedFullDisk : public ::testing::Test {
 protected:
  Status append(int records) {
    auto appender = factory_->appender();
    for (int i = 0; i < records; ++i) {
      if (const Status s = (*appender)->append({"in", 0, "k", "i", {}}); !s.ok()) return s;
    }
    return (*appender)->flush();
  }
  std::unique_ptr<EventLog> join(Status& why) {
    auto opened = factory_->open("group", "member");
    why = opened.status();
    if (!opened.ok()) return nullptr;
    EXPECT_TRUE((*opened)->subscribe({"in"}, {}).ok());
    return std::move(*opened);
  }
  /// One step; `internal` where its outcome is not known.
  Status step(EventLog& log) {
    const auto records = log.poll(1, Millis(0));
    if (!records.ok()) return records.status();
    if (records->empty()) return {Code::not_found, "nothing is left to read"};
    const std::int64_t next = records->front().position.offset + 1;
    Transaction transaction;
    std::string value = std::to_string(next) + " ";
    // Nothing that packs well: tables would take the room of many more steps.
    for (auto number = static_cast<std::uint64_t>(next); value.size() < kRecordBytes;) value += std::to_string(number = mix64(number));
    transaction.outputs.push_back({"out", 0, "k", value, {}});
    transaction.next_offsets[{"in", 0}] = next;
    transaction.changelog_topic = "out";
    return log.commit(std::move(transaction)).status();
  }
  std::int64_t committed(EventLog& log) { return log.committed({"in", 0}, Millis(0))->next_offset; }
  /// The numbers of the steps, as any reader has them.
  std::vector<std::int64_t> written() {
    auto reader = factory_->reader();
    std::vector<std::int64_t> out;
    for (std::int64_t from = 0;;) {
      const auto records = (*reader)->read({"out", 0}, from, 100, Millis(0));
      EXPECT_TRUE(records.ok()) << records.status().to_string();
      if (!records.ok() || records->empty()) return out;
      for (const Record& r : *records) out.push_back(std::stoll(*r.value));
      from = records->back().position.offset + 1;
    }
  }
  void expect_each_step_once(std::int64_t until) {
    const auto steps = written();
    ASSERT_EQ(steps.size(), static_cast<std::size_t>(until));
    for (std::size_t i = 0; i < steps.size(); ++i) ASSERT_EQ(steps[i], static_cast<std::int64_t>(i + 1));
  }

  std::unique_ptr<LogFactory> factory_;
};

TEST_F(EmbeddedFullDisk, StepsAreWholeAndGoOnOnceThereIsRoom) {
  lacuna::testing::ScratchFolder scratch;
  const std::string disk = scratch.path() + "/disk";
  if (const std::string why = mount_small_disk(disk, 128u << 20); !why.empty()) GTEST_SKIP() << why;
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const Ballast ballast(disk + "/ballast");
  auto made = make_embedded_log({.path = disk + "/log", .default_partitions = 1});
  ASSERT_TRUE(made.ok()) << made.status().to_string();
  factory_ = std::move(*made);
  ASSERT_TRUE(factory_->ensure_topics({{"in", 1, {}}, {"out", 1, {}}}).ok());
  ASSERT_TRUE(append(30'000).ok());
  Status why;
  auto log = join(why);
  ASSERT_TRUE(log) << why.to_string();

  for (int round = 0; round < 4; ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    ballast.leave(random() % (3u << 20));
    Status outcome;
    std::int64_t known = committed(*log);
    while ((outcome = step(*log)).ok()) ++known;
    ASSERT_EQ(outcome.code(), Code::internal) << outcome.to_string();
    EXPECT_EQ(step(*log).code(), Code::internal) << "nothing is written before somebody knows what came of it";
    log.reset();
    if (round % 2 == 0) {
      ASSERT_FALSE(join(why));
      ASSERT_EQ(why.code(), Code::unavailable) << why.to_string();
      ASSERT_FALSE(join(why)) << "and again";
    }
    ballast.remove();
    log = join(why);
    ASSERT_TRUE(log) << why.to_string();
    const std::int64_t now = committed(*log);
    ASSERT_TRUE(now == known || now == known + 1) << "the last step is there or it is not: " << known << ", " << now;
    expect_each_step_once(now);
    for (int i = 0; i < 5; ++i) ASSERT_TRUE(step(*log).ok());
    expect_each_step_once(now + 5);
  }

  // Another process finds the same.
  const std::int64_t until = committed(*log);
  log.reset();
  factory_.reset();
  made = make_embedded_log({.path = disk + "/log", .default_partitions = 1});
  ASSERT_TRUE(made.ok());
  factory_ = std::move(*made);
  expect_each_step_once(until);
}

// A client that lives on after the disk was full must not go on from positions that the log may not have.
TEST_F(EmbeddedFullDisk, WhoWasAMemberIsFenced) {
  lacuna::testing::ScratchFolder scratch;
  const std::string disk = scratch.path() + "/disk";
  if (const std::string why = mount_small_disk(disk, 128u << 20); !why.empty()) GTEST_SKIP() << why;
  const Ballast ballast(disk + "/ballast");
  auto made = make_embedded_log({.path = disk + "/log", .default_partitions = 1});
  ASSERT_TRUE(made.ok());
  factory_ = std::move(*made);
  ASSERT_TRUE(factory_->ensure_topics({{"in", 1, {}}, {"out", 1, {}}}).ok());
  ASSERT_TRUE(append(30'000).ok());
  Status why;
  const auto old = join(why);
  ASSERT_TRUE(old);
  ballast.leave(0);
  Status outcome;
  while ((outcome = step(*old)).ok()) continue;
  ASSERT_EQ(outcome.code(), Code::internal);
  ballast.remove();
  const auto successor = join(why);
  ASSERT_TRUE(successor) << why.to_string();
  EXPECT_EQ(step(*old).code(), Code::fenced);
  EXPECT_TRUE(step(*successor).ok());
}

}  // namespace
}  // namespace lacuna::streaming
