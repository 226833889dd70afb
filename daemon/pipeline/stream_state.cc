#include "daemon/pipeline/stream_state.h"

#include <utility>

#include "daemon/registry/learner_checkpoints.h"

namespace lacuna::daemon {

namespace {

constexpr const char* kScoresMeta = "scores";
constexpr const char* kMonitorMeta = "monitor";
constexpr const char* kNewestMeta = "newest";

}  // namespace

StreamState::StreamState(const Config& config)
    : calibrator(*config.schema, config.predict.level),
      scores(config.schema->feature_count(), config.score_window),
      monitor(*config.schema, config.alerts) {}

std::map<std::string, std::string> StreamState::save_new(const Schema& schema) {
  std::map<std::string, std::string> out = reference.save_new(schema);
  out.merge(save());
  return out;
}

std::map<std::string, std::string> StreamState::save() const {
  return {{kCalibrationMeta, calibrator.save()},
          {kScoresMeta, scores.save()},
          {kMonitorMeta, monitor.save()},
          {kNewestMeta, format_rfc3339(newest)}};
}

Status StreamState::load(const Config& config, const state::Store& store) {
  const auto restore = [&store](const char* name, auto& part, auto fresh) -> Status {
    part = std::move(fresh);
    Result<std::string> bytes = store.meta(name);
    if (bytes.code() == Code::not_found) return {};
    if (!bytes.ok()) return bytes.status();
    return part.load(*bytes);
  };
  const Schema& schema = *config.schema;
  LACUNA_RETURN_IF_ERROR(restore(kCalibrationMeta, calibrator, model::Calibrator(schema, config.predict.level)));
  LACUNA_RETURN_IF_ERROR(
      restore(kScoresMeta, scores, model::ScoreBoard(schema.feature_count(), config.score_window)));
  LACUNA_RETURN_IF_ERROR(restore(kMonitorMeta, monitor, drift::Monitor(schema, config.alerts)));
  const Result<std::string> time = store.meta(kNewestMeta);
  if (!time.ok() && time.code() != Code::not_found) return time.status();
  newest = time.ok() ? parse_rfc3339(*time).value_or(Time{}) : Time{};
  return reference.load(schema, store);
}

void StreamState::report(Progress& progress) const {
  progress.event_time = newest;
  progress.scores = scores.summary();
  progress.recent = scores.recent();
  for (FeatureId f = 0; f < scores.size(); ++f) progress.features.push_back(scores.row(f));
  progress.subjects = monitor.subjects();
  progress.open_alerts = monitor.open_alerts();
}

}  // namespace lacuna::daemon
