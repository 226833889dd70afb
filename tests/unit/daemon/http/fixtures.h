#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <utility>

#include "daemon/config/config.h"
#include "daemon/pipeline/pipeline.h"

// What the tests of this folder share: a small schema, its configuration, a scratch folder.

namespace lacuna::daemon::testing {

inline Schema small_schema() {
  Feature hr{"hr", "/min", Likelihood::normal, 0, 300, {}, {}, {}};
  Feature resp{"resp_rate", "/min", Likelihood::normal, 0, 100, {}, {}, {}};
  Feature alt{"alt", "U/L", Likelihood::log_normal, 0, 30000, {}, {}, {}};
  Feature acvpu{"acvpu", "", Likelihood::categorical, 0, 1, {"alert", "voice"}, {}, {}};
  Modality vitals, liver, neuro;
  vitals.name = "vitals";
  liver.name = "liver";
  neuro.name = "neuro";
  auto made = Schema::make({{vitals, {hr, resp}}, {liver, {alt}}, {neuro, {acvpu}}}, {{"age", "a", {}, 0, 120, true}});
  return made.value();
}

inline Config small_config() {
  Config config;
  config.schema = std::make_shared<Schema>(small_schema());
  config.http.port = 0;
  return config;
}

inline Time at(const char* text) { return parse_rfc3339(text).value(); }

inline std::string event_line(const std::string& patient, const std::string& time, double hr) {
  return R"({"schema_version":1,"event_id":")" + patient + "-" + time + R"(","patient_id":")" + patient +
         R"(","modality":"vitals","time":")" + time + R"(","values":{"hr":)" + std::to_string(hr) + "}}";
}

inline drift::SubjectView subject(std::string kind, std::string name, drift::SubjectState state, std::uint64_t updates, double expected,
                                  double recent, double log_evidence, double log_threshold) {
  return {std::move(kind), std::move(name), state, updates, expected, recent, log_evidence, log_threshold, Time::min(), Time::min(), {}};
}

/// Every field set to something, so that no metric is left out for want of data.
inline Progress full_progress(const Schema& schema, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto below = [&random](std::uint64_t n) { return random() % n; };
  Progress p;
  p.counts.applied = below(1'000'000);
  p.counts.duplicate = below(1000);
  p.counts.late = below(1000);
  p.counts.refused = below(1000);
  p.counts.forwarded = below(1000);
  p.counts.consumed = p.counts.applied + p.counts.duplicate + p.counts.late + p.counts.refused + p.counts.forwarded;
  for (auto& reason : p.counts.refused_by) reason = below(1000);
  p.counts.partial = below(1000);
  p.counts.corrected = below(1000);
  p.counts.withdrawn = below(1000);
  p.counts.late_corrections = below(1000);
  p.counts.forgotten = below(1000);
  p.counts.merged = below(1000);
  p.counts.imputations = below(1000);
  p.counts.imputed_values = below(100'000);
  p.counts.alerts = below(10);
  p.counts.dead_letters = below(1000);
  p.batches = 40;
  p.aborted_batches = below(5);
  for (int i = 0; i < 40; ++i) p.batch_durations.add(std::exp2(static_cast<double>(below(16)) - 10));
  p.stage_seconds = {{"poll", 1.5}, {"decode", 0.25}, {"commit", 3}};
  p.lag = static_cast<std::int64_t>(below(1000));
  p.lags[{"lacuna.events", 3}] = p.lag;
  p.event_time = at("2026-01-01T00:07:00.250Z");
  p.model_version = "000412-9f3c21aa";
  p.learner.steps = 412;
  p.learner_wait_seconds = 1.25;
  p.learner.loss = 0.5;
  p.learner.step_ms = 12;
  p.scores.features = p.recent.features = schema.feature_count();
  p.scores.count = below(1'000'000);
  p.scores.coverage = 0.9;
  p.features.resize(schema.feature_count());
  for (auto& row : p.features) {
    row.count = 1 + below(1000);
    row.recent_weight = 2;
    row.recent_error_model = 1;
    row.recent_covered = 1.8;
  }
  p.subgroups = {{"all", 200, 4000, 0.4, 0.8, 0.5, 0.9, 0.01, 1.6}, {"age=0-40", 3, 40, 0.4, 0.8, 0.5, 0.9, 0.1, 1.6}};
  p.learned.features.assign(schema.feature_count(), {1000, 100});
  p.learned.features[1] = {3, 2};
  p.learned.payloads.resize(schema.modality_count());
  p.learned.warming_up = 1;
  p.subjects = {subject("missingness", "vitals", drift::SubjectState::armed, 100, 0.9, 0.5, 3, 12),
                subject("coverage", "liver.alt", drift::SubjectState::learning, 10, 0.1, 0.1, 0, 0)};
  p.subjects[0].since = at("2026-01-01T00:00:00Z");
  p.subjects[0].effects = {{"missing_share", 0.4}};
  Alert alert;
  alert.alert_id = "missingness/vitals@2026-01-01T00:00:00Z";
  alert.kind = "missingness";
  alert.subject = "vitals";
  alert.severity = Severity::critical;
  p.open_alerts = {alert, alert};
  p.open_alerts[1].severity = Severity::info;
  p.assigned_partitions = 4;
  p.partitions[{"lacuna.events", 3}] = {12, 6, 2, 1, 1, 0, 2};
  p.identity["lacuna.events"] = {below(1000), below(1000), below(1000)};
  p.degraded = {{"wrong_keys", at("2026-01-01T00:03:00Z")}};
  p.replay_size = 100;
  p.patients = 7;
  p.store_bytes = {{"block_cache", 1000}, {"sst", 2000}};
  return p;
}

}  // namespace lacuna::daemon::testing
