#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/config/config.h"
#include "daemon/pipeline/operator_commands.h"
#include "daemon/pipeline/progress.h"
#include "model/drift/missingness_matrix.h"
#include "state/records/status.h"
#include "streaming/log/event_log.h"
#include "streaming/messages/snapshot_codec.h"

namespace lacuna::daemon {

/// What has passed since an earlier reading: tests pass one that goes on as they say.
using SteadyClock = std::function<std::chrono::steady_clock::time_point()>;

/// What the store holds of a person beside the snapshot.
struct KeptOfPerson {
  std::uint64_t ids = 0;                ///< remembered, of events and results
  std::uint64_t histories = 0;          ///< features with recent results
  std::uint64_t replay_examples = 0;    ///< what the model replays
  std::uint64_t changelog_records = 0;  ///< keys in the changelog, the snapshot's too
  friend bool operator==(const KeptOfPerson&, const KeptOfPerson&) = default;
};

/// The daemon's one loop: poll, decode, apply in memory, score, impute, commit, write the store, hand to the learner
/// (docs/exactly-once.md gives the order and why). run() on one thread; everything else from any thread.
class Pipeline {
 public:
  struct Hooks {
    std::function<void(const Progress&)> after_batch;  ///< on the loop's thread; must be quick
    std::function<void(const Alert&)> on_alert;
    std::function<void(const std::vector<Imputation>&)> on_imputations;  ///< demo only: compares with the truth
    std::function<void(Millis)> sleep;                                   ///< instead of waiting for what is out of reach: simulated clocks
    SteadyClock steady = std::chrono::steady_clock::now;                 ///< of what limits itself in time; of the loop's thread alone
    std::function<void(const Status& ready)> alive;                      ///< each time the loop moves: for a watchdog
    /// Tests of recovery: called at each of kPoints with the batch at hand. What it throws is a fault of that batch when it
    /// is a std::exception, before "encoded"; anything else passes through, as if the process had ended there.
    std::function<void(std::string_view point, std::span<const streaming::Record> batch)> at_point;
  };
  /// The moments between two steps of the loop at which a crash is worth testing.
  static constexpr std::array kPoints{"polled",         "decoded",   "scored",  "imputed",  "encoded",
                                      "commit_started", "committed", "applied", "restored", "checkpointed"};

  /// Opens the local store, setting a damaged one aside; the log is joined in run(), however long that takes. The factory
  /// must outlive it.
  static Result<std::unique_ptr<Pipeline>> make(const Config& config, streaming::LogFactory& log, Clock clock, Hooks hooks);
  virtual ~Pipeline() = default;

  /// Until stop() (drains, checkpoints, leaves the group: Ok) or a failure that waiting cannot mend; `corrupt`: the store is
  /// damaged: destroy this, quarantine_store(), and make a new one, which rebuilds it from the log. With `until_idle`, returns once
  /// everything there is has been consumed and learned, in so many `passes`: those after the first go over the replay buffer, and
  /// nothing but the model changes by them.
  virtual Status run(bool until_idle, int passes = 1) = 0;
  /// One turn of the loop: a poll and what it brings; true when there was work to do. run() is nothing but turns; simulations
  /// of several instances on one thread call it instead. What run() does at its end is left out.
  virtual Result<bool> turn() = 0;
  virtual void stop() = 0;

  virtual Progress progress() const = 0;
  /// The loop moved within the last 30 s, and with Kafka what an unanswered commit may take.
  virtual bool live() const = 0;
  virtual Status ready() const = 0;  ///< assigned and restored, or why not
  /// not_found also when another instance holds the patient.
  virtual Result<Snapshot> patient(const std::string& id) const = 0;
  /// Of a patient whom patient() finds.
  virtual Result<KeptOfPerson> kept(const std::string& id) const = 0;
  /// Imputes a snapshot now, with the serving version and calibration, and draws the joint samples asked for; `invalid`: too many
  /// for so many features.
  virtual Result<Imputation> impute(const streaming::ImputeRequest& request) const = 0;
  /// An operator's decision about a detector, carried out by the loop between two batches: its alerts are published and the
  /// detectors' state is durable when this returns Ok. One about a person is published then, for whoever holds the person.
  /// `not_found`: no such subject; `unavailable`: not ready, or not done within about ten seconds (then the message says whether
  /// it may still be done).
  virtual Status command(const OperatorCommand& command) = 0;
  /// What arrived where, by week.
  virtual std::vector<drift::MissingnessMatrix::Row> missingness() const = 0;
  /// daemon/registry/model_json.h.
  virtual std::string model_json() const = 0;
};

}  // namespace lacuna::daemon
