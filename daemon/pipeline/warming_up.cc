#include "daemon/pipeline/warming_up.h"

#include "daemon/pipeline/imputation.h"

namespace lacuna::daemon {

void WarmingUp::follow(const model::ModelVersion& version, Time now) {
  if (version.id() == version_) return;
  version_ = version.id();
  learned_ = {};
  for (FeatureId f = 0; f < config_.schema->feature_count(); ++f) {
    learned_.features.push_back(version.learned_from(f));
    learned_.warming_up += informed(config_, learned_.features.back()) ? 0 : 1;
  }
  for (ModalityId m = 0; m < config_.schema->modality_count(); ++m) {
    learned_.payloads.push_back(version.learned_from_payload(m));
    const bool imputed = config_.schema->modalities()[m].kind != ModalityKind::tabular;
    learned_.warming_up += !imputed || informed(config_, learned_.payloads.back()) ? 0 : 1;
  }
  if (learned_.warming_up == 0) since_.reset();
  else if (!since_) since_ = now;
}

std::vector<Degradation> WarmingUp::degraded() const {
  if (!since_) return {};
  return {{"warming_up", *since_}};
}

}  // namespace lacuna::daemon
