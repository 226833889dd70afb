// Goal: who runs the daemon reads when it is ready and with what, and that something was refused and why, without a line an event.
#include "daemon/commands/run_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace lacuna::daemon {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class RunLogTest : public ::testing::Test {
 protected:
  RunLog log(bool terminal) {
    return RunLog({terminal, [this] { return RunLog::Seconds(now_); }, [this](bool, const std::string& line) { lines_.push_back(line); }});
  }
  void refuse(streaming::Refusal reason, std::uint64_t count) {
    progress_.counts.refused += count;
    progress_.counts.refused_by[static_cast<std::size_t>(reason)] += count;
  }
  double now_ = 1000;
  Progress progress_;
  std::vector<std::string> lines_;
};

TEST_F(RunLogTest, PartitionsInFewWords) {
  EXPECT_EQ(in_words({}), "");
  EXPECT_EQ(in_words({{{"a", 0}, 1}, {{"a", 1}, 1}, {{"a", 2}, 1}, {{"a", 5}, 1}, {{"b", 5}, 1}, {{"b", 6}, 1}}), "a 0-2, 5, b 5-6");
}

TEST_F(RunLogTest, SaysThatItIsReadyOnceAndAgainWhenPartitionsChange) {
  RunLog log = this->log(false);
  progress_.lags = {{{"events", 0}, 3}, {{"events", 1}, 4}};
  progress_.lag = 7;
  log.show(progress_);
  EXPECT_THAT(lines_, ElementsAre()) << "not ready yet";
  log.alive(Status());
  log.show(progress_);
  log.show(progress_);
  EXPECT_THAT(lines_, ElementsAre("ready: events 0-1; 7 records behind"));
  progress_.lags.erase({"events", 0});
  progress_.lag = 1;
  log.show(progress_);
  EXPECT_EQ(lines_.back(), "ready: events 1; 1 record behind");
  log.alive({Code::unavailable, "gone"});
  log.show(progress_);
  log.alive(Status());
  log.show(progress_);
  EXPECT_EQ(lines_.size(), 3u) << "after an outage it is said again";
}

TEST_F(RunLogTest, SaysWhatWasRefusedAtMostOnceAMinuteAndLosesNone) {
  RunLog log = this->log(false);
  refuse(streaming::Refusal::unit, 2);
  log.show(progress_);
  ASSERT_EQ(lines_.size(), 1u);
  EXPECT_THAT(lines_[0], StartsWith("refused 2 events or parts of events: 2 unit"));
  for (int i = 0; i < 100; ++i) {
    refuse(streaming::Refusal::late, 1);
    log.show(progress_);
  }
  EXPECT_EQ(lines_.size(), 1u);
  now_ += 60;
  log.show(progress_);
  ASSERT_EQ(lines_.size(), 2u);
  EXPECT_THAT(lines_[1], StartsWith("refused 100 events or parts of events: 100 late"));
  refuse(streaming::Refusal::late, 1);
  log.finish(progress_);
  ASSERT_EQ(lines_.size(), 3u);
  EXPECT_THAT(lines_[2], StartsWith("refused 1 event or part of one: 1 late"));
  log.finish(progress_);
  EXPECT_EQ(lines_.size(), 3u);
}

TEST_F(RunLogTest, ATerminalHasALineAMinute) {
  RunLog on_a_terminal = log(true), elsewhere = log(false);
  for (int minute = 0; minute < 3; ++minute) {
    now_ += 60;
    progress_.counts.consumed += 600;
    progress_.model_version = "000007-00000000";
    on_a_terminal.show(progress_);
    on_a_terminal.show(progress_);
    elsewhere.show(progress_);
  }
  ASSERT_EQ(lines_.size(), 3u);
  EXPECT_EQ(lines_[2], "1800 events, 10/s, 0 behind, model 000007-00000000, 0 refused");
}

}  // namespace
}  // namespace lacuna::daemon
