#include "daemon/pipeline/stream_state.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "daemon/registry/learner_checkpoints.h"

namespace lacuna::daemon {

namespace {

constexpr const char* kScoresMeta = "scores";
constexpr const char* kSubgroupsMeta = "subgroups";
constexpr const char* kMonitorMeta = "monitor";
constexpr const char* kControlMeta = "control";
constexpr const char* kMaskMeta = "learning_mask";
constexpr const char* kNewestMeta = "newest";
constexpr const char* kReferencePart = "latent_reference";

}  // namespace

StreamState::StreamState(const Config& config)
    : calibrator(*config.schema, config.predict.level),
      scores(config.schema->feature_count(), config.score_window),
      subgroups(subgroups_of(config)),
      monitor(*config.schema, config.alerts) {}

std::map<std::string, std::string> StreamState::save_new(const Schema& schema) {
  std::map<std::string, std::string> out = reference.save_new(schema);
  out.merge(save());
  return out;
}

std::map<std::string, std::string> StreamState::save() const {
  return {{kCalibrationMeta, calibrator.save()}, {kScoresMeta, scores.save()},     {kSubgroupsMeta, subgroups.save()},
          {kMonitorMeta, monitor.save()},        {kControlMeta, decisions.save()}, {kMaskMeta, mask.save()},
          {kNewestMeta, format_rfc3339(newest)}};
}

Status StreamState::load(const Config& config, const state::Store& store) {
  bool detectors_lost = false;
  const auto restore = [&](const char* name, auto& part, auto fresh, const char* lost) -> Status {
    part = std::move(fresh);
    const Result<state::StoredMeta> stored = store.meta(name);
    if (stored.code() == Code::not_found) return {};
    if (!stored.ok()) return stored.status();
    const Status loaded = part.load(stored->content, stored->grown.get());
    if (loaded.code() != Code::unsupported) return loaded;
    begin_afresh(name, loaded, lost);
    detectors_lost |= std::string_view(name) == kMonitorMeta;
    return {};
  };
  const Schema& schema = *config.schema;
  LACUNA_RETURN_IF_ERROR(restore(kCalibrationMeta, calibrator, model::Calibrator(schema, config.predict.level),
                                 "intervals are the model's own until values have arrived"));
  LACUNA_RETURN_IF_ERROR(
      restore(kScoresMeta, scores, model::ScoreBoard(schema.feature_count(), config.score_window), "they count from here on"));
  LACUNA_RETURN_IF_ERROR(
      restore(kSubgroupsMeta, subgroups, model::SubgroupBoard(subgroups_of(config)), "groups of patients count from here on"));
  LACUNA_RETURN_IF_ERROR(restore(kMonitorMeta, monitor, drift::Monitor(schema, config.alerts),
                                 "detectors learn what is usual again; open alerts, and what operators accepted or muted, are forgotten"));
  LACUNA_RETURN_IF_ERROR(restore(kControlMeta, decisions, Decisions(), "what operators decided is read again from its topic"));
  LACUNA_RETURN_IF_ERROR(restore(kMaskMeta, mask, LearningMask(), "values from before accepted shifts are replayed again"));
  const Result<state::StoredMeta> time = store.meta(kNewestMeta);
  if (!time.ok() && time.code() != Code::not_found) return time.status();
  newest = time.ok() ? parse_rfc3339(time->content).value_or(Time{}) : Time{};
  const Status gathered = reference.load(store);
  if (gathered.code() == Code::unsupported) begin_afresh(kReferencePart, gathered, "it is gathered again");
  else if (!gathered.ok()) return gathered;
  // The detector counts whom the reference gathers: neither can go on without the other.
  if (gathered.code() == Code::unsupported || detectors_lost) reference.begin_afresh();
  if (reference.empty() && monitor.gathers_reference()) monitor.gather_reference();
  return {};
}

void StreamState::begin_afresh(std::string_view part, const Status& why, std::string_view lost) {
  if (!begun_afresh.emplace(part).second) return;
  spdlog::warn("{} begun afresh, since the stored one cannot be read ({}): {}; patients, positions and the model are kept", part,
               why.message(), lost);
}

void StreamState::report(Progress& progress) const {
  progress.event_time = newest;
  progress.scores = scores.summary();
  progress.recent = scores.recent();
  for (FeatureId f = 0; f < scores.size(); ++f) progress.features.push_back(scores.row(f));
  progress.subgroups = subgroups.figures();
  progress.subjects = monitor.subjects();
  progress.open_alerts = monitor.open_alerts();
  progress.decisions = decisions.standing();
  progress.recovery.state_parts_begun_afresh = begun_afresh;
}

}  // namespace lacuna::daemon
