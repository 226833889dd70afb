// Goal: while a backlog is read, no event comes behind the watermark, however the log serves its partitions, and reading never
// comes to a stand. Method: random partitions, served in random runs as a broker serves them (one partition at a time, others
// silent though they have more), against the plain statement of the promise.

#include "daemon/pipeline/partition_alignment.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace lacuna::daemon {
namespace {

using streaming::TopicPartition;

struct Backlog {
  std::vector<Time> times;
  std::size_t next = 0;
  bool paused = false;
  bool has_more() const { return next < times.size(); }
};

TEST(PartitionAlignment, NoEventOfABacklogComesBehindTheWatermark) {
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const auto below = [&random](std::uint64_t n) { return random() % n; };
  for (int round = 0; round < 200; ++round) {
    std::map<TopicPartition, Backlog> backlogs;
    PartitionAlignment alignment;
    const std::uint64_t partitions = 1 + below(6);
    std::vector<TopicPartition> assigned{{"events", 99}};  // not restored yet: never runnable
    for (std::uint64_t p = 0; p < partitions; ++p) {
      const TopicPartition partition{"events", static_cast<std::int32_t>(p)};
      Backlog& backlog = backlogs[partition];
      Time time{Millis(static_cast<std::int64_t>(below(3'600'000)))};
      for (std::uint64_t n = below(400); n > 0; --n) {
        backlog.times.push_back(time);
        time += Millis(static_cast<std::int64_t>(below(20) == 0 ? below(6 * 3'600'000) : below(300'000)));
      }
      alignment.assign(partition, {});
      assigned.push_back(partition);
    }
    const auto has_more = [&](const TopicPartition& p) { return backlogs.at(p).has_more(); };
    const auto left = [&] { return std::any_of(backlogs.begin(), backlogs.end(), [](const auto& b) { return b.second.has_more(); }); };
    int silent = 0;
    while (left()) {
      std::map<TopicPartition, Time> newest;
      for (auto& [partition, backlog] : backlogs) {
        if (backlog.paused || below(3) != 0) continue;  // a broker's answer holds some partitions, in runs
        for (std::uint64_t n = below(60); n > 0 && backlog.has_more(); --n) {
          const Time time = backlog.times[backlog.next++];
          ASSERT_GE(time, alignment.watermark()) << "an event behind the watermark";
          newest[partition] = time;
        }
      }
      silent = newest.empty() ? silent + 1 : 0;
      ASSERT_LT(silent, 1000) << "nothing goes on although there is more";
      const PartitionAlignment::Change change = alignment.observe(newest, has_more, {});
      for (const TopicPartition& p : change.pause) backlogs.at(p).paused = true;
      for (const TopicPartition& p : change.resume) backlogs.at(p).paused = false;
      const auto runnable = alignment.runnable(assigned);
      EXPECT_TRUE(alignment.runnable({}).empty());
      EXPECT_EQ(std::find(runnable.begin(), runnable.end(), assigned[0]), runnable.end());
      for (const auto& [partition, backlog] : backlogs) {
        EXPECT_EQ(backlog.paused, std::find(runnable.begin(), runnable.end(), partition) == runnable.end());
      }
    }
  }
}

// A partition at its end holds nobody up: a ward that sleeps does not stop the others.
TEST(PartitionAlignment, APartitionAtItsEndHoldsNobodyUp) {
  PartitionAlignment alignment;
  const TopicPartition quiet{"events", 0}, busy{"events", 1};
  alignment.assign(quiet, {});
  alignment.assign(busy, {});
  const auto none = [](const TopicPartition&) { return false; };
  alignment.observe({{quiet, Time(Millis(0))}}, none, {});
  const Time later{std::chrono::hours(10)};
  bool paused = false;
  for (int poll = 0; poll <= PartitionAlignment::kIdlePolls; ++poll) {
    const auto change = alignment.observe({{busy, later}}, none, {});
    paused = (paused || !change.pause.empty()) && change.resume.empty();
  }
  EXPECT_FALSE(paused);
  EXPECT_EQ(alignment.watermark(), later);
}

}  // namespace
}  // namespace lacuna::daemon
