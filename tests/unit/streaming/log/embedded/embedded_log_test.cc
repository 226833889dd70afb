#include <gtest/gtest.h>

#include <fstream>
#include <numeric>
#include <random>
#include <thread>

#include "streaming/log/embedded/factories.h"
#include "streaming/log/embedded/format.h"
#include "tests/support/scratch_folder.h"

// What only the embedded log promises, beyond the contract of event_log.h.

namespace lacuna::streaming {
namespace {

std::unique_ptr<LogFactory> open_at(const std::string& path, bool read_only = false) {
  auto log = make_embedded_log({.path = path, .default_partitions = 4, .sync = false, .read_only = read_only});
  EXPECT_TRUE(log.ok()) << log.status().to_string();
  return log.ok() ? std::move(*log) : nullptr;
}

Status append_one(LogFactory& log, const std::string& topic, const std::string& value) {
  auto appender = log.appender();
  if (!appender.ok()) return appender.status();
  if (Status status = (*appender)->append({topic, 0, "k", value, {}}); !status.ok()) return status;
  return (*appender)->flush();
}

// Protects: no partition is starved by another's backlog, and no room in a batch is wasted. Against the definition: shares
// are within one of each other unless a partition has no more, and add up to all there is room for.
TEST(EmbeddedLog, SharesABatchFairly) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (int round = 0; round < 2000; ++round) {
    std::vector<std::int64_t> available(std::uniform_int_distribution<std::size_t>(1, 12)(random));
    for (auto& a : available) a = std::uniform_int_distribution<std::int64_t>(0, round % 2 ? 20 : 2000)(random);
    const auto most = std::uniform_int_distribution<std::size_t>(0, 500)(random);
    const auto first = std::uniform_int_distribution<std::size_t>(0, available.size() - 1)(random);
    const auto shares = embedded::fair_shares(available, most, first);
    const auto sum = std::accumulate(shares.begin(), shares.end(), std::size_t{0});
    const auto there = static_cast<std::size_t>(std::accumulate(available.begin(), available.end(), std::int64_t{0}));
    ASSERT_EQ(sum, std::min(most, there));
    const auto largest = *std::max_element(shares.begin(), shares.end());
    for (std::size_t i = 0; i < shares.size(); ++i) {
      ASSERT_LE(shares[i], static_cast<std::size_t>(available[i]));
      if (shares[i] + 1 < largest) {
        ASSERT_EQ(shares[i], static_cast<std::size_t>(available[i]));
      }
    }
  }
}

// Protects: what is stored reads back, and cut or lengthened bytes are told from a record, never misread.
TEST(EmbeddedLog, TellsBrokenRecords) {
  std::string bytes;
  const OutputRecord written{"t", 0, "key", "value", {{"h", "1"}, {"", ""}}};
  embedded::encode_record(written, Time(Millis(1'700'000'000'123)), bytes);
  EXPECT_EQ(bytes.size(), embedded::record_bytes(written));
  Record read;
  ASSERT_TRUE(embedded::decode_record(bytes, read));
  EXPECT_EQ(read.value, written.value);
  EXPECT_EQ(read.headers, written.headers);
  EXPECT_EQ(read.timestamp, Time(Millis(1'700'000'000'123)));
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(embedded::decode_record(std::string_view(bytes).substr(0, size), read)) << size;
  }
  EXPECT_FALSE(embedded::decode_record(bytes + "x", read));
}

// Protects: byte order of keys is offset order; otherwise reads would skip.
TEST(EmbeddedLog, OrdersKeysByOffset) {
  std::string before, after;
  for (const std::int64_t offset : {0L, 1L, 255L, 256L, 65'535L, 1L << 31, 1L << 40, (1L << 62) - 1}) {
    embedded::encode_record_key({1, 2}, offset, after);
    EXPECT_EQ(after.size(), embedded::kRecordKeyBytes);
    EXPECT_LT(before, after);
    EXPECT_EQ(embedded::offset_of(after), offset);
    before = after;
  }
}

// Protects: a poll that waits is woken by an append of the same process. (A minute would mean that it was not.)
TEST(EmbeddedLog, WakesOnAppend) {
  const lacuna::testing::ScratchFolder folder;
  const auto factory = open_at(folder.path());
  auto log = factory->open("g", "id");
  ASSERT_TRUE((*log)->subscribe({"in"}, {}).ok());  // the topic comes later
  ASSERT_TRUE((*log)->poll(1, Millis(0))->empty());
  std::thread writer([&] { EXPECT_TRUE(append_one(*factory, "in", "v").ok()); });
  const auto begin = std::chrono::steady_clock::now();
  const auto records = (*log)->poll(10, Millis(60'000));
  writer.join();
  ASSERT_EQ(records->size(), 1u);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(30));
  EXPECT_EQ((*log)->assignment().size(), 4u);  // default_partitions
}

// Protects: `tail` beside a running daemon. A read-only instance of the same folder sees what is there and what comes
// later, and cannot write.
TEST(EmbeddedLog, IsReadBesideItsWriter) {
  const lacuna::testing::ScratchFolder folder;
  const auto writer = open_at(folder.path());
  ASSERT_TRUE(append_one(*writer, "in", "first").ok());
  const auto beside = open_at(folder.path(), true);
  auto reader = beside->reader();
  ASSERT_EQ((*reader)->read({"in", 0}, 0, 10, Millis(0))->size(), 1u);
  ASSERT_TRUE(append_one(*writer, "in", "second").ok());
  ASSERT_TRUE(append_one(*writer, "new", "third").ok());
  const auto more = (*reader)->read({"in", 0}, 1, 10, Millis(0));
  ASSERT_TRUE(more.ok()) << more.status().to_string();
  ASSERT_EQ(more->size(), 1u);
  EXPECT_EQ((*more)[0].value, "second");
  EXPECT_EQ((*reader)->bounds({"in", 0})->second, 2);
  EXPECT_EQ((*reader)->bounds({"new", 0})->second, 1);
  EXPECT_EQ(beside->appender().code(), Code::invalid);
  EXPECT_EQ(beside->ensure_topics({{"x", 1, {}}}).code(), Code::invalid);
  EXPECT_EQ(beside->open("g", "id").code(), Code::invalid);
}

// Protects: two processes cannot write one folder (here: two instances, which RocksDB tells apart the same way).
TEST(EmbeddedLog, TakesOneWriter) {
  const lacuna::testing::ScratchFolder folder;
  const auto first = open_at(folder.path());
  EXPECT_EQ(make_embedded_log({.path = folder.path()}).code(), Code::unavailable);
}

// Protects: one member a group, and a group is free again once its member is gone.
TEST(EmbeddedLog, TakesOneMemberAGroup) {
  const lacuna::testing::ScratchFolder folder;
  const auto factory = open_at(folder.path());
  {
    const auto first = factory->open("g", "a");
    ASSERT_TRUE(first.ok());
    EXPECT_EQ(factory->open("g", "b").code(), Code::unavailable);
    EXPECT_TRUE(factory->open("other", "b").ok());
  }
  EXPECT_TRUE(factory->open("g", "b").ok());
}

// Protects: a step that was started before the one under way was finished is never made, and finish_commit() says so.
TEST(EmbeddedLog, MakesOneStepAtATime) {
  const lacuna::testing::ScratchFolder folder;
  const auto factory = open_at(folder.path());
  ASSERT_TRUE(factory->ensure_topics({{"in", 1, {}}, {"out", 1, {}}}).ok());
  for (const char* value : {"first", "second"}) ASSERT_TRUE(append_one(*factory, "in", value).ok());
  auto log = factory->open("g", "id");
  ASSERT_TRUE((*log)->subscribe({"in"}, {}).ok());
  ASSERT_EQ((*log)->poll(10, Millis(0))->size(), 2u);
  (*log)->start_commit({{{"out", 0, "k", "first", {}}}, {{{"in", 0}, 1}}, ""});
  (*log)->start_commit({{{"out", 0, "k", "second", {}}}, {{{"in", 0}, 2}}, ""});
  EXPECT_TRUE((*log)->finish_commit().ok());
  EXPECT_EQ((*log)->finish_commit().code(), Code::internal);
  EXPECT_EQ((*(*factory->reader())->bounds({"out", 0})).second, 1);
  EXPECT_EQ((*log)->committed({"in", 0}, Millis(0))->next_offset, 1);
}

// Protects: bad input is refused and harms nothing.
TEST(EmbeddedLog, RefusesBadInput) {
  const lacuna::testing::ScratchFolder folder;
  const auto factory = open_at(folder.path());
  EXPECT_EQ(factory->ensure_topics({{"t", 0, {}}}).code(), Code::invalid);
  ASSERT_TRUE(factory->ensure_topics({{"t", 2, {}}}).ok());
  ASSERT_TRUE(factory->ensure_topics({{"t", 9, {}}}).ok());
  EXPECT_EQ(*(*factory->reader())->partition_count("t"), 2);
  auto appender = factory->appender();
  EXPECT_EQ((*appender)->append({"t", 2, "k", "v", {}}).code(), Code::invalid);
  EXPECT_EQ((*appender)->append({"t", 0, "k", std::string(17 << 20, 'x'), {}}).code(), Code::invalid);
  EXPECT_EQ((*(*factory->reader())->bounds({"t", 0})).second, 0);
  auto log = factory->open("g", "id");
  EXPECT_EQ((*log)->poll(1, Millis(0)).code(), Code::invalid);
  EXPECT_EQ((*log)->subscribe({"^("}, {}).code(), Code::invalid);
  EXPECT_EQ(make_embedded_log({.path = folder.path() + "/none", .read_only = true}).code(), Code::not_found);
}

}  // namespace
}  // namespace lacuna::streaming
