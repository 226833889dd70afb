#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "daemon/config/config.h"
#include "daemon/pipeline/transfers.h"
#include "state/person_transfer.h"
#include "state/store.h"

namespace lacuna::daemon {

/// What a batch moves between persons and partitions: records on their way to where their patient is known, and the two ends of a merge
/// (docs/identity.md). One a batch, one thread. A merge and its arrival are alone in their batch, and nothing is in flight then: they read
/// the store.
class PersonMoves {
 public:
  explicit PersonMoves(const Config& config) : config_(config), keys_(*config.schema) {}

  void send(const Transfer& transfer) { outputs_.push_back(to_record(config_, transfer)); }

  /// Sends all that is known of a person to `into`, and leaves a link there: `source` becomes one. `at`: the record that says so.
  Status merge(const state::Store& store, const std::string& into, const SourcePosition& at, Snapshot& source);
  /// Takes a piece of what is known of a person in, whose events are `into`'s from then on. `at`: the record that brought it.
  Status take(const state::Store& store, const state::PersonTransfer& piece, const SourcePosition& at, Snapshot& into);

  std::vector<streaming::OutputRecord> take_outputs() { return std::move(outputs_); }
  /// For the store and the changelog.
  const std::vector<state::PersonUpdate>& updates() const { return updates_; }
  std::vector<state::PersonUpdate> take_updates() { return std::move(updates_); }
  /// Of replay examples that hold what does not hold any more.
  std::vector<state::ExampleCorrection> take_corrections() { return std::move(corrections_); }

 private:
  /// What one of the two was told of a part, and does not hold for both.
  using Outdated = std::set<std::pair<state::PartKey, state::Tag>>;
  /// Ids of both.
  struct Rows {
    std::vector<state::DeliveryRow> rows;
    std::uint64_t added = 0;  ///< that the person did not have
    Outdated here, there;     ///< of the person, of the one who arrives
  };

  /// All that the records tell of one feature, as the snapshot has it.
  state::FeatureHistory history_of(FeatureId feature, const state::PersonPast& past, std::size_t asked, const FeatureState& known) const;
  Result<Rows> unite_rows(const state::Store& store, const std::string& person, const std::vector<state::DeliveryRow>& rows) const;
  Result<std::vector<std::pair<state::PartKey, state::HeldPayloads>>> payloads_of(const state::Store& store,
                                                                                  const Snapshot& snapshot) const;
  Status unite_payloads(const state::Store& store, const state::PersonTransfer& piece, const Rows& united, Snapshot& into,
                        state::PersonUpdate& update) const;
  Status unite_histories(const state::Store& store, const state::PersonTransfer& piece, const state::PersonPast& past,
                         const std::vector<state::DeliveryRow>& rows, Snapshot& into, state::PersonUpdate& update);
  std::vector<state::PartKey> feature_parts() const;

  const Config& config_;
  const state::PartKeys keys_;
  std::vector<streaming::OutputRecord> outputs_;
  std::vector<state::PersonUpdate> updates_;
  std::vector<state::ExampleCorrection> corrections_;
};

}  // namespace lacuna::daemon
