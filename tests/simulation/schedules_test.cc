// Seeded schedules of the whole daemon loop on a simulated event log.
//
// Goal: whatever fails, whenever, what a read_committed consumer sees and what the stores hold is what an undisturbed run
// gives. Method: schedule.h draws each run from its seed; checker.h compares with a plain fold over the input. The fault model
// is written in tests/support/simulated_log.h.
//
// LACUNA_SIMULATION_SEEDS=N: how many schedules, over all shards. LACUNA_SIMULATION_SEED=S: only that one, aloud.

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <string>

#include "daemon/commands/logging.h"
#include "daemon/pipeline/pipeline.h"
#include "tests/simulation/schedule.h"

namespace lacuna::simulation {
namespace {

constexpr std::uint64_t kSeedsDefault = 2000;
/// From so many on, a fault or point that never came up is a hole in the simulation.
constexpr std::uint64_t kSeedsForCoverage = 500;

std::uint64_t number_from(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text ? std::stoull(text) : otherwise;
}

void set_log_level(const char* level) {
  daemon::Config c;
  c.logging.level = level;
  ASSERT_TRUE(daemon::set_up_logging(c));
}

void print(const Statistics& s, double seconds) {
  std::cout << s.seeds << " seeds in " << seconds << " s: " << s.records << " records, " << s.starts << " starts, " << s.turns << " turns, "
            << s.exits << " exits; " << s.rejoins << " rejoins, " << s.restored << " changelog records restored, " << s.wiped
            << " partitions rebuilt for age, " << s.reviewed << " changelog records read back; digest " << s.digest << "\n";
  const auto line = [](const std::string& what, const auto& counts) {
    std::cout << what << ":";
    for (const auto& [name, count] : counts) std::cout << " " << name << " " << count;
    std::cout << "\n";
  };
  std::map<std::string, std::uint64_t> faults, deeds;
  for (std::size_t f = 0; f < s.faults.size(); ++f) faults[std::string(to_string(static_cast<streaming::Fault>(f)))] = s.faults[f];
  for (std::size_t d = 0; d < s.deeds.size(); ++d) deeds[std::string(to_string(static_cast<Deed>(d)))] = s.deeds[d];
  line("faults", faults);
  line("deeds", deeds);
  line("deaths at", s.deaths);
  line("poison at", s.poisoned);
}

void expect_coverage(const Statistics& s) {
  for (std::size_t f = 0; f < s.faults.size(); ++f) {
    const auto fault = static_cast<streaming::Fault>(f);
    if (fault == streaming::Fault::failed_in_paused_poll) continue;  // rare here: failed_step_test.cc makes it happen
    EXPECT_GT(s.faults[f], 0u) << to_string(fault);
  }
  for (std::size_t d = 0; d < s.deeds.size(); ++d) EXPECT_GT(s.deeds[d], 0u) << to_string(static_cast<Deed>(d));
  for (const char* point : daemon::Pipeline::kPoints) EXPECT_TRUE(s.deaths.contains(point)) << "nobody died at " << point;
  EXPECT_EQ(s.poisoned.size(), 3u);
  EXPECT_GT(s.rejoins, 0u);
  EXPECT_GT(s.restored, 0u);
  EXPECT_GT(s.wiped, 0u);
  EXPECT_GT(s.reviewed, 0u);
}

/// Two, so that two cores work on it.
constexpr std::uint64_t kShards = 2;

class Schedules : public ::testing::TestWithParam<std::uint64_t> {};

TEST_P(Schedules, AreExactlyOnce) {
  if (const char* only = std::getenv("LACUNA_SIMULATION_SEED")) {
    if (GetParam() > 0) GTEST_SKIP() << "one seed only";
    set_log_level("debug");
    Statistics statistics;
    for (const std::string& problem : simulate(std::stoull(only), statistics, true).problems) ADD_FAILURE() << problem;
    return;
  }
  set_log_level("off");
  const std::uint64_t seeds = number_from("LACUNA_SIMULATION_SEEDS", kSeedsDefault);
  Statistics statistics;
  const auto start = std::chrono::steady_clock::now();
  for (std::uint64_t seed = 1 + GetParam(); seed <= seeds && !HasFailure(); seed += kShards) {
    const auto run = simulate(seed, statistics, false);
    if (run.problems.empty()) continue;
    for (const std::string& line : run.schedule) std::cerr << line << "\n";
    for (const std::string& problem : run.problems) ADD_FAILURE() << problem;
    std::cerr << "LACUNA_SIMULATION_SEED=" << seed << " plays it again\n";
  }
  print(statistics, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  if (seeds / kShards >= kSeedsForCoverage && !HasFailure()) expect_coverage(statistics);
}

INSTANTIATE_TEST_SUITE_P(Shard, Schedules, ::testing::Range(std::uint64_t{0}, kShards));

}  // namespace
}  // namespace lacuna::simulation
