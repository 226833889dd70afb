#include "daemon/registry/model_json.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "daemon/config/keys.h"
#include "daemon/registry/newest_checkpoint.h"
#include "model/device.h"

namespace lacuna::daemon {

namespace {

nlohmann::ordered_json learned_json(const Config& config, const model::LearnedFrom& from) {
  return {{"observations", from.observations}, {"patients", from.patients}, {"warming_up", from.observations < config.observations_min}};
}

nlohmann::ordered_json base_json(const Config& config, const model::ModelVersion& version, const model::LearnerStats& stats) {
  const Schema& schema = *config.schema;
  nlohmann::ordered_json out{{"version", version.id()},
                             {"steps", version.steps()},
                             {"parameters", version.parameter_count()},
                             {"loss", version.loss()},
                             {"device", model::describe_device(config.model)},
                             {"examples", stats.examples},
                             {"replayed", stats.replayed},
                             {"skipped_steps", stats.skipped_steps},
                             {"objective", written(config, "train.objective")},
                             {"fusion", written(config, "model.fusion")},
                             {"latent_dim", config.model.latent_dim},
                             {"hidden_dim", config.model.hidden_dim},
                             {"schema",
                              {{"fingerprint", fmt::format("{:016x}", schema.fingerprint())},
                               {"modalities", schema.modality_count()},
                               {"features", schema.feature_count()}}}};
  nlohmann::ordered_json& learned = out["learned"] = nlohmann::ordered_json::object();
  for (FeatureId f = 0; f < schema.feature_count(); ++f) learned[schema.qualified_name(f)] = learned_json(config, version.learned_from(f));
  for (ModalityId m = 0; m < schema.modality_count(); ++m) {
    const Modality& modality = schema.modalities()[m];
    if (modality.kind != ModalityKind::tabular) learned[modality.name] = learned_json(config, version.learned_from_payload(m));
  }
  return out;
}

}  // namespace

std::string model_json(const Config& config, const model::ModelVersion& version, const model::LearnerStats& stats,
                       const model::ScoreBoard& scores) {
  nlohmann::ordered_json out = base_json(config, version, stats);
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
                                                         {"coverage", row.coverage()},
                                                         {"mean", mean},
                                                         {"sd", sd}};
  }
  return out.dump(2);
}

Result<std::string> newest_checkpoint_json(const Config& config) {
  const auto found = read_newest_checkpoint(config);
  if (!found.ok()) return found.status();
  nlohmann::ordered_json out = base_json(config, *found->version, found->stats);
  out["checkpoint"] = {{"name", found->name}, {"bytes", found->bytes}, {"time", format_rfc3339(found->made)}};
  return out.dump(2);
}

}  // namespace lacuna::daemon
