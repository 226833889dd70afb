#include "daemon/http/features_json.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "daemon/pipeline/imputation.h"

namespace lacuna::daemon {

namespace {

using Json = nlohmann::ordered_json;

void put_learned(Json& out, const Config& config, const model::LearnedFrom& from, bool constant) {
  out["observations"] = from.observations;
  out["patients"] = from.patients;
  out["state"] = !informed(config, from) ? "warming_up" : constant ? "constant" : "ready";
}

/// A bound that is not declared is null.
Json bound(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

Json feature_json(const Config& config, const Progress& progress, FeatureId f) {
  const Feature& feature = config.schema->features()[f];
  const model::ScoreBoard::Row row = f < progress.features.size() ? progress.features[f] : model::ScoreBoard::Row();
  Json out{{"feature", config.schema->qualified_name(f)}, {"kind", to_string(feature.likelihood)}};
  if (!feature.unit.empty()) out["unit"] = feature.unit;
  if (!feature.categories.empty()) out["categories"] = feature.categories;
  else if (std::isfinite(feature.low) || std::isfinite(feature.high)) out["range"] = {bound(feature.low), bound(feature.high)};
  put_learned(out, config, progress.learned.features[f], row.constant());
  // Of what was never scored there is no error: absent, not 0.
  if (row.count == 0) return out;
  const auto n = static_cast<double>(row.count);
  out["scored"] = row.count;
  out["error"] = row.error_model / n;
  out["error_of_mean"] = row.error_mean / n;
  out["coverage"] = row.coverage();
  if (row.censored > 0) out["censored"] = row.censored;
  return out;
}

}  // namespace

std::string features_json(const Config& config, const Progress& progress) {
  const Schema& schema = *config.schema;
  Json out{{"observations_min", config.observations_min}};
  if (!progress.model_version.empty()) out["version"] = progress.model_version;
  out["features"] = Json::array();
  if (progress.learned.features.empty()) return out.dump();
  for (ModalityId m = 0; m < schema.modality_count(); ++m) {
    const Modality& modality = schema.modalities()[m];
    for (FeatureId f = modality.first_feature; f < modality.first_feature + modality.feature_count; ++f) {
      out["features"].push_back(feature_json(config, progress, f));
    }
    if (modality.kind == ModalityKind::tabular) continue;
    Json payload{{"feature", modality.name}, {"kind", to_string(modality.kind)}};
    put_learned(payload, config, progress.learned.payloads[m], false);
    out["features"].push_back(std::move(payload));
  }
  return out.dump();
}

}  // namespace lacuna::daemon
