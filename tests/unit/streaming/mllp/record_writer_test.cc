// Goal: a message is said to be written when it is, and not before, in order; one that cannot be written fails alone. Method: a log whose
// faults the test switches on.
#include "streaming/mllp/record_writer.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/fake_log.h"

namespace lacuna::streaming::mllp {
namespace {

using lacuna::testing::FakeLog;
using Told = std::vector<std::pair<std::uint64_t, Code>>;

class RecordWriterTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto started = RecordWriter::start(log_, [this](std::vector<RecordWriter::Outcome> outcomes) {
      const std::lock_guard lock(mutex_);
      for (const RecordWriter::Outcome& one : outcomes) told_.emplace_back(one.id, one.status.code());
      changed_.notify_all();
    });
    ASSERT_TRUE(started.ok());
    writer_ = std::move(*started);
  }
  void TearDown() override {
    log_.let_go();
    writer_.reset();
  }
  void write(std::uint64_t id, std::vector<std::string> values) {
    RecordWriter::Job job{id, {}};
    for (std::string& value : values) job.records.push_back({"t", {}, "k", std::move(value), {}});
    writer_->write(std::move(job));
  }
  Told told(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(30), [&] { return told_.size() >= count; });
    return told_;
  }
  std::vector<std::string> values() const {
    std::vector<std::string> out;
    for (const OutputRecord& record : log_.records()) out.push_back(*record.value);
    return out;
  }

  FakeLog log_;
  std::mutex mutex_;
  std::condition_variable changed_;
  Told told_;
  std::unique_ptr<RecordWriter> writer_;
};

TEST_F(RecordWriterTest, TellsInOrderWhatIsDurable) {
  for (std::uint64_t id = 1; id <= 100; ++id) write(id, {std::to_string(id)});
  const Told all = told(100);
  ASSERT_EQ(all.size(), 100u);
  for (std::uint64_t id = 1; id <= 100; ++id) EXPECT_EQ(all[id - 1], (std::pair{id, Code::ok}));
  EXPECT_EQ(values().size(), 100u);
  EXPECT_EQ(values().back(), "100");
}

TEST_F(RecordWriterTest, WaitsForALogThatIsSlowAndSaysSo) {
  log_.hold();
  write(1, {"a", "b"});
  while (writer_->status().ok()) std::this_thread::yield();
  EXPECT_EQ(writer_->status().code(), Code::unavailable);
  {
    const std::lock_guard lock(mutex_);
    EXPECT_TRUE(told_.empty()) << "nothing is durable yet";
  }
  write(2, {"c"});
  log_.let_go();
  EXPECT_EQ(told(2), (Told{{1, Code::ok}, {2, Code::ok}}));
  EXPECT_EQ(values(), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_TRUE(writer_->status().ok());
}

// Which of a batch were lost nobody says: no message may pass for written because the next flush had nothing to complain of.
TEST_F(RecordWriterTest, WhatAFlushLostIsWrittenAgain) {
  log_.hold();
  write(1, {"a"});
  while (log_.under_way() == 0) std::this_thread::yield();
  write(2, {"b"});
  write(3, {"c"});
  log_.lose(1);
  log_.let_go();
  EXPECT_EQ(told(3), (Told{{1, Code::ok}, {2, Code::ok}, {3, Code::ok}}));
  EXPECT_EQ(values(), (std::vector<std::string>{"a", "b", "c"}));
}

TEST_F(RecordWriterTest, WhatIsLostTwiceIsToldOf) {
  log_.lose(2);
  write(1, {"a"});
  EXPECT_EQ(told(1), (Told{{1, Code::aborted}}));
  EXPECT_FALSE(writer_->status().ok());
  write(2, {"b"});
  EXPECT_EQ(told(2).back(), (std::pair{std::uint64_t{2}, Code::ok}));
  EXPECT_TRUE(writer_->status().ok());
}

TEST_F(RecordWriterTest, OneThatIsTooLargeFailsAlone) {
  log_.refuse_above(3);
  log_.hold();
  write(1, {"a"});
  while (log_.under_way() == 0) std::this_thread::yield();
  write(2, {"b"});
  write(3, {"long"});
  write(4, {"c"});
  log_.let_go();
  EXPECT_EQ(told(4), (Told{{1, Code::ok}, {2, Code::ok}, {3, Code::invalid}, {4, Code::ok}}));
  EXPECT_EQ(values(), (std::vector<std::string>{"a", "b", "c"})) << "none is there twice";
}

TEST_F(RecordWriterTest, WritesWhatItHasBeforeItEnds) {
  for (std::uint64_t id = 1; id <= 10; ++id) write(id, {"x"});
  writer_.reset();
  EXPECT_EQ(told(10).size(), 10u);
}

}  // namespace
}  // namespace lacuna::streaming::mllp
