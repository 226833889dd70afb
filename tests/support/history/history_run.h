#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>

#include "daemon/pipeline/pipeline.h"
#include "tests/support/history/history_check.h"
#include "tests/support/history/history_generator.h"
#include "tests/support/history/history_model.h"
#include "tests/support/scratch_folder.h"

// One random history through the whole loop: what the generator draws is sent while the daemon works, is stopped, dies, loses its disk and
// is started again, under a schema that grows; all that it wrote is held against the model.

namespace lacuna::history {

/// A log in which histories happen.
class House {
 public:
  virtual ~House() = default;
  virtual streaming::LogFactory& log() = 0;
  virtual void name_topics(daemon::Config& config) { (void)config; }
  /// The process that used it is gone.
  virtual void reopen() {}
  /// While it is on, clients that go say nothing.
  virtual void set_crashing(bool crashing) { (void)crashing; }
  virtual void compact(const std::string& topic) { (void)topic; }
  virtual void calm() {}
  virtual Time now() const { return *parse_rfc3339("2027-01-01T00:00:00Z"); }
  virtual void sleep(Millis pause) { (void)pause; }
  /// Each turn takes so much longer, by the machine's clock.
  void slow_down(Millis by) { slow_down_ = by; }
  Millis slow_down() const { return slow_down_; }
  virtual std::chrono::steady_clock::time_point steady() { return steady_ += Millis(20); }

 private:
  std::chrono::steady_clock::time_point steady_{};
  Millis slow_down_{};
};

struct Options {
  std::uint64_t seed = 1;
  int events = 10'000;
  std::size_t history = 100'000;  ///< state.history
  std::size_t sent_at_once = 80;
  std::size_t batch_max = 0;  ///< 0: drawn
  Millis poll_wait{1};
  bool delivered_twice = true;  ///< all of it once more at the end
  bool aloud = false;
};

struct Statistics {
  std::uint64_t seeds = 0, events = 0, batches = 0, snapshots = 0, imputations = 0, letters = 0, examples = 0, late_corrections = 0;
  std::uint64_t moved = 0;      ///< from one partition to another
  std::uint64_t trace = 0;      ///< of all that was done, in order, and of all that was written
  std::uint64_t unchanged = 0;  ///< persons whom the second delivery must not change
  std::map<std::string, std::uint64_t> deeds;
  state::RecordCounts counts;
};

class Run {
 public:
  Run(House& house, const Options& options, Statistics& statistics);
  /// The first difference; empty: there is none.
  std::string run();

 private:
  struct Death {};

  std::size_t below(std::size_t bound) { return static_cast<std::size_t>(random_() % bound); }
  bool chance(double p) { return static_cast<double>(random_() >> 11) * 0x1.0p-53 < p; }
  bool failed() const { return !check_.problem().empty(); }
  void did(const std::string& deed);

  void start();
  void end();
  void turn();
  void die();
  void stop();
  void lose_disk();
  void grow();
  void compact();
  void drain();
  void send(const std::vector<Message>& messages);
  void disturbed();
  void final_state();
  void second_delivery();
  std::map<std::string, Snapshot> read_store(const std::string& where);

  House& house_;
  const Options options_;
  Statistics& statistics_;
  std::mt19937_64 random_;
  lacuna::testing::ScratchFolder scratch_{true};
  Schemas schemas_;
  Generator generator_;
  daemon::Config config_;
  Model model_;
  Check check_;
  std::unique_ptr<daemon::Pipeline> pipeline_;
  std::string dies_at_;
  std::size_t dies_after_ = 0;
  std::int64_t sent_ = 0;
};

}  // namespace lacuna::history
