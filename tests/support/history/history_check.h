#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "daemon/config/config.h"
#include "state/store.h"
#include "streaming/log/event_log.h"
#include "tests/support/history/history_model.h"

// Holds what the daemon has written, into its log and its store, against the model. What one batch was is read from the log: the records of
// the partitions' positions say where it ended; what of the input was taken along with what of the transfers the daemon's hook tells.

namespace lacuna::history {

class Check {
 public:
  /// `aloud`: what becomes of each record goes to standard error.
  Check(Model& model, const daemon::Config::Topics& topics, std::int32_t partitions, bool aloud)
      : model_(model), topics_(topics), partitions_(partitions), aloud_(aloud) {}

  /// What the daemon is about to commit as one batch.
  void prepared(std::span<const streaming::Record> batch);
  /// Everything committed since the last call: each batch's snapshots, imputations, dead letters and counts.
  void catch_up(streaming::LogFactory& log);
  /// Nothing was written but what had to be.
  void no_more(streaming::LogFactory& log);
  void store(const state::Store& store, const std::string& where);

  /// Of the input.
  std::int64_t consumed() const { return consumed_; }
  /// Whatever was sent from one partition to another has arrived.
  bool arrived() const;
  /// The first difference; empty: there is none.
  const std::string& problem() const { return problem_; }
  void found(const std::string& what) {
    if (problem_.empty()) problem_ = what;
  }

  /// Of all records that were read, by topic and partition.
  std::map<std::pair<std::string, std::int32_t>, std::uint64_t> traces;
  std::uint64_t batches = 0, snapshots = 0, imputations = 0, letters = 0, examples = 0, moved = 0;  ///< compared

 private:
  std::vector<streaming::Record> read(streaming::LogFactory& log, const std::string& topic, std::int32_t partition, std::int64_t& next,
                                      std::int64_t until = -1);
  /// A batch of one partition as the log tells of it.
  struct Committed {
    std::vector<streaming::Record> changelog, input;
    std::vector<state::PartitionPosition> positions;
  };
  void gather(streaming::LogFactory& log, std::int32_t partition, streaming::Record record);
  bool is_due(const Committed& batch) const;
  bool next_batch(std::int32_t partition);
  void batch(std::int32_t partition, const Committed& batch);
  void expect_position(const state::PartitionPosition& position);
  void expect_snapshots(const std::vector<streaming::Record>& records, const BatchOutcome& outcome);
  void expect_imputations(streaming::LogFactory& log);
  void expect_imputation(const ExpectedImputation& expected, const streaming::Record& found);
  void read_letters(streaming::LogFactory& log);
  void expect_letters(streaming::LogFactory& log);
  void replay(const state::Store& store, const std::string& where);
  bool holds(const Person& person, FeatureId feature, Time time, double value) const;

  Model& model_;
  const daemon::Config::Topics topics_;
  const std::int32_t partitions_;
  const bool aloud_;
  std::string problem_;
  std::int64_t consumed_ = 0;
  std::map<std::pair<std::string, std::int32_t>, std::int64_t> next_;
  /// Of a partition, where the input of a batch ended: whether records of the transfers were in it as well.
  std::map<std::int32_t, std::map<std::int64_t, bool>> goes_on_;
  std::map<std::int32_t, Committed> open_;              ///< whose end has not been read
  std::map<std::int32_t, std::deque<Committed>> read_;  ///< that may wait for what another partition sent
  std::map<std::string, std::int64_t> under_way_;       ///< from one partition to another, by name
  std::map<std::int32_t, std::deque<ExpectedImputation>> due_;
  std::map<std::int32_t, std::deque<streaming::Record>> published_;
  std::map<SourcePosition, std::string> letters_due_;
  /// Those of batches that were committed meanwhile, or that wait for what another partition sent, are found before they are due.
  std::map<SourcePosition, std::string> letters_found_;
};

}  // namespace lacuna::history
