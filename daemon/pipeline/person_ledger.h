#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "daemon/config/config.h"
#include "daemon/pipeline/earlier_readings.h"
#include "daemon/pipeline/progress.h"
#include "state/deliveries.h"
#include "state/store.h"
#include "streaming/messages/refusal.h"

namespace lacuna::daemon {

/// What a batch's events mean to what is known of their patients already: which of their values are new, which are second deliveries, which
/// correct or withdraw what was taken before; and what that does to the patients. One a batch, one thread: load() all events, judge() each
/// in the order of the log, apply what judge() leaves to the snapshots, then settle().
class PersonLedger {
 public:
  explicit PersonLedger(const Config& config) : config_(config), keys_(*config.schema) {}

  using Snapshots = std::unordered_map<std::string, Snapshot>;

  /// Reads what stands under the events' ids and results. `before`: null, or the change of the batch whose commit is under way. `snapshots`
  /// holds every patient, as before this batch.
  Status load(const std::vector<const Event*>& events, const Snapshots& snapshots, const state::Store& store,
              const state::StateChange* before);

  /// What became of one event.
  struct Judged {
    bool fresh = false;    ///< something of it is to be applied: that is what is left in the event
    bool changes = false;  ///< it corrects or withdraws what is known
    bool noted = false;    ///< it withdraws what has not come
    std::optional<std::pair<streaming::Refusal, std::string>> refused{};  ///< of some or all of it
    void refuse(streaming::Refusal reason, const std::string& message);
    bool taken() const { return fresh || changes || noted; }
  };
  /// What was judged of the patient before does not count, nor what the store holds. `snapshot`: of the person who begins.
  void forget(const std::string& patient, const Snapshot& snapshot);
  /// Takes out of the event, the batch's `record` that was read at `source`, what is not new, and notes what that means. `bytes`: of the
  /// event as it was sent; they stay where they are as long as this lives.
  Judged judge(Event& event, std::size_t record, const SourcePosition& source, std::string_view bytes);

  /// Carries out corrections and withdrawals, and late values: what is known of the features is folded anew. `counts`: what was too old.
  /// Then the patients that these touched have changed too.
  Status settle(const state::Store& store, Snapshots& snapshots, EventCounts& counts);

  /// The patients who were corrected, each with the newest record that did it; valid after settle().
  const std::map<std::string, std::size_t>& corrected() const { return corrected_; }
  /// For the store and the changelog; valid after settle().
  const std::vector<state::PersonUpdate>& updates() const { return updates_; }
  std::vector<state::PersonUpdate> take_updates() { return std::move(updates_); }
  std::int32_t partition_of(const std::string& patient) const { return people_.at(patient).partition; }
  const std::vector<state::ExampleCorrection>& corrections() const { return corrections_; }
  std::vector<state::ExampleCorrection> take_corrections() { return std::move(corrections_); }

 private:
  struct Row {
    state::Delivery delivery;
    bool known = false;    ///< the store or the batch before has it
    bool changed = false;  ///< by this batch
  };
  struct PayloadChange {
    ModalityId modality = kNoModality;
    bool corrects = false;
    state::PayloadChange change;
  };
  struct Person {
    std::uint64_t key = 0;
    std::int32_t partition = 0;
    std::optional<std::uint64_t> first_offset;  ///< in this batch
    bool begins = false;                        ///< was forgotten in this batch or the one before: what the store holds is another's
    std::uint64_t begun_min = 0;                ///< of one who begins: above all that was told of the one before
    std::vector<FeatureState> features;         ///< before this batch
    std::vector<ModalityState> modalities;      ///< the same
    Time last_time{};                           ///< before this batch; no meaning when there were no events
    bool any = false;                           ///< there were events before this batch
    state::PersonState stored;                  ///< as the store has it
    state::PersonState state;                   ///< as the batch before leaves it
    const state::PersonUpdate* in_flight = nullptr;
    std::vector<std::uint64_t> old_ids;  ///< of a snapshot that an earlier build wrote
    std::vector<std::uint64_t> rows;     ///< changed by this batch, in order, each once
    std::vector<state::ValueChange> changes;
    std::set<state::PartKey> touched;                                           ///< features to be folded anew
    std::vector<PayloadChange> payloads;                                        ///< in order
    std::vector<std::pair<state::PartKey, state::HeldPayloads>> kept_payloads;  ///< beside the newest ones, where that has changed
    std::vector<AttributeValue> attributes;                                     ///< that are corrected
    std::optional<SourcePosition> source;                                       ///< of the newest event that changes something
    std::size_t record = 0;                                                     ///< the same
    std::uint64_t only_changed = 0;                                             ///< events that brought nothing new
    Time newest = Time::min();                                                  ///< of what corrects
  };
  /// A patient's feature while it is worked on.
  struct Folded {
    state::PartKey part = 0;
    FeatureId feature = 0;
    state::FeatureHistory history;
    bool unaccounted = false;  ///< the records tell another state than the snapshot's, and are written anew
  };
  struct KeyHash {
    std::size_t operator()(const state::DeliveryKey& key) const { return key.patient ^ (key.id * 0x9e3779b97f4a7c15ULL); }
  };

  static Person new_person(const Snapshot& snapshot);
  Result<state::PersonPast> past(const std::string& patient, const Person& person, const state::Store& store,
                                 std::span<const state::PartKey> parts) const;
  Row& row(const Person& person, std::uint64_t id) { return rows_[{person.key, id}]; }
  const state::Delivery* known(const Person& person, std::uint64_t id) const;
  void note(Person& person, std::uint64_t id, const state::Claim& claim, Time time);
  bool is_late(const Person& person, Time time) const;
  bool was_taken(const Person& person, const Event& event, const state::Claim& claim);
  /// The verdict, noted where it is to be remembered. A fresh part that is too late is not, and clears `in_time`.
  state::Verdict judge_part(Person& person, const Event& event, const state::Claim& claim, bool& in_time, Judged& out);
  void judge_values(Person& person, Event& event, bool& in_time, Judged& out);
  void judge_rest(Person& person, Event& event, bool& in_time, Judged& out);
  void judge_payload(Person& person, Event& event, bool& in_time, Judged& out);
  void withdraw(Person& person, const Event& event, Judged& out);
  std::vector<state::PartKey> parts_to_withdraw(const Event& event, const state::Delivery* fact) const;
  void add_modality(ModalityId id, std::vector<state::PartKey>& parts) const;
  void change(Person& person, const Event& event, state::PartKey part, state::HistoryChange::Kind kind, const FeatureValue& v);

  Status settle_person(const std::string& patient, Person& person, const state::Store& store, Snapshot& snapshot, EventCounts& counts);
  Result<std::vector<Folded>> histories(const std::string& patient, const Person& person, const state::Store& store,
                                        const std::set<state::PartKey>& parts) const;
  void fold_feature(const std::string& patient, const Person& person, Folded& folded, Snapshot& snapshot, EventCounts& counts);
  Status change_payloads(const std::string& patient, Person& person, const state::Store& store, Snapshot& snapshot);
  Result<state::HeldPayloads> payloads_before(const std::string& patient, const Person& person, const state::Store& store,
                                              ModalityId id) const;
  Status update(const std::string& patient, const Person& person, const state::Store& store, Snapshot& snapshot, bool fold);
  Status fold_into(state::PersonUpdate& update, const Person& person, const state::Store& store);
  Status expire(state::PersonUpdate& update, const Person& person, const state::Store& store, std::uint32_t now) const;

  const Config& config_;
  const state::PartKeys keys_;
  const state::SchemaBook* schemas_ = nullptr;       ///< the store's, since load()
  std::optional<EarlierReadings> earlier_readings_;  ///< once it was asked for
  std::string_view bytes_;                           ///< of the event that is judged
  std::map<std::string, Person> people_;
  std::unordered_map<state::DeliveryKey, Row, KeyHash> rows_;
  std::map<std::string, std::size_t> corrected_;
  std::vector<state::PersonUpdate> updates_;
  std::vector<state::ExampleCorrection> corrections_;
};

}  // namespace lacuna::daemon
