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

void StreamState::save_new(const Schema& schema, state::StateChange& change) {
  change.meta.merge(reference.save_new(schema));
  const std::map<std::string, std::string> small{
      {kControlMeta, decisions.save()}, {kMaskMeta, mask.save()}, {kNewestMeta, format_rfc3339(newest)}};
  for (const auto& [name, bytes] : small) {
    std::string& stored = stored_whole_[name];
    if (stored != bytes) change.meta[name] = stored = bytes;
  }
  add_change(kCalibrationMeta, calibrator.pieces(), change);
  add_change(kScoresMeta, scores.pieces(), change);
  if (stored_[kSubgroupsMeta].anew()) subgroups.all_changed();
  add_change(kSubgroupsMeta, subgroups.pieces(), change).rows = subgroups.take_changed();
  if (stored_[kMonitorMeta].anew()) monitor.all_patients_changed();
  add_change(kMonitorMeta, monitor.pieces(), change).rows = monitor.take_changed_patients();
}

state::PartChange& StreamState::add_change(const char* name, Pieces now, state::StateChange& change) {
  return change.parts[name] = stored_[name].change_to(std::move(now));
}

std::map<std::string, std::string> StreamState::save() const {
  return {{kCalibrationMeta, calibrator.save()}, {kScoresMeta, scores.save()},     {kSubgroupsMeta, subgroups.save()},
          {kMonitorMeta, monitor.save()},        {kControlMeta, decisions.save()}, {kMaskMeta, mask.save()},
          {kNewestMeta, format_rfc3339(newest)}};
}

Status StreamState::load(const Config& config, const state::Store& store) {
  bool detectors_lost = false;
  stored_.clear();
  stored_whole_.clear();
  const auto restore = [&](const char* name, auto& part, auto fresh, const char* lost, const auto& load_row) -> Status {
    part = std::move(fresh);
    const Result<state::StoredMeta> stored = store.meta(name);
    if (stored.code() == Code::not_found) return {};
    if (!stored.ok()) return stored.status();
    const Status loaded = part.load(stored->content, stored->grown.get());
    if (loaded.ok() && !stored->pieces.empty()) {
      if (!stored->grown) stored_[name] = StoredPart(stored->pieces);
      return store.for_each_row(name, [&](std::uint64_t key, std::string_view bytes) -> Status {
        if (load_row(key, bytes, stored->grown.get())) return {};
        return {Code::corrupt, std::string(name) + ": not a row that was written"};
      });
    }
    if (loaded.code() != Code::unsupported) return loaded;
    begin_afresh(name, loaded, lost);
    detectors_lost |= std::string_view(name) == kMonitorMeta;
    return {};
  };
  const Schema& schema = *config.schema;
  const auto no_rows = [](std::uint64_t, std::string_view, const SchemaMapping*) { return false; };
  LACUNA_RETURN_IF_ERROR(restore(kCalibrationMeta, calibrator, model::Calibrator(schema, config.predict.level),
                                 "intervals are the model's own until values have arrived", no_rows));
  LACUNA_RETURN_IF_ERROR(
      restore(kScoresMeta, scores, model::ScoreBoard(schema.feature_count(), config.score_window), "they count from here on", no_rows));
  LACUNA_RETURN_IF_ERROR(
      restore(kSubgroupsMeta, subgroups, model::SubgroupBoard(subgroups_of(config)), "groups of patients count from here on",
              [this](std::uint64_t id, std::string_view bytes, const SchemaMapping*) { return subgroups.load_row(id, bytes); }));
  if (subgroups.regrouped()) stored_[kSubgroupsMeta] = StoredPart();  // the configuration's groups are no part of the schema
  LACUNA_RETURN_IF_ERROR(restore(
      kMonitorMeta, monitor, drift::Monitor(schema, config.alerts),
      "detectors learn what is usual again; open alerts, and what operators accepted or muted, are forgotten",
      [this](std::uint64_t key, std::string_view bytes, const SchemaMapping* grown) { return monitor.load_patient(key, bytes, grown); }));
  LACUNA_RETURN_IF_ERROR(restore(kControlMeta, decisions, Decisions(), "what operators decided is read again from its topic", no_rows));
  LACUNA_RETURN_IF_ERROR(restore(kMaskMeta, mask, LearningMask(), "values from before accepted shifts are replayed again", no_rows));
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
