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
#include "state/store.h"
#include "streaming/event_log.h"

namespace lacuna::daemon {

/// Where an event went. consumed == applied + duplicate + late + refused, always; an event with some bad features is
/// applied and counted once in `partial` as well.
struct Counts {
  std::uint64_t consumed = 0, applied = 0, duplicate = 0, late = 0, refused = 0, partial = 0;
  std::array<std::uint64_t, streaming::kRefusalCount> refused_by{};  ///< whole events and parts
  std::uint64_t imputations = 0, imputed_values = 0, alerts = 0, dead_letters = 0;
  Counts& operator+=(const Counts& batch);
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

/// What went wrong outside, and what is being done about it. Sums since the process started.
struct Recovery {
  std::size_t restoring_partitions = 0;
  std::int64_t records_left = 0;              ///< of the changelog, for the partition being restored
  std::uint64_t records_restored = 0;
  double restore_seconds = 0;
  std::uint64_t wiped_ahead = 0, wiped_too_old = 0;  ///< partitions, see Restore::Wiped
  std::size_t damaged_stores = 0;             ///< set aside beside data_dir/state, for somebody to look at and delete
  std::uint64_t rejoins = 0;                  ///< made a new client after being fenced or an unknown outcome
  double unavailable_seconds = 0;             ///< waited for something out of reach: the log, room on the disk
};

/// A consistent copy of what an operator wants to see; made after each batch.
struct Progress {
  Counts counts;                 ///< since the process started
  std::uint64_t batches = 0;
  std::uint64_t aborted_batches = 0;
  double batch_seconds = 0;      ///< the last one, whole
  BatchDurations batch_durations;
  std::map<std::string, double> stage_seconds;  ///< sums since start, by stage; commit: what it was waited for
  std::int64_t lag = 0;
  Time event_time{};             ///< newest clinical time applied
  std::string model_version;
  model::LearnerStats learner;
  model::ScoreBoard::Summary scores, recent;
  std::vector<model::ScoreBoard::Row> features;  ///< by FeatureId; empty: not told
  std::vector<drift::SubjectView> subjects;
  std::vector<Alert> open_alerts;
  std::size_t assigned_partitions = 0;
  std::map<streaming::TopicPartition, state::RecordCounts> partitions;  ///< assigned and restored ones, since their first record
  Recovery recovery;
  bool ready = false;
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
    std::function<void(Millis)> sleep;               ///< instead of waiting for what is out of reach: simulated clocks
    std::function<void(const Status& ready)> alive;  ///< each time the loop moves: for a watchdog
    /// Tests of recovery: called at each of kPoints with the batch at hand. What it throws is a fault of that batch when it
    /// is a std::exception, before "encoded"; anything else passes through, as if the process had ended there.
    std::function<void(std::string_view point, std::span<const streaming::Record> batch)> at_point;
  };
  /// The moments between two steps of the loop at which a crash is worth testing.
  static constexpr std::array kPoints{"polled",    "decoded", "scored",     "imputed",      "encoded", "commit_started",
                                      "committed", "applied", "restored", "checkpointed"};

  /// Opens the local store, setting a damaged one aside; the log is joined in run(), however long that takes. The factory
  /// must outlive it.
  static Result<std::unique_ptr<Pipeline>> make(const Config& config, streaming::LogFactory& log, Clock clock, Hooks hooks);
  virtual ~Pipeline() = default;

  /// Until stop() (drains, checkpoints, leaves the group: Ok) or a failure that waiting cannot mend; `corrupt`: the store is
  /// damaged: destroy this, set_store_aside(), and make a new one, which rebuilds it from the log. With `until_idle`, returns once everything
  /// there is has been consumed and learned.
  virtual Status run(bool until_idle) = 0;
  /// One turn of the loop: a poll and what it brings; true when there was work to do. run() is nothing but turns; simulations
  /// of several instances on one thread call it instead. What run() does at its end is left out.
  virtual Result<bool> turn() = 0;
  virtual void stop() = 0;

  virtual Progress progress() const = 0;
  /// The loop moved within the last 30 s, and with Kafka what an unanswered commit may take.
  virtual bool live() const = 0;
  virtual Status ready() const = 0;                    ///< assigned and restored, or why not
  /// not_found also when another instance holds the patient.
  virtual Result<Snapshot> patient(const std::string& id) const = 0;
  /// Imputes a snapshot now, with the serving version and calibration.
  virtual Result<Imputation> impute(const Snapshot& snapshot) const = 0;
  /// daemon/model_json.h.
  virtual std::string model_json() const = 0;
};

/// Renames a damaged store, so that an empty one takes its place. Nobody may have it open.
Status set_store_aside(const Config& config, const Status& why);

}  // namespace lacuna::daemon
