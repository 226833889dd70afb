#include <gtest/gtest.h>

#include <regex>
#include <set>

#include "daemon/http/metrics.h"
#include "tests/unit/daemon/http/exposition.h"
#include "tests/unit/daemon/http/fixtures.h"

namespace lacuna::daemon {
namespace {

using testing::Exposition;
using testing::parse_exposition;
using testing::Sample;

std::string base_name(std::string name) {
  for (const char* suffix : {"_bucket", "_count", "_sum"}) {
    if (name.ends_with(suffix)) return name.substr(0, name.size() - std::string_view(suffix).size());
  }
  return name;
}

// The promise of the counts: consumed = applied + duplicate + late + refused + forwarded, in what is scraped, for any
// counts.
TEST(Metrics, outcomes_add_up_to_what_was_consumed) {
  const Config config = testing::small_config();
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    const Progress progress = testing::full_progress(*config.schema, seed);
    const Exposition out = parse_exposition(prometheus_text(config, progress));
    EXPECT_EQ(out.of("lacuna_pipeline_events_total").size(), 5u);
    ASSERT_EQ(out.of("lacuna_pipeline_consumed_total").size(), 1u);
    EXPECT_EQ(out.sum("lacuna_pipeline_events_total"), out.sum("lacuna_pipeline_consumed_total")) << "seed " << seed;
    double refused = 0;
    for (const auto n : progress.counts.refused_by) refused += static_cast<double>(n);
    EXPECT_EQ(out.sum("lacuna_pipeline_refused_total"), refused) << "seed " << seed;
    EXPECT_EQ(out.of("lacuna_pipeline_refused_total").size(), streaming::kRefusalCount);
  }
}

// What a scraper relies on: names of one form, a type and a help for each, counters end in _total, no sample
// twice.
TEST(Metrics, every_family_is_well_formed) {
  const Config config = testing::small_config();
  const Exposition out = parse_exposition(prometheus_text(config, testing::full_progress(*config.schema, 1)));
  const std::regex form("lacuna_[a-z][a-z0-9_]+");
  std::set<std::pair<std::string, std::map<std::string, std::string>>> seen;
  for (const Sample& s : out.samples) {
    EXPECT_TRUE(std::regex_match(s.name, form)) << s.name;
    EXPECT_TRUE(seen.emplace(s.name, s.labels).second) << s.name << " twice";
    const bool histogram = out.types.contains(base_name(s.name)) && out.types.at(base_name(s.name)) == "histogram";
    const std::string family = histogram ? base_name(s.name) : s.name;
    ASSERT_TRUE(out.types.contains(family)) << s.name;
    EXPECT_TRUE(out.helps.contains(family)) << s.name;
    EXPECT_EQ(out.types.at(family) == "counter", s.name.ends_with("_total")) << s.name;
  }
  EXPECT_GT(out.types.size(), 40u);
}

// An alarm looks at what a counter rose by: a topic whose records were always right is there as well, at 0.
TEST(Metrics, wrong_keys_are_counted_by_topic_and_kind_from_the_start) {
  const Config config = testing::small_config();
  Progress progress = testing::full_progress(*config.schema, 1);
  progress.partitions[{"right", 0}] = {};
  progress.identity = {{"wrong", {3, 5, 2}}};
  const Exposition out = parse_exposition(prometheus_text(config, progress));
  std::map<std::string, double> counts;
  for (const Sample& s : out.of("lacuna_identity_wrong_keys_total")) counts[s.labels.at("topic") + "/" + s.labels.at("kind")] = s.value;
  EXPECT_EQ(counts, (std::map<std::string, double>{{"wrong/key", 3},
                                                   {"wrong/partition", 5},
                                                   {"right/key", 0},
                                                   {"right/partition", 0},
                                                   {"lacuna.events/key", 0},
                                                   {"lacuna.events/partition", 0}}));
  counts.clear();
  for (const Sample& s : out.of("lacuna_identity_site_changes_total")) counts[s.labels.at("topic")] = s.value;
  EXPECT_EQ(counts, (std::map<std::string, double>{{"wrong", 2}, {"right", 0}, {"lacuna.events", 0}}));
}

// A reason that does not hold is there as 0: an alarm on it can tell "no" from "not known".
TEST(Metrics, each_reason_to_be_degraded_has_its_series) {
  const Config config = testing::small_config();
  Progress progress = testing::full_progress(*config.schema, 1);
  progress.degraded = {{"wrong_keys", testing::at("2026-01-01T00:03:00Z")}};
  const auto value = [&] { return parse_exposition(prometheus_text(config, progress)).of("lacuna_pipeline_degraded").at(0); };
  EXPECT_EQ(value().labels.at("reason"), "wrong_keys");
  EXPECT_EQ(value().value, 1);
  progress.degraded.clear();
  EXPECT_EQ(value().value, 0);
}

// Before there is a model nothing is known of it: absent, not 0.
TEST(Metrics, what_was_learned_of_each_feature_is_told_once_there_is_a_model) {
  const Config config = testing::small_config();
  Progress progress = testing::full_progress(*config.schema, 1);
  Exposition out = parse_exposition(prometheus_text(config, progress));
  EXPECT_EQ(out.of("lacuna_features_warming_up").at(0).value, 1);
  ASSERT_EQ(out.of("lacuna_feature_learned_values").size(), config.schema->feature_count());
  EXPECT_EQ(out.of("lacuna_feature_learned_values")[1].labels.at("feature"), "resp_rate");
  EXPECT_EQ(out.of("lacuna_feature_learned_values")[1].value, 3);
  progress.learned = {};
  out = parse_exposition(prometheus_text(config, progress));
  EXPECT_TRUE(out.of("lacuna_features_warming_up").empty());
  EXPECT_TRUE(out.of("lacuna_feature_learned_values").empty());
}

// A label per patient, or any other open set, would grow without bound and carry identifiers out of the ward.
TEST(Metrics, labels_come_from_closed_sets) {
  const Config config = testing::small_config();
  Progress progress = testing::full_progress(*config.schema, 2);
  for (Alert& alert : progress.open_alerts) alert.summary = "patient-4711";
  const std::string text = prometheus_text(config, progress);
  const std::set<std::string> allowed{"outcome", "reason", "stage",    "version", "predictor", "window", "modality",  "feature", "kind",
                                      "subject", "state",  "severity", "part",    "le",        "topic",  "partition", "group"};
  std::set<std::string> modalities, features;
  for (const Modality& m : config.schema->modalities()) modalities.insert(m.name);
  for (const Feature& f : config.schema->features()) features.insert(f.name);
  for (const Sample& s : parse_exposition(text).samples) {
    for (const auto& [name, value] : s.labels) {
      EXPECT_TRUE(allowed.contains(name)) << s.name << " " << name;
      EXPECT_TRUE(name != "modality" || modalities.contains(value)) << value;
      EXPECT_TRUE(name != "feature" || features.contains(value)) << value;
    }
  }
  EXPECT_EQ(text.find("4711"), std::string::npos);
}

// Groups are named by what is declared, and one of few patients has no series.
TEST(Metrics, groups_of_few_patients_have_no_series) {
  Config config = testing::small_config();
  const Progress progress = testing::full_progress(*config.schema, 2);
  const auto groups = [&](const char* family) {
    std::set<std::string> out;
    for (const Sample& s : parse_exposition(prometheus_text(config, progress)).of(family)) out.insert(s.labels.at("group"));
    return out;
  };
  for (const char* figure : {"patients", "error", "skill_ratio", "coverage_ratio", "coverage_error_ratio", "width"}) {
    EXPECT_EQ(groups((std::string("lacuna_subgroup_") + figure).c_str()), std::set<std::string>{"all"}) << figure;
  }
  config.subgroup_patients_min = 2;
  EXPECT_EQ(groups("lacuna_subgroup_error"), (std::set<std::string>{"all", "age=0-40"}));
}

// Sites come with the stream: a subject that names one is counted in its family and has no series of its own.
TEST(Metrics, subjects_are_named_by_configured_names_only) {
  const Config config = testing::small_config();
  Progress progress = testing::full_progress(*config.schema, 2);
  const auto add = [&](const char* subject) {
    progress.subjects.push_back(testing::subject("stream", subject, drift::SubjectState::armed, 10, 0.1, 0.2, 1, 12));
  };
  for (const char* subject : {"late", "vitals.hr+liver.alt", "coverage acvpu=voice", "age", "together"}) add(subject);
  for (const char* subject : {"St. Mary's", "late@icu-4711", "vitals.hr/icu-4711", "4711"}) add(subject);
  const std::string text = prometheus_text(config, progress);
  EXPECT_EQ(text.find("4711"), std::string::npos);
  EXPECT_EQ(text.find("Mary"), std::string::npos);
  const Exposition out = parse_exposition(text);
  std::size_t named = 0;
  for (const Sample& s : out.of("lacuna_detector_log_evidence")) named += s.labels.at("kind") == "stream" ? 1 : 0;
  EXPECT_EQ(named, 5u);
  for (const Sample& s : out.of("lacuna_drift_subjects")) {
    if (s.labels.at("kind") == "stream") {
      EXPECT_EQ(s.value, s.labels.at("state") == "armed" ? 9 : 0);
    }
  }
}

// And none is lost: whatever a monitor of this schema watches has its series, but for the sites.
TEST(Metrics, every_subject_of_a_monitor_has_its_series) {
  const Config config = testing::small_config();
  drift::MonitorOptions options;
  options.latent_dimensions = 4;
  Progress progress;
  progress.subjects = drift::Monitor(*config.schema, options).subjects();
  ASSERT_GT(progress.subjects.size(), 20u);
  const Exposition out = parse_exposition(prometheus_text(config, progress));
  std::set<std::string> named;
  for (const Sample& s : out.of("lacuna_detector_log_evidence")) named.insert(s.labels.at("kind") + "/" + s.labels.at("subject"));
  for (const auto& s : progress.subjects) EXPECT_TRUE(named.contains(s.kind + "/" + s.subject)) << s.kind << "/" << s.subject;
}

// What a pager can watch without a series per subject: how many are in which state, and how near the nearest is.
TEST(Metrics, families_are_sums_over_their_subjects) {
  const Config config = testing::small_config();
  Progress progress = testing::full_progress(*config.schema, 2);
  progress.subjects.clear();
  for (int i = 0; i < 300; ++i) {
    const auto state = static_cast<drift::SubjectState>(i % 3);
    progress.subjects.push_back(testing::subject(i % 2 == 0 ? "value" : "error", "hr", state, 10, 0.1, 0.2, i / 100.0, 12));
    if (i < 10) progress.subjects.back().muted_until = progress.event_time + std::chrono::hours(1);
    if (i >= 290) progress.subjects.back().muted_until = progress.event_time;  // over
  }
  progress.subjects.push_back(testing::subject("latent", "codes", drift::SubjectState::learning, 10, 0.1, 0.2, 99, 0));
  const Exposition out = parse_exposition(prometheus_text(config, progress));
  std::map<std::string, double> sums;
  for (const Sample& s : out.of("lacuna_drift_subjects")) sums[s.labels.at("state")] += s.value;
  EXPECT_EQ(sums, (std::map<std::string, double>{{"learning", 101}, {"armed", 100}, {"alarmed", 100}, {"muted", 10}}));
  std::map<std::string, double> nearest;
  for (const Sample& s : out.of("lacuna_drift_log_evidence_over_threshold_max")) nearest[s.labels.at("kind")] = s.value;
  EXPECT_EQ(nearest.size(), 2u) << "one that learns has no threshold";
  EXPECT_DOUBLE_EQ(nearest.at("value"), 2.98 - 12);
  EXPECT_DOUBLE_EQ(nearest.at("error"), 2.99 - 12);
}

// The histogram's own laws: buckets grow, the last one is the count, the sum is kept.
TEST(Metrics, batch_durations_form_a_histogram) {
  const Config config = testing::small_config();
  const Progress progress = testing::full_progress(*config.schema, 3);
  const Exposition out = parse_exposition(prometheus_text(config, progress));
  const auto buckets = out.of("lacuna_pipeline_batch_seconds_bucket");
  ASSERT_EQ(buckets.size(), BatchDurations::kBounds.size() + 1);
  for (std::size_t i = 1; i < buckets.size(); ++i) EXPECT_GE(buckets[i].value, buckets[i - 1].value);
  EXPECT_EQ(buckets.back().labels.at("le"), "+Inf");
  EXPECT_EQ(buckets.back().value, 40);
  EXPECT_EQ(out.sum("lacuna_pipeline_batch_seconds_count"), 40);
  EXPECT_DOUBLE_EQ(out.sum("lacuna_pipeline_batch_seconds_sum"), progress.batch_durations.sum);
  BatchDurations edges;
  edges.add(BatchDurations::kBounds[0]);  // inclusive, as Prometheus' le is
  edges.add(1e9);
  EXPECT_EQ(edges.counts.front(), 1u);
  EXPECT_EQ(edges.counts.back(), 1u);
}

// What is not known is absent: a zero error of a feature that never came would look like a perfect model.
TEST(Metrics, what_is_not_known_is_absent) {
  const Config config = testing::small_config();
  Progress progress;
  progress.features.resize(config.schema->feature_count());
  progress.features[1].count = 3;
  progress.features[1].recent_weight = 4;
  progress.features[1].recent_error_model = 2;
  const Exposition out = parse_exposition(prometheus_text(config, progress));
  const auto errors = out.of("lacuna_feature_error");
  ASSERT_EQ(errors.size(), 3u);
  for (const Sample& s : errors) EXPECT_EQ(s.labels.at("feature"), "resp_rate");
  EXPECT_EQ(errors.front().value, 0.5);
  for (const char* name : {"lacuna_score_error", "lacuna_learner_loss_nats", "lacuna_model_info", "lacuna_pipeline_event_time_seconds"}) {
    EXPECT_TRUE(out.of(name).empty()) << name;
    EXPECT_FALSE(out.types.contains(name)) << name;
  }
  EXPECT_EQ(out.of("lacuna_pipeline_consumed_total").size(), 1u);  // a counter at 0 is known
}

// Times keep their milliseconds and large counts their last digit.
TEST(Metrics, numbers_keep_their_precision) {
  const Config config = testing::small_config();
  Progress progress;
  progress.counts.consumed = progress.counts.applied = 123'456'789'012'345;
  progress.event_time = testing::at("2026-01-01T00:07:00.250Z");
  const Exposition out = parse_exposition(prometheus_text(config, progress));
  EXPECT_EQ(out.sum("lacuna_pipeline_consumed_total"), 123'456'789'012'345.0);
  EXPECT_EQ(out.sum("lacuna_pipeline_event_time_seconds"), 1767226020.25);
}

}  // namespace
}  // namespace lacuna::daemon
