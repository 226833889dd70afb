#include "daemon/http/metrics.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <string_view>
#include <utility>

#include "daemon/http/exposition.h"
#include "daemon/http/subject_counts.h"
#include "state/records/subgroups.h"

namespace lacuna::daemon {

namespace {

using Labels = Exposition::Labels;

void add_pipeline(Exposition& out, const Progress& p) {
  const EventCounts& c = p.counts;
  out.counter("pipeline_consumed_total", "Records consumed; the sum over the outcomes of lacuna_pipeline_events_total").add(c.consumed);
  out.counter("pipeline_events_total", "Events by where they went")
      .add(c.applied, {{"outcome", "applied"}})
      .add(c.duplicate, {{"outcome", "duplicate"}})
      .add(c.late, {{"outcome", "late"}})
      .add(c.refused, {{"outcome", "refused"}})
      .add(c.forwarded, {{"outcome", "forwarded"}});
  out.counter("pipeline_refused_total", "Refused events and parts of events by reason");
  for (std::size_t i = 0; i < c.refused_by.size(); ++i) {
    out.add(c.refused_by[i], {{"reason", std::string(to_string(static_cast<streaming::Refusal>(i)))}});
  }
  out.counter("pipeline_partial_total", "Applied events of which some values were refused").add(c.partial);
  out.counter("pipeline_changes_total", "Applied events that changed what was known, by what they did")
      .add(c.corrected, {{"outcome", "corrected"}})
      .add(c.withdrawn, {{"outcome", "withdrawn"}});
  out.counter("pipeline_late_corrections_total", "Corrected and withdrawn values that were older than the history of their feature")
      .add(c.late_corrections);
  out.counter("identity_forgotten_total", "Events and tombstones that forgot a person").add(c.forgotten);
  out.counter("identity_merged_total", "Events that merged a person into another").add(c.merged);
  out.counter("pipeline_imputations_total", "Imputation messages published").add(c.imputations);
  out.counter("pipeline_imputed_values_total", "Values in published imputation messages").add(c.imputed_values);
  out.counter("pipeline_alerts_total", "Alert messages published: raised, updated, resolved").add(c.alerts);
  out.counter("pipeline_dead_letters_total", "Messages to the dead-letter topic").add(c.dead_letters);
  out.counter("pipeline_batches_total", "Batches committed").add(p.batches);
  out.counter("pipeline_aborted_batches_total", "Batches aborted and done again").add(p.aborted_batches);
  out.counter("pipeline_stage_seconds_total", "Time of the loop by stage");
  for (const auto& [stage, seconds] : p.stage_seconds) out.add(seconds, {{"stage", stage}});
  out.durations("pipeline_batch_seconds", "Duration of a batch from decoding to hand-over to the learner", BatchDurations::kBounds,
                p.batch_durations.counts, p.batch_durations.sum);
  out.gauge("pipeline_lag_records", "Records of the assigned partitions not yet read; without partitions as it was last").add(p.lag);
  out.gauge("pipeline_assigned_partitions", "Input partitions assigned to this instance").add(p.assigned_partitions);
  out.gauge("pipeline_ready", "1 while /readyz says so").add(p.ready ? 1 : 0);
  out.gauge("pipeline_degraded", "1 for each reason for which /readyz says degraded");
  for (const std::string_view reason : kDegradedReasons) {
    const bool now = std::any_of(p.degraded.begin(), p.degraded.end(), [&](const Degradation& d) { return d.reason == reason; });
    out.add(now ? 1 : 0, {{"reason", std::string(reason)}});
  }
  out.gauge("pipeline_event_time_seconds", "Newest clinical time applied, seconds since 1970");
  if (p.event_time != Time{}) out.add(static_cast<double>(p.event_time.time_since_epoch().count()) / 1000);
}

/// What became of HL7 v2 messages.
void add_feed(Exposition& out, const Progress& p) {
  const streaming::hl7::FeedCounts& c = p.counts.feed;
  out.counter("hl7_messages_total", "HL7 v2 messages read").add(c.messages);
  out.counter("hl7_observations_total", "Their OBX segments by what became of them");
  const std::pair<const char*, std::uint64_t> fates[] = {
      {"taken", c.taken},     {"joined", c.joined},     {"withdrawn", c.withdrawn}, {"no_result", c.no_result}, {"empty", c.empty},
      {"missing", c.missing}, {"unmapped", c.unmapped}, {"ignored", c.ignored},     {"elsewhere", c.elsewhere}, {"refused", c.refused}};
  for (const auto& [fate, count] : fates) out.add(count, {{"outcome", fate}});
  out.counter("hl7_administrative_total", "What they told of stays, places, merges and attributes alone").add(c.administrative);
  out.counter("hl7_clock_faults_total", "Their times that a clock showed twice or never")
      .add(c.clocks_twice, {{"kind", "twice"}})
      .add(c.clocks_never, {{"kind", "never"}});
  out.counter("hl7_refined_times_total", "Their times that were told coarsely, and found by another field").add(c.refined);
}

void add_partitions(Exposition& out, const Progress& p) {
  out.counter("partition_records_total",
              "Records of an input partition by what became of them, since its first: whichever instance holds it goes on counting");
  for (const auto& [partition, c] : p.partitions) {
    const std::pair<const char*, std::uint64_t> outcomes[] = {
        {"applied", c.applied}, {"duplicate", c.duplicate}, {"late", c.late}, {"refused", c.refused}, {"forwarded", c.forwarded}};
    for (const auto& [outcome, count] : outcomes) {
      out.add(count, {{"topic", partition.topic}, {"partition", std::to_string(partition.partition)}, {"outcome", outcome}});
    }
  }
}

/// Each topic from the start, so that the first one counts as an increase.
void add_identity(Exposition& out, const Progress& p) {
  IdentityFindings topics = p.identity;
  for (const auto& [partition, counts] : p.partitions) topics.try_emplace(partition.topic);
  out.counter("identity_wrong_keys_total",
              "Records that came with another key than their patient's id (key), or not in the partition of that id (partition)");
  for (const auto& [topic, counts] : topics) {
    out.add(counts.wrong_keys, {{"topic", topic}, {"kind", "key"}}).add(counts.wrong_partitions, {{"topic", topic}, {"kind", "partition"}});
  }
  out.counter("identity_site_changes_total", "Events of another site than their patient's, without a transfer that said so");
  for (const auto& [topic, counts] : topics) out.add(counts.site_changes, {{"topic", topic}});
}

void add_changelog(Exposition& out, const Progress& p) {
  out.counter("changelog_foreign_records_total", "Records in the changelog that this daemon did not write")
      .add(p.changelog.foreign_records);
  out.counter("changelog_rewritten_records_total", "Records written into the changelog anew from the store on account of these")
      .add(p.changelog.rewritten_records);
  out.counter("changelog_reviewed_records_total", "Records of the changelog read back because offsets alone did not explain them")
      .add(p.changelog.reviewed_records);
}

void add_recovery(Exposition& out, const Progress& p) {
  const Recovery& r = p.recovery;
  out.gauge("recovery_restoring_partitions", "Assigned partitions whose state is not here yet").add(r.restoring_partitions);
  out.gauge("recovery_left_records", "Changelog records left of the partition being restored").add(r.records_left);
  out.counter("recovery_restored_records_total", "Changelog records read to restore partitions").add(r.records_restored);
  out.counter("recovery_restore_seconds_total", "Time spent on it").add(r.restore_seconds);
  out.counter("recovery_wiped_partitions_total", "Partitions whose local state was forgotten and rebuilt, by why")
      .add(r.wiped_ahead, {{"reason", "ahead"}})
      .add(r.wiped_too_old, {{"reason", "too_old"}});
  out.counter("recovery_dropped_values_total", "Features, attributes and payloads that stored patients had and the present schema has not")
      .add(r.values_dropped);
  out.gauge("recovery_damaged_stores", "Damaged local stores set aside, lying beside the new one").add(r.damaged_stores);
  out.gauge("recovery_state_parts_begun_afresh",
            "1 of a part of the stored state that another version wrote, and that began afresh at this start; monitor: the detectors");
  for (const char* const part : kStateParts) out.add(r.state_parts_begun_afresh.contains(part) ? 1 : 0, {{"part", part}});
  out.counter("recovery_rejoins_total", "New clients after being fenced or an unknown outcome of a commit").add(r.rejoins);
  out.counter("recovery_unavailable_seconds_total", "Time the loop waited for something out of reach: the log, room on the disk")
      .add(r.unavailable_seconds);
}

void add_learner(Exposition& out, const Progress& p) {
  const model::LearnerStats& l = p.learner;
  out.gauge("model_info", "The serving model version, as a label; always 1");
  if (!p.model_version.empty()) out.add(1, {{"version", p.model_version}});
  out.counter("learner_steps_total", "Gradient steps").add(l.steps);
  out.counter("learner_examples_total", "Fresh examples learned from").add(l.examples);
  out.counter("learner_replayed_total", "Replayed examples learned from").add(l.replayed);
  out.counter("learner_versions_total", "Model versions published").add(l.versions);
  out.counter("learner_skipped_steps_total", "Steps whose loss or gradient was not finite: weights left as they were").add(l.skipped_steps);
  out.gauge("learner_pace", "Gradient steps an example pays for, of the usual ones: 0 while learning is frozen, see alerts.on_critical")
      .add(p.steps_multiplier);
  out.gauge("learner_queued_examples", "Fresh examples waiting for the learner").add(l.queued);
  out.counter("learner_wait_seconds_total", "Time the loop waited until what is to serve next was learned, see train.serve_after")
      .add(p.learner_wait_seconds);
  // Before the first step there is no loss: absent, not 0.
  out.gauge("learner_loss_nats", "Training loss per observed cell, exponential mean");
  if (l.steps > 0) out.add(l.loss);
  out.gauge("learner_kl_nats", "KL term per example, exponential mean");
  if (l.steps > 0) out.add(l.kl);
  out.gauge("learner_step_seconds", "Duration of a gradient step, exponential mean");
  if (l.steps > 0) out.add(l.step_ms / 1000);
}

/// How far the serving version has come with each feature; absent until there is one.
void add_learned(Exposition& out, const Schema& schema, const Progress& p) {
  if (p.learned.features.empty()) return;
  out.gauge("features_warming_up", "Features and payload modalities that are not imputed yet: too little of them was learned from")
      .add(p.learned.warming_up);
  out.gauge("feature_learned_values", "Observations of a feature that the serving version has learned from");
  for (FeatureId f = 0; f < schema.feature_count(); ++f) {
    out.add(p.learned.features[f].observations, {{"modality", schema.modality_of(f).name}, {"feature", schema.features()[f].name}});
  }
}

void add_scores(Exposition& out, const Progress& p) {
  out.counter("score_values_total", "Arriving values that were predicted before they were used").add(p.scores.count);
  const std::pair<const char*, const model::ScoreBoard::Summary*> windows[] = {{"all", &p.scores}, {"recent", &p.recent}};
  out.gauge("score_error", "Mean absolute error in standard deviations, features weighted equally, by predictor");
  for (const auto& [window, s] : windows) {
    if (s->features == 0) continue;
    out.add(s->error_model, {{"predictor", "model"}, {"window", window}})
        .add(s->error_last, {{"predictor", "last"}, {"window", window}})
        .add(s->error_mean, {{"predictor", "mean"}, {"window", window}});
  }
  out.gauge("score_coverage_ratio", "Share of arriving values inside their interval");
  for (const auto& [window, s] : windows) {
    if (s->features > 0) out.add(s->coverage, {{"window", window}});
  }
  out.gauge("score_crps", "Continuous ranked probability score in standard deviations");
  for (const auto& [window, s] : windows) {
    if (s->features > 0) out.add(s->crps, {{"window", window}});
  }
}

void add_features(Exposition& out, const Schema& schema, const Progress& p) {
  using Row = model::ScoreBoard::Row;
  const auto each = [&](auto&& value, bool recent) {
    for (FeatureId f = 0; f < p.features.size() && f < schema.feature_count(); ++f) {
      // A feature that never arrived has no error: absent, not 0.
      if (recent && p.features[f].recent_weight <= 0) continue;
      value(p.features[f], Labels{{"modality", schema.modality_of(f).name}, {"feature", schema.features()[f].name}});
    }
  };
  const auto with = [](Labels labels, const char* name, const char* value) {
    labels.push_back({name, value});
    return labels;
  };
  out.counter("feature_values_total", "Arriving values that were predicted before they were used, by feature");
  each([&](const Row& r, Labels l) { out.add(r.count, std::move(l)); }, false);
  out.gauge("feature_constant", "1 where most values of a feature were the same, which no error is told of");
  each([&](const Row& r, Labels l) { out.add(r.constant() ? 1 : 0, std::move(l)); }, false);
  out.gauge("feature_error", "Mean absolute error in standard deviations over the recent window, by feature and predictor");
  each(
      [&](const Row& r, const Labels& l) {
        out.add(r.recent_error_model / r.recent_weight, with(l, "predictor", "model"))
            .add(r.recent_error_last / r.recent_weight, with(l, "predictor", "last"))
            .add(r.recent_error_mean / r.recent_weight, with(l, "predictor", "mean"));
      },
      true);
  out.gauge("feature_coverage_ratio", "Share of recent values inside their interval, by feature");
  each([&](const Row& r, Labels l) { out.add(r.recent_coverage(), std::move(l)); }, true);
  out.gauge("feature_crps", "Continuous ranked probability score over the recent window, by feature");
  each([&](const Row& r, Labels l) { out.add(r.recent_crps / r.recent_weight, std::move(l)); }, true);
}

/// Of groups that are large enough; their names are made of what the configuration declares, and there are kSubgroupsMax at most.
void add_subgroups(Exposition& out, const Config& config, const Progress& p) {
  const auto each = [&](auto&& figure) {
    for (const model::SubgroupFigures& g : p.subgroups) {
      const std::optional<double> value = g.patients >= config.subgroup_patients_min ? figure(g) : std::nullopt;
      if (value) out.add(*value, {{"group", g.name}});
    }
  };
  using Figure = std::optional<double>;
  const auto of_values = [](double model::SubgroupFigures::*figure) {
    return [figure](const model::SubgroupFigures& g) { return g.values > 0 ? Figure(g.*figure) : Figure(); };
  };
  out.gauge("subgroup_patients", "Patients of a group with a scored value; smaller groups than subgroups.patients_min are left out");
  each([](const auto& g) { return Figure(static_cast<double>(g.patients)); });
  out.gauge("subgroup_error", "Mean absolute error in standard deviations, every value alike, by group of patients");
  each(of_values(&model::SubgroupFigures::mae));
  out.gauge("subgroup_skill_ratio", "1 - error / that of the population's mean, by group of patients");
  each(of_values(&model::SubgroupFigures::skill));
  out.gauge("subgroup_coverage_ratio", "Share of values inside their interval, by group of patients");
  each([](const auto& g) { return Figure(g.coverage); });
  out.gauge("subgroup_coverage_error_ratio", "Standard error of that share, by patient");
  each([](const auto& g) { return g.coverage_error; });
  out.gauge("subgroup_width", "Mean width of intervals in standard deviations, by group of patients");
  each(of_values(&model::SubgroupFigures::width));
}

/// Words of subjects that no schema declares.
constexpr std::string_view kOwnWords[] = {"codes", "coverage", "duplicate", "error", "late", "refused", "together"};

/// The names that label values may be made of: those that the configuration declares, and our own. Sites come with the stream:
/// a label of theirs would be an open set, and carry names out of the hospital.
class LabelWords {
 public:
  explicit LabelWords(const Schema& schema) : words_(std::begin(kOwnWords), std::end(kOwnWords)) {
    for (const Modality& m : schema.modalities()) words_.insert(m.name);
    for (const Feature& f : schema.features()) {
      words_.insert(f.name);
      words_.insert(f.categories.begin(), f.categories.end());
    }
    for (const Attribute& a : schema.attributes()) {
      words_.insert(a.name);
      words_.insert(a.categories.begin(), a.categories.end());
      for (const std::string& band : parts_of(a)) add_pieces(band);
    }
  }
  bool cover(std::string_view subject) const {
    if (words_.contains(subject)) return true;
    while (!subject.empty()) {
      const std::size_t end = std::min(subject.find_first_of(kSeparators), subject.size());
      if (end > 0 && !words_.contains(subject.substr(0, end))) return false;
      subject.remove_prefix(std::min(end + 1, subject.size()));
    }
    return true;
  }

 private:
  static constexpr std::string_view kSeparators = ".,+/=|@: ";
  /// A band's borders may have a point in them.
  void add_pieces(std::string_view band) {
    while (!band.empty()) {
      const std::size_t end = std::min(band.find_first_of(kSeparators), band.size());
      words_.emplace(band.substr(0, end));
      band.remove_prefix(std::min(end + 1, band.size()));
    }
  }
  std::set<std::string, std::less<>> words_;
};

void add_subject_counts(Exposition& out, const Progress& p) {
  const auto families = count_subjects(p.subjects, p.event_time);
  out.gauge("drift_subjects", "Subjects of a family by state; those muted are in another state as well");
  for (const auto& [kind, counts] : families) {
    for (const auto state : {drift::SubjectState::learning, drift::SubjectState::armed, drift::SubjectState::alarmed}) {
      out.add(counts.states[static_cast<std::size_t>(state)], {{"kind", kind}, {"state", std::string(to_string(state))}});
    }
    out.add(counts.muted, {{"kind", kind}, {"state", "muted"}});
  }
  out.gauge("drift_log_evidence_over_threshold_max",
            "Natural logarithm of a family's largest evidence over its threshold: at 0 a subject alarms");
  for (const auto& [kind, counts] : families) {
    if (std::isfinite(counts.over_threshold_max)) out.add(counts.over_threshold_max, {{"kind", kind}});
  }
}

void add_detectors(Exposition& out, const Schema& schema, const Progress& p) {
  const LabelWords words(schema);
  const auto each = [&](auto&& value) {
    for (const drift::SubjectView& s : p.subjects) {
      if (words.cover(s.subject)) value(s, Labels{{"kind", s.kind}, {"subject", s.subject}});
    }
  };
  out.gauge("detector_log_evidence", "Natural logarithm of a drift detector's e-value");
  each([&](const auto& s, Labels l) { out.add(s.log_evidence, std::move(l)); });
  out.gauge("detector_log_threshold", "Natural logarithm of the evidence at which it alarms");
  each([&](const auto& s, Labels l) {
    if (s.state != drift::SubjectState::learning) out.add(s.log_threshold, std::move(l));
  });
  out.gauge("detector_state", "1 for the state a detector is in, 0 for the others");
  each([&](const auto& s, const Labels& l) {
    for (const auto state : {drift::SubjectState::learning, drift::SubjectState::armed, drift::SubjectState::alarmed}) {
      Labels labels = l;
      labels.push_back({"state", std::string(to_string(state))});
      out.add(s.state == state ? 1 : 0, std::move(labels));
    }
  });
  out.counter("detector_updates_total", "Updates of a detector");
  each([&](const auto& s, Labels l) { out.add(s.updates, std::move(l)); });
  out.gauge("detector_rate_expected", "Mean that a detector expects of what it watches: a rate, such as arrivals per patient-hour");
  each([&](const auto& s, Labels l) {
    if (s.updates > 0) out.add(s.expected, std::move(l));
  });
  out.gauge("detector_rate_recent", "The same mean as it is now");
  each([&](const auto& s, Labels l) {
    if (s.updates > 0) out.add(s.recent, std::move(l));
  });
  std::array<std::size_t, 2> open{};
  for (const Alert& alert : p.open_alerts) open[alert.severity == Severity::critical ? 1 : 0] += 1;
  out.gauge("alerts_open", "Alerts raised and not resolved").add(open[0], {{"severity", "info"}}).add(open[1], {{"severity", "critical"}});
}

void add_store(Exposition& out, const Progress& p) {
  out.gauge("store_patients", "Patients in the store (estimate)").add(p.patients);
  out.gauge("store_replay_examples", "Examples in the replay buffer").add(p.replay_size);
  out.gauge("store_bytes", "Bytes of the store, on disk and in memory, by part");
  for (const auto& [part, bytes] : p.store_bytes) out.add(bytes, {{"part", part}});
}

}  // namespace

std::string prometheus_text(const Config& config, const Progress& progress) {
  Exposition out;
  add_pipeline(out, progress);
  add_feed(out, progress);
  add_partitions(out, progress);
  add_identity(out, progress);
  add_changelog(out, progress);
  add_recovery(out, progress);
  add_learner(out, progress);
  add_learned(out, *config.schema, progress);
  add_scores(out, progress);
  add_features(out, *config.schema, progress);
  add_subgroups(out, config, progress);
  add_subject_counts(out, progress);
  add_detectors(out, *config.schema, progress);
  add_store(out, progress);
  return out.text();
}

}  // namespace lacuna::daemon
