#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "daemon/config/config.h"
#include "daemon/pipeline/control.h"
#include "daemon/pipeline/latent_reference.h"
#include "daemon/pipeline/progress.h"
#include "daemon/pipeline/stored_part.h"
#include "daemon/registry/learning_mask.h"
#include "model/drift/monitor.h"
#include "model/predictive/calibration.h"
#include "model/predictive/scores.h"
#include "model/predictive/subgroup_board.h"
#include "state/store.h"

namespace lacuna::daemon {

/// What follows the stream and is checkpointed with each batch.
struct StreamState {
  model::Calibrator calibrator;
  model::ScoreBoard scores;
  model::SubgroupBoard subgroups;
  drift::Monitor monitor;
  LatentReference reference;
  Decisions decisions;
  LearningMask mask;
  Time newest{};  ///< clinical time applied; the epoch: nothing yet
  /// Since the process started: parts of which the store held another version, and no way leads from that one to this.
  std::set<std::string, std::less<>> begun_afresh;

  StreamState(const Config& config);
  /// All but the reference of the codes: snapshots stay in the store.
  std::map<std::string, std::string> save() const;
  /// What the store does not have yet: it is taken to have it from then on, until load().
  void save_new(const Schema& schema, state::StateChange& change);
  /// Back to what the store holds (after an aborted batch, at start); fresh where it holds nothing, or another version of a part:
  /// all of these are learned again from the stream. `corrupt` for what no version wrote.
  Status load(const Config& config, const state::Store& store);
  void report(Progress& progress) const;

 private:
  state::PartChange& add_change(const char* name, Pieces now, state::StateChange& change);
  /// Says so once, however often it is loaded before the next batch replaces what the store holds.
  void begin_afresh(std::string_view part, const Status& why, std::string_view lost);

  std::map<std::string, StoredPart> stored_;         ///< those in pieces
  std::map<std::string, std::string> stored_whole_;  ///< the others, as they were written last
};

}  // namespace lacuna::daemon
