#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/config/config.h"
#include "state/store.h"
#include "streaming/log/event_log.h"

namespace lacuna::daemon {

/// Holds what stands in a part of the changelog against the store, and says how it is put right (docs/exactly-once.md). For one partition
/// of it, of which the store knows everything: nothing is under way, and nobody else writes there. One thread.
class ChangelogReview {
 public:
  /// `ours`: all input partitions that share the partition of the changelog.
  ChangelogReview(const Config& config, const state::Store& store, std::vector<streaming::TopicPartition> ours)
      : config_(config), store_(store), ours_(std::move(ours)) {}

  /// The next record, in order. An error is the store's.
  Status take(const streaming::Record& record);

  std::uint64_t taken() const { return taken_; }
  /// Another member of the group writes there, and rightly: nothing can be said.
  bool of_others() const { return of_others_; }
  /// Keys under which a restore would find something else than the store holds, or be led astray on its way.
  std::size_t wrong() const;

  struct Rewriting {
    streaming::Transaction transaction;  ///< moves no input position, but is ours to make only as long as the partitions are
    state::StateChange change;           ///< what the store has to write then, but for the positions in the changelog
    bool all = true;                     ///< nothing is left
  };
  /// Of at most `subjects_max` patients and other keys. `now`: wall clock.
  Result<Rewriting> rewriting(std::size_t subjects_max, Time now) const;

 private:
  struct Verdict {
    bool differs = false;     ///< the newest is not what the store says
    bool misleading = false;  ///< whatever comes after it
  };
  using Verdicts = std::map<std::string, Verdict>;  ///< by key

  Status take_tombstone(const std::string& patient, const streaming::Record& record);
  Status take_snapshot(const std::string& patient, const streaming::Record& record);
  Status take_person_record(const std::string& patient, const streaming::Record& record);
  Status take_position(const streaming::Record& record);
  void take_other(const streaming::Record& record);
  /// That has this key; empty where it is of no schema that is known.
  std::optional<state::SchemaRecord> schema_of(std::string_view key) const;
  Status rewrite(const std::string& patient, const Verdicts& verdicts, Rewriting& out) const;
  Status end_with_positions(Rewriting& out, Time now) const;
  streaming::OutputRecord output(std::string key, std::optional<std::string> value) const;

  const Config& config_;
  const state::Store& store_;
  const std::vector<streaming::TopicPartition> ours_;
  std::map<std::string, Verdicts> patients_;
  Verdicts others_;
  std::uint64_t taken_ = 0;
  bool of_others_ = false;
};

}  // namespace lacuna::daemon
