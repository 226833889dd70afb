#pragma once

#include <map>
#include <string>

#include "daemon/config/config.h"
#include "daemon/pipeline/latent_reference.h"
#include "daemon/pipeline/progress.h"
#include "model/drift/monitor.h"
#include "model/predictive/calibration.h"
#include "model/predictive/scores.h"
#include "state/store.h"

namespace lacuna::daemon {

/// What follows the stream and is checkpointed with each batch.
struct StreamState {
  model::Calibrator calibrator;
  model::ScoreBoard scores;
  drift::Monitor monitor;
  LatentReference reference;
  Time newest{};  ///< clinical time applied; the epoch: nothing yet

  StreamState(const Config& config);
  /// All but the reference of the codes: snapshots stay in the store.
  std::map<std::string, std::string> save() const;
  /// What the store does not have yet.
  std::map<std::string, std::string> save_new(const Schema& schema);
  /// Back to what the store holds (after an aborted batch, at start); fresh where it holds nothing.
  Status load(const Config& config, const state::Store& store);
  void report(Progress& progress) const;
};

}  // namespace lacuna::daemon
