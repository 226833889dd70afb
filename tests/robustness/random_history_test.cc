// Random histories of what a hospital sends, through the whole loop.
//
// Goal: whatever comes in whatever order, and whatever happens to the daemon meanwhile, what is known of each person, what is published and
// what is remembered is what a plain recomputation from all that came gives. Method: tests/support/history draws each history from its
// seed, and holds all that the daemon wrote, batch by batch, against a model of the documents' rules; on the embedded log, and on the
// simulated one with its faults.
//
// LACUNA_HISTORY_SEEDS=N: how many seeds. LACUNA_HISTORY_SEED=S: that one only, aloud.

#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <random>
#include <string>
#include <thread>

#include "tests/support/history/history_run.h"
#include "tests/support/simulated_log.h"

namespace lacuna::history {
namespace {

constexpr std::uint64_t kSeedsDefault = 20;
constexpr std::uint64_t kSeedsShort = 5;  ///< of a daemon that remembers few values

class EmbeddedHouse final : public House {
 public:
  EmbeddedHouse() { open(); }
  streaming::LogFactory& log() override { return *log_; }
  void reopen() override {
    log_.reset();
    open();
  }

 private:
  void open() {
    streaming::EmbeddedOptions options;
    options.path = scratch_ / "log";
    options.default_partitions = 2;
    auto made = streaming::make_embedded_log(options);
    if (!made.ok()) throw std::runtime_error(made.status().to_string());
    log_ = std::move(*made);
  }
  lacuna::testing::ScratchFolder scratch_{true};
  std::unique_ptr<streaming::LogFactory> log_;
};

class SimulatedHouse final : public House {
 public:
  explicit SimulatedHouse(std::uint64_t seed) : random_(seed) {
    using streaming::Fault;
    for (std::size_t f = 0; f <= static_cast<std::size_t>(Fault::news_delayed); ++f) {
      const auto fault = static_cast<Fault>(f);
      if (random_() % 2 == 0) continue;
      const bool grave = fault == Fault::fenced || fault == Fault::member_put_out || fault == Fault::commit_unknown_applied ||
                         fault == Fault::commit_unknown_lost;
      log_.set_probability(fault, static_cast<double>(random_() % 1000) / 1000 * (grave ? 0.02 : 0.1));
    }
  }
  streaming::LogFactory& log() override { return log_; }
  void set_crashing(bool crashing) override { log_.set_crashing(crashing); }
  void compact(const std::string& topic) override { log_.compact(topic); }
  void calm() override { log_.calm(); }
  Time now() const override { return clock_.now(); }
  void sleep(Millis pause) override { clock_.advance(pause); }
  std::chrono::steady_clock::time_point steady() override { return clock_.steady(); }

 private:
  std::mt19937_64 random_;
  streaming::SimulatedClock clock_{*parse_rfc3339("2027-01-01T00:00:00Z")};
  streaming::SimulatedLog log_{clock_, random_};
};

std::uint64_t number_from(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text ? std::stoull(text) : otherwise;
}

struct Case {
  const char* name;
  bool simulated;
  std::size_t history;
};

std::unique_ptr<House> make_house(const Case& tested, std::uint64_t seed) {
  if (tested.simulated) return std::make_unique<SimulatedHouse>(seed);
  return std::make_unique<EmbeddedHouse>();
}

class RandomHistory : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override { spdlog::set_level(std::getenv("LACUNA_HISTORY_SEED") != nullptr ? spdlog::level::warn : spdlog::level::off); }
  void play(std::uint64_t seed, bool aloud, std::uint64_t events = 10'000, Millis slow_down = {}) {
    Options options;
    options.seed = seed;
    options.events = static_cast<int>(number_from("LACUNA_HISTORY_EVENTS", events));
    options.history = GetParam().history;
    options.delivered_twice = aloud || seed % 4 == (GetParam().simulated ? 3 : 1);
    options.batch_max = number_from("LACUNA_HISTORY_BATCH", 0);
    options.aloud = aloud;
    const std::unique_ptr<House> house = make_house(GetParam(), seed);
    house->slow_down(slow_down);
    const std::string problem = history::Run(*house, options, statistics_).run();
    if (!problem.empty()) ADD_FAILURE() << "LACUNA_HISTORY_SEED=" << seed << ": " << problem;
  }
  void print(double seconds) const {
    const Statistics& s = statistics_;
    std::cout << s.seeds << " seeds in " << seconds << " s: " << s.events << " events (" << s.counts.applied << " applied, "
              << s.counts.duplicate << " duplicates, " << s.counts.late << " late, " << s.counts.refused << " refused, " << s.counts.partial
              << " in part, " << s.counts.forwarded << " forwarded), " << s.moved << " moved, " << s.batches << " batches; compared "
              << s.snapshots << " snapshots, " << s.imputations << " imputations, " << s.letters << " dead letters, " << s.examples
              << " examples, " << s.unchanged << " persons after a second delivery; " << s.late_corrections << " corrections too late\n";
    for (const auto& [deed, times] : s.deeds) std::cout << deed << " " << times << "; ";
    std::cout << "\n";
  }
  Statistics statistics_;
};

TEST_P(RandomHistory, IsWhatAPlainRecomputationGives) {
  if (const char* only = std::getenv("LACUNA_HISTORY_SEED")) return play(std::stoull(only), true);
  const bool short_memory = GetParam().history < 1000;
  const std::uint64_t seeds = number_from("LACUNA_HISTORY_SEEDS", short_memory ? kSeedsShort : kSeedsDefault);
  const auto start = std::chrono::steady_clock::now();
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) play(seed, false);
  print(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
}

constexpr std::size_t kAll = 100'000;

INSTANTIATE_TEST_SUITE_P(Logs, RandomHistory,
                         ::testing::Values(Case{"Embedded", false, kAll}, Case{"Simulated", true, kAll}, Case{"ShortMemory", true, 4}),
                         [](const auto& tested) { return std::string(tested.param.name); });

}  // namespace
}  // namespace lacuna::history
