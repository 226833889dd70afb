#pragma once

#include <map>
#include <string>
#include <vector>

#include "model/drift/monitor.h"
#include "model/model_version.h"
#include "state/store.h"

namespace lacuna::daemon {

/// The patients against whom the codes of later ones are held: their snapshots, without their names, since every model version
/// has to encode them anew. Kept in the store in pieces, as each is written once.
class LatentReference {
 public:
  /// Patients whose code is due (Monitor::code_due), each as known at its last_time. Either they join the reference, or their codes
  /// are observed. Where the model fails the patients are left out.
  void observe(const model::ModelVersion& version, drift::Monitor& monitor, std::vector<const Snapshot*> due);

  /// For the store: what was not given before, nor read by load().
  std::map<std::string, std::string> save_new(const Schema& schema);
  /// Under the store's present schema. `corrupt`; `unsupported`, and empty, where patients were written in a newer format.
  Status load(const state::Store& store);
  /// Nobody is part of it any more, in the store neither once save_new() is.
  void begin_afresh();
  bool empty() const { return snapshots_.empty(); }

 private:
  std::vector<Snapshot> snapshots_;
  std::size_t saved_ = 0;  ///< of snapshots_
  bool changed_ = false;
  std::string encoded_by_;  ///< version whose codes the monitor has
};

}  // namespace lacuna::daemon
