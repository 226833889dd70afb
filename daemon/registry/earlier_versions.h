#pragma once

#include <memory>
#include <vector>

#include "daemon/config/config.h"
#include "model/learner.h"
#include "model/model_version.h"
#include "state/records/time.h"
#include "state/store.h"

namespace lacuna::daemon {

/// Model versions of the past days, beside the newest: what was learned before something changed can say whether it is back, which a model
/// that went on learning cannot. Kept in the store as checkpoints under names of their own, on this disk alone: a lost disk loses them. One
/// thread.
class EarlierVersions {
 public:
  static constexpr Millis kEvery = std::chrono::hours(12);  ///< of clinical time
  static constexpr std::size_t kKept = 8;

  /// The store must be open when it is first asked.
  EarlierVersions(const Config& config, state::Store& store) : config_(config), store_(store) {}

  /// Keeps what `learner` has learned up to `now` (clinical time), where the newest one kept is older than that by kEvery, and drops the
  /// oldest beyond kKept. Errors of the store.
  Status keep(model::Learner& learner, Time now);
  /// The newest that was kept before `onset`; null where there is none, or where it cannot be read under the present schema, which is
  /// warned of once. Read when first asked for.
  std::shared_ptr<const model::ModelVersion> before(Time onset);
  /// Whoever is forgotten is in the weights of these: all are dropped.
  Status drop_all();

 private:
  Status list();

  const Config& config_;
  state::Store& store_;
  bool listed_ = false;
  std::vector<Time> kept_;  ///< oldest first
  Time loaded_ = Time::min();
  std::shared_ptr<const model::ModelVersion> version_;  ///< of loaded_; null: it could not be read
};

}  // namespace lacuna::daemon
