#pragma once

#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "daemon/config/config.h"
#include "daemon/pipeline/forgetting.h"
#include "daemon/pipeline/identity.h"
#include "daemon/pipeline/person_ledger.h"
#include "daemon/pipeline/person_moves.h"
#include "daemon/pipeline/poison_search.h"
#include "daemon/pipeline/progress.h"
#include "daemon/pipeline/record_decoder.h"
#include "daemon/pipeline/stream_state.h"
#include "daemon/pipeline/transfers.h"
#include "model/model_version.h"
#include "state/store.h"
#include "streaming/messages/refusal.h"

// One batch on its way from bytes to bytes: decode -> load -> advance -> settle -> score -> impute -> encode -> change. Nothing durable
// happens here; the pipeline commits what encode() gives, then writes what change() gave into the store.

namespace lacuna::daemon {

class Batch {
 public:
  /// `partitions`: of the input topics. `homes`: the input partition beside each partition of topics.transfers that is read here.
  Batch(const Config& config, std::vector<streaming::Record> records, PartitionCounts partitions = {}, Homes homes = {})
      : config_(config),
        records_(std::move(records)),
        partitions_(std::move(partitions)),
        homes_(std::move(homes)),
        ledger_(config),
        moves_(config) {}

  const std::vector<streaming::Record>& records() const { return records_; }

  /// Bytes to events; what cannot be read becomes a dead letter.
  void decode(RecordDecoder& decoder, Time now, const PoisonSearch::List& poison);
  /// After decode(): so many of the records, from the first on, may be one batch. Where they are fewer than all, begin anew with these:
  /// merges and what they bring need a batch of their own.
  std::size_t prefix() const;
  /// It is such a batch: it reads the store, so no commit may be under way, nor a batch be prepared before it is in the store.
  bool alone() const { return records_.size() == 1 && first_alone_ == 0; }
  /// The snapshots of all patients in the batch, and what was delivered under its ids: as `before` leaves them (null, or the batch whose
  /// commit is under way), else from the store.
  Status load(const state::Store& store, const state::StateChange* before);
  /// Judges the events in the order of the log, applies what is new in event-time order, tells the monitor of arrivals and of what became
  /// of each record, keeps what was known before each moment.
  void advance(drift::Monitor& monitor);
  /// Carries out corrections and withdrawals. `before` of load() still stands.
  Status settle(const state::Store& store);
  /// Test-then-train: predicts the arrived values from what was known before them. `earlier`: a version from before what is alarmed began,
  /// which is asked of one moment in eight as well; null: there is none.
  void score(const model::ModelVersion& version, StreamState& state, const model::ModelVersion* earlier = nullptr);
  /// Imputes what is missing or stale in each changed patient.
  void impute(const model::ModelVersion& version, const model::Calibrator& calibrator);
  /// Alerts, imputations, changelog as records, and the input positions. Adds this batch to `tallies`. `described`: partitions of the
  /// changelog in which this process has told its schema; the others are told first.
  streaming::Transaction encode(const std::vector<Alert>& alerts, Tallies& tallies, const state::SchemaBook& schemas,
                                const std::set<std::int32_t>& described);
  /// What the store has to write once the transaction is durable, but for the changelog positions, which the commit tells.
  /// `tallies` as encode() left them. Takes the snapshots.
  state::StateChange change(StreamState& state, const Tallies& tallies, Time now);

  /// Those that encode() writes to.
  std::set<std::int32_t> changelog_partitions() const;

  const EventCounts& counts() const { return counts_; }
  const IdentityFindings& identity() const { return identity_; }
  const std::vector<Imputation>& imputations() const { return imputations_; }
  /// Of the input partitions, and of those of topics.transfers.
  std::map<streaming::TopicPartition, std::int64_t> next_offsets() const;
  std::map<streaming::TopicPartition, Time> newest_by_partition() const;
  std::vector<Example> take_examples() { return std::move(examples_); }

 private:
  struct Arrived {
    Event event;
    std::size_t record = 0;
    bool fresh = false;
    std::vector<streaming::RefusedPart> refused{};  ///< of the record; in its first event
  };
  struct Moment {  ///< what arrived for one patient at one clinical time
    Snapshot before;
    Time time{};
    std::vector<FeatureValue> values;
    std::vector<PayloadValue> payloads;  ///< each modality once
    void take(PayloadValue payload);
    std::size_t record = 0;  ///< of its newest event
  };
  /// A piece of what is known of a person who was merged.
  struct Arriving {
    Transfer transfer;
    state::PersonTransfer piece;
    std::size_t record = 0;
  };
  state::RecordCounts& tally(std::size_t record);
  /// As it came to its input topic.
  const streaming::Record& original_of(std::size_t record) const;
  void decode_record(std::size_t record, RecordDecoder& decoder, Time now);
  std::vector<Event> decode_events(std::size_t record, const streaming::Record& original, RecordDecoder& decoder, Time now,
                                   std::vector<streaming::RefusedPart>& parts);
  void refuse_parts(std::size_t record, const std::vector<streaming::RefusedPart>& parts);
  void decode_state(std::size_t record, Transfer transfer);
  void follow_links();
  Status find_homes(const state::Store& store, const state::StateChange* before);
  void forget_merged(const Arrived& arrived);
  void forward(std::size_t record, const std::string& person, const std::string& link);
  std::vector<std::string> via_of(std::size_t record) const;
  void merge(Arrived& arrived, drift::Monitor& monitor);
  void take_state(drift::Monitor& monitor);
  Status move(const state::Store& store);
  /// What became of a record's events.
  struct Fate {
    std::size_t events = 0;
    bool taken = false, late = false;
    std::optional<std::pair<streaming::Refusal, std::string>> refused{};  ///< the last that was
  };
  void judge(Arrived& arrived, Fate& fate);
  void conclude(std::size_t record, Fate& fate, drift::Monitor& monitor);
  void forget(const Arrived& arrived, drift::Monitor& monitor);
  static void observe(const Event& event, const Snapshot& before, drift::Monitor& monitor);
  void encode_persons(streaming::Transaction& out) const;
  void dead_letter(std::size_t record, streaming::Refusal reason, std::string_view stage, std::string_view message);
  void refuse(std::size_t record, streaming::Refusal reason, std::string_view stage, std::string_view message, bool whole);
  /// Predicts; a query that makes the model fail is found by bisection and comes back empty, the others as usual.
  std::vector<std::optional<model::Prediction>> predict(const model::ModelVersion& version, std::span<const model::Query> queries);
  /// How `earlier` does, by feature, on those of `asked` values about which something is alarmed; one moment in eight. One element per
  /// query.
  using Earlier = std::map<FeatureId, drift::Scored::Earlier>;
  std::vector<Earlier> ask_earlier(const model::ModelVersion& earlier, std::span<const Moment* const> asked,
                                   std::span<const model::Query> queries, const StreamState& state);
  /// Feedback for what was never measured, from a share of `asked`.
  void score_hidden(const model::ModelVersion& version, std::span<const Moment* const> asked, StreamState& state);

  const Config& config_;
  const std::vector<streaming::Record> records_;
  const PartitionCounts partitions_;
  const Homes homes_;
  std::map<streaming::TopicPartition, state::StoredPosition> home_positions_;  ///< of those that this batch may not move
  Tallies tallies_;                                                            ///< of this batch
  std::map<std::size_t, Transfer> transfers_;  ///< records that came through topics.transfers and hold an event
  std::vector<Arrived> events_;
  std::optional<Arriving> arriving_;
  const Arrived* merging_ = nullptr;                                   ///< of events_
  std::size_t first_alone_ = std::numeric_limits<std::size_t>::max();  ///< the first record that needs a batch of its own
  std::size_t forwarded_ = 0;
  std::size_t empty_ = 0;  ///< records that held nothing that is asked for
  std::unordered_map<std::string, Snapshot> snapshots_;
  PersonLedger ledger_;
  PersonMoves moves_;
  Forgetting forgetting_;
  std::map<std::string, std::size_t> changed_;  ///< patient -> record of the newest applied event
  std::vector<Moment> moments_;
  std::vector<Example> examples_;
  std::vector<Imputation> imputations_;
  std::vector<std::string> encoded_;  ///< snapshots of `changed_`, in its order; from encode() to change()
  std::vector<streaming::OutputRecord> dead_letters_;
  std::map<std::size_t, std::size_t> letters_;    ///< record -> its one dead letter
  std::map<std::size_t, std::string> bad_parts_;  ///< record -> which parts of it were refused, and why
  EventCounts counts_;
  IdentityFindings identity_;
  Time newest_{};
};

/// The key of an input partition's record in the changelog. Patients' keys end in "/" and a kind of record, so never in this.
inline constexpr std::string_view kPartitionKeySuffix = "#partition";

}  // namespace lacuna::daemon
