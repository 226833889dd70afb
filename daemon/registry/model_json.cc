#include "daemon/registry/model_json.h"

#include <nlohmann/json.hpp>

#include "model/device.h"

namespace lacuna::daemon {

std::string model_json(const Config& config, const model::ModelVersion& version, const model::LearnerStats& stats,
                       const model::ScoreBoard& scores) {
  nlohmann::ordered_json out{{"version", version.id()},
                             {"steps", version.steps()},
                             {"parameters", version.parameter_count()},
                             {"loss", version.loss()},
                             {"device", model::describe_device(config.model)},
                             {"examples", stats.examples},
                             {"replayed", stats.replayed},
                             {"skipped_steps", stats.skipped_steps}};
  for (FeatureId f = 0; f < config.schema->feature_count(); ++f) {
    const model::ScoreBoard::Row& row = scores.row(f);
    if (row.constant()) out["constant_features"].push_back(config.schema->qualified_name(f));
    if (row.count == 0) continue;
    const double n = static_cast<double>(row.count);
    const auto [mean, sd] = version.moments(f);
    out["features"][config.schema->qualified_name(f)] = {{"count", row.count},
                                                         {"mae", row.error_model / n},
                                                         {"mae_last_value", row.error_last / n},
                                                         {"mae_mean", row.error_mean / n},
                                                         {"crps", row.crps / n},
                                                         {"coverage", static_cast<double>(row.covered) / n},
                                                         {"mean", mean},
                                                         {"sd", sd}};
  }
  return out.dump(2);
}

}  // namespace lacuna::daemon
