#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/config.h"
#include "model/calibration.h"
#include "model/learner.h"
#include "model/scores.h"
#include "state/records/status.h"
#include "streaming/event_log.h"

namespace lacuna::daemon {

/// Where an event went. consumed == applied + duplicate + late + refused, always; an event with some bad features is
/// applied and counted once in `partial` as well.
struct Counts {
  std::uint64_t consumed = 0, applied = 0, duplicate = 0, late = 0, refused = 0, partial = 0;
  std::array<std::uint64_t, streaming::kRefusalCount> refused_by{};  ///< whole events and parts
  std::uint64_t imputations = 0, imputed_values = 0, alerts = 0, dead_letters = 0;
};

/// How long batches took. counts[i]: those of at most kBounds[i] seconds and more than the bound before; the last
/// entry: all longer ones.
struct BatchDurations {
  static constexpr std::array<double, 11> kBounds{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};
  std::array<std::uint64_t, kBounds.size() + 1> counts{};
  double sum = 0;
  void add(double seconds) {
    std::size_t i = 0;
    while (i < kBounds.size() && seconds > kBounds[i]) ++i;
    counts[i] += 1;
    sum += seconds;
  }
};

/// A consistent copy of what an operator wants to see; made after each batch.
struct Progress {
  Counts counts;                 ///< since the process started
  std::uint64_t batches = 0;
  std::uint64_t aborted_batches = 0;
  double batch_seconds = 0;      ///< the last one, whole
  BatchDurations batch_durations;
  std::map<std::string, double> stage_seconds;  ///< sums since start: poll, decode, load, score, impute, commit, apply, submit
  std::int64_t lag = 0;
  Time event_time{};             ///< newest clinical time applied
  std::string model_version;
  model::LearnerStats learner;
  model::ScoreBoard::Summary scores, recent;
  std::vector<model::ScoreBoard::Row> features;  ///< by FeatureId; empty: not told
  std::vector<drift::SubjectView> subjects;
  std::vector<Alert> open_alerts;
  std::size_t assigned_partitions = 0;
  std::size_t replay_size = 0;
  std::uint64_t patients = 0;
  std::map<std::string, std::uint64_t> store_bytes;
};

/// The daemon's one loop: poll, decode, apply in memory, score, impute, commit, write the store, hand to the learner
/// (docs/exactly-once.md gives the order and why). run() on one thread; everything else from any thread.
class Pipeline {
 public:
  struct Hooks {
    std::function<void(const Progress&)> after_batch;             ///< on the loop's thread; must be quick
    std::function<void(const Alert&)> on_alert;
    std::function<void(const std::vector<Imputation>&)> on_imputations;  ///< demo only: compares with the truth
    /// Tests of recovery: called at each of kPoints with the batch at hand, and may throw (a batch that makes some stage
    /// fail) or end the process.
    std::function<void(std::string_view point, std::span<const streaming::Record> batch)> at_point;
  };
  /// The moments between two steps of the loop at which a crash is worth testing.
  static constexpr std::array kPoints{"polled",    "decoded", "scored",     "imputed",      "encoded", "commit_started",
                                      "committed", "applied", "restored", "checkpointed"};

  /// Opens store, learner (from the newest checkpoint) and group membership. The factory must outlive it.
  static Result<std::unique_ptr<Pipeline>> make(const Config& config, streaming::LogFactory& log, Clock clock, Hooks hooks);
  virtual ~Pipeline() = default;

  /// Until stop() (drains, checkpoints, leaves the group: Ok) or a failure that waiting cannot mend. With `until_idle`,
  /// returns once everything there is has been consumed and learned.
  virtual Status run(bool until_idle) = 0;
  /// One turn of the loop: a poll and what it brings; true when there was work to do. run() is nothing but turns; simulations
  /// of several instances on one thread call it instead. What run() does at its end is left out.
  virtual Result<bool> turn() = 0;
  virtual void stop() = 0;

  virtual Progress progress() const = 0;
  virtual bool live() const = 0;                       ///< the loop moved within the last 30 s
  virtual Status ready() const = 0;                    ///< assigned and restored, or why not
  virtual Result<Snapshot> patient(const std::string& id) const = 0;
  /// Imputes a snapshot now, with the serving version and calibration.
  virtual Result<Imputation> impute(const Snapshot& snapshot) const = 0;
  /// {"version": ..., "steps": ..., "parameters": ..., "loss": ..., "features": {...scores...}}: GET /v1/model.
  virtual std::string model_json() const = 0;
};

}  // namespace lacuna::daemon
