#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "daemon/pipeline/control.h"
#include "daemon/pipeline/identity.h"
#include "model/drift/monitor.h"
#include "model/learner.h"
#include "model/predictive/scores.h"
#include "model/predictive/subgroup_board.h"
#include "state/records/records.h"
#include "state/store.h"
#include "streaming/hl7/decoded.h"
#include "streaming/log/event_log.h"
#include "streaming/messages/refusal.h"

// What the loop tells of itself: plain values, made on its thread and read on any.

namespace lacuna::daemon {

/// Where an event went. consumed == applied + duplicate + late + refused + forwarded, always; an event with some bad features is
/// applied and counted once in `partial` as well. One that is forwarded is consumed again from topics.transfers.
struct EventCounts {
  std::uint64_t consumed = 0, applied = 0, duplicate = 0, late = 0, refused = 0, partial = 0, forwarded = 0;
  std::array<std::uint64_t, streaming::kRefusalCount> refused_by{};  ///< whole events and parts
  std::uint64_t imputations = 0, imputed_values = 0, alerts = 0, dead_letters = 0;
  std::uint64_t corrected = 0, withdrawn = 0;  ///< applied events that changed what was known
  std::uint64_t late_corrections = 0;          ///< of their values, those that were older than the history
  std::uint64_t forgotten = 0;                 ///< applied events and tombstones that forgot a person
  std::uint64_t merged = 0;                    ///< applied events that merged a person into another
  streaming::hl7::FeedCounts feed{};           ///< of records that were HL7 v2 messages
  EventCounts& operator+=(const EventCounts& batch);
  EventCounts& operator+=(const state::RecordCounts& partition);
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

/// The parts of StreamState that begin afresh where another version stored them.
inline constexpr std::array kStateParts{"calibration", "control", "latent_reference", "monitor", "scores", "subgroups"};

/// What went wrong outside, and what is being done about it. Sums since the process started.
struct Recovery {
  std::size_t restoring_partitions = 0;
  std::int64_t records_left = 0;  ///< of the changelog, for the partition being restored
  std::uint64_t records_restored = 0;
  double restore_seconds = 0;
  std::uint64_t values_dropped = 0;                  ///< stored features, attributes and payloads that the present schema does not have
  std::uint64_t wiped_ahead = 0, wiped_too_old = 0;  ///< partitions, see Restore::Wiped
  std::size_t damaged_stores = 0;                    ///< set aside beside data_dir/state, for somebody to look at and delete
  std::set<std::string, std::less<>> state_parts_begun_afresh;  ///< see StreamState::begun_afresh
  std::uint64_t rejoins = 0;                                    ///< made a new client after being fenced or an unknown outcome
  double unavailable_seconds = 0;                               ///< waited for something out of reach: the log, room on the disk
};

/// What somebody else has written into the changelog, since the process started.
struct ChangelogFindings {
  std::uint64_t foreign_records = 0;
  std::uint64_t rewritten_records = 0;  ///< from the store
  std::uint64_t reviewed_records = 0;   ///< read back, since offsets alone did not tell
  friend bool operator==(const ChangelogFindings&, const ChangelogFindings&) = default;
};

/// By input partition, since its first record.
using Tallies = std::map<streaming::TopicPartition, state::RecordCounts>;

/// What a version has learned from, and of how much of it that is too little.
struct LearnedSoFar {
  std::vector<model::LearnedFrom> features;  ///< by FeatureId; empty: there is no version yet
  std::vector<model::LearnedFrom> payloads;  ///< by ModalityId; of tabular ones none
  std::size_t warming_up = 0;                ///< features and payload modalities that are not imputed yet
};

/// A consistent copy of what an operator wants to see; made after each batch.
struct Progress {
  EventCounts counts;  ///< since the process started
  std::uint64_t batches = 0;
  std::uint64_t aborted_batches = 0;
  double batch_seconds = 0;  ///< the last one, whole
  BatchDurations batch_durations;
  std::map<std::string, double> stage_seconds;  ///< sums since start, by stage; commit: what it was waited for
  std::int64_t lag = 0;
  std::map<streaming::TopicPartition, std::int64_t> lags;  ///< of the assigned partitions
  Time event_time{};                                       ///< newest clinical time applied, in this life or an earlier one
  std::string model_version;
  model::LearnerStats learner;
  double learner_wait_seconds = 0;  ///< of the loop, for the version that serves next (train.serve_after)
  model::ScoreBoard::Summary scores, recent;
  std::vector<model::ScoreBoard::Row> features;   ///< by FeatureId; empty: not told
  std::vector<model::SubgroupFigures> subgroups;  ///< everybody first; empty: not told
  LearnedSoFar learned;                           ///< by the serving version
  std::vector<drift::SubjectView> subjects;
  std::vector<Alert> open_alerts;
  std::vector<Decision> decisions;  ///< the last about each subject
  int steps_multiplier = 1;         ///< of learning: 0 frozen, more than 1 sped up (AlertResponse)
  std::size_t assigned_partitions = 0;
  Tallies partitions;  ///< assigned and restored ones, since their first record
  Recovery recovery;
  IdentityFindings identity;  ///< since the process started
  ChangelogFindings changelog;
  bool ready = false;
  std::vector<Degradation> degraded;  ///< what is less than it should be although it is ready
  std::size_t replay_size = 0;
  std::uint64_t patients = 0;
  std::map<std::string, std::uint64_t> store_bytes;
};

}  // namespace lacuna::daemon
