#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "daemon/pipeline/pipeline.h"
#include "streaming/messages/encoders.h"
#include "tests/robustness/pipeline_fixture.h"

// A daemon that is started again under a schema that has changed: the changes, what is sent, and what must be there afterwards. Patients'
// values differ by feature by orders of magnitude, so that a value under another's name is seen.

namespace lacuna::daemon {

using Json = nlohmann::json;

inline constexpr int kPatients = 12;
inline constexpr int kHours = 30;

/// A schema as a list that a change edits.
struct Declared {
  std::vector<Schema::ModalitySpec> modalities;
  std::vector<Attribute> attributes;
  Schema make() const { return Schema::make(modalities, attributes).value(); }
  Schema::ModalitySpec& modality(const std::string& name) {
    for (auto& m : modalities) {
      if (m.modality.name == name) return m;
    }
    throw std::out_of_range(name);
  }
  Feature& feature(const std::string& modality_name, const std::string& name) {
    for (Feature& f : modality(modality_name).features) {
      if (f.name == name) return f;
    }
    throw std::out_of_range(name);
  }
};

inline Feature number(std::string name, std::string unit, double low, double high, Likelihood likelihood = Likelihood::normal) {
  Feature f;
  f.name = std::move(name);
  f.unit = std::move(unit);
  f.low = low;
  f.high = high;
  f.likelihood = likelihood;
  return f;
}

inline Schema::ModalitySpec tabular(std::string name, std::vector<Feature> features) {
  Schema::ModalitySpec out;
  out.modality.name = std::move(name);
  out.features = std::move(features);
  return out;
}

inline Declared before() {
  Feature rhythm;
  rhythm.name = "rhythm";
  rhythm.likelihood = Likelihood::categorical;
  rhythm.categories = {"sinus", "afib", "paced"};
  Attribute age, sex;
  age.name = "age";
  age.unit = "a";
  sex.name = "sex";
  sex.categories = {"female", "male"};
  return {{tabular("vitals", {number("hr", "/min", 20, 250), number("temp", "Cel", 28, 44), number("sbp", "mm[Hg]", 30, 280)}),
           tabular("chemistry", {number("glucose", "mg/dL", 15, 1200, Likelihood::log_normal), number("na", "mmol/L", 90, 200)}),
           tabular("ecg", {rhythm})},
          {age, sex}};
}

/// What is sent, in the units of before(), by name.
inline double sent(const std::string& name, int patient, int hour) {
  if (name == "vitals.hr") return 70 + patient + hour % 5;
  if (name == "vitals.temp") return 36 + 0.1 * patient + 0.01 * (hour % 7);
  if (name == "vitals.sbp") return 120 + 2 * patient - hour % 3;
  if (name == "chemistry.glucose") return 180 + 3 * patient + hour % 4;
  if (name == "chemistry.na") return 140 + 0.5 * patient + hour % 2;
  if (name == "ecg.rhythm") return patient % 3;
  throw std::out_of_range(name);
}

inline Time at_hour(int hour) { return *parse_rfc3339("2026-01-01T00:00:00Z") + std::chrono::hours(hour); }
inline std::string id_of(int patient) { return "q" + std::to_string(patient); }

struct Change {
  std::string name;
  std::function<void(Declared&)> edit;
};

inline std::vector<Change> changes() {
  const auto front = [](auto& list, auto item) { list.insert(list.begin(), std::move(item)); };
  return {
      {"feature_in_front", [=](Declared& d) { front(d.modality("vitals").features, number("spo2", "%", 50, 100)); }},
      {"feature_at_the_end", [](Declared& d) { d.modality("chemistry").features.push_back(number("k", "mmol/L", 1, 10)); }},
      {"feature_removed", [](Declared& d) { d.modality("vitals").features.erase(d.modality("vitals").features.begin() + 1); }},
      {"features_reordered", [](Declared& d) { std::swap(d.modality("vitals").features[0], d.modality("vitals").features[2]); }},
      {"modality_in_front", [=](Declared& d) { front(d.modalities, tabular("blood_gas", {number("ph", "", 6.5, 8)})); }},
      {"modality_removed", [](Declared& d) { d.modalities.erase(d.modalities.begin()); }},
      {"modalities_reordered", [](Declared& d) { std::swap(d.modalities[0], d.modalities[1]); }},
      {"attribute_in_front",
       [=](Declared& d) {
         Attribute weight;
         weight.name = "weight";
         front(d.attributes, weight);
       }},
      {"attribute_removed", [](Declared& d) { d.attributes.erase(d.attributes.begin()); }},
      {"class_in_front", [=](Declared& d) { front(d.feature("ecg", "rhythm").categories, std::string("block")); }},
      {"class_removed", [](Declared& d) { d.feature("ecg", "rhythm").categories.erase(d.feature("ecg", "rhythm").categories.begin()); }},
      {"unit",
       [](Declared& d) {
         Feature& f = d.feature("chemistry", "glucose");
         f.unit = "mmol/L";
         f.low = 1;
         f.high = 70;
       }},
      {"unit_of_a_normal_one",
       [](Declared& d) {
         Feature& f = d.feature("vitals", "temp");
         f.unit = "[degF]";
         f.low = 82;
         f.high = 112;
       }},
      {"range", [](Declared& d) { d.feature("vitals", "hr").high = 300; }},
      {"staleness", [](Declared& d) { d.feature("vitals", "hr").stale_after = std::chrono::hours(2); }},
      {"likelihood", [](Declared& d) { d.feature("vitals", "sbp").likelihood = Likelihood::log_normal; }},
      {"all_at_once",
       [=](Declared& d) {
         front(d.modality("vitals").features, number("spo2", "%", 50, 100));
         d.modality("chemistry").features.pop_back();
         std::swap(d.modalities[0], d.modalities[2]);
         d.feature("chemistry", "glucose").unit = "mmol/L";
         d.feature("chemistry", "glucose").low = 1;
         d.feature("chemistry", "glucose").high = 70;
         front(d.feature("ecg", "rhythm").categories, std::string("block"));
         std::swap(d.attributes[0], d.attributes[1]);
       }},
  };
}

struct Case {
  Change change;
  bool disk_kept = true;
  bool published = true;
};
inline std::string name_of(const Case& c) {
  return c.change.name + (c.disk_kept ? "_disk_kept" : "_disk_lost") + (c.published ? "_published" : "_unpublished");
}
inline void PrintTo(const Case& c, std::ostream* out) { *out << name_of(c); }

class SchemaGrowth : public ::testing::TestWithParam<Case> {
 protected:
  /// The log in which all of it happens, in this folder where it needs one.
  virtual std::unique_ptr<streaming::LogFactory> open_log_here() { return open_log(config_); }
  /// Topics and group of its own, on a log that others use too.
  virtual void name_topics() {}

  void SetUp() override {
    directory_ = scratch("growth");
    config_ = small_config(directory_);
    config_.schema = std::make_shared<Schema>(before().make());
    config_.checkpoint_every = Millis(1);
    name_topics();
    log_ = open_log_here();
    ASSERT_TRUE(log_);
    ASSERT_TRUE(log_->ensure_topics({{config_.topics.events.front(), kPartitions, {}}}).ok());
  }
  void TearDown() override {
    pipeline_.reset();
    appender_.reset();
    log_.reset();
    fs::remove_all(directory_);
  }

  Status start() {
    auto made = Pipeline::make(config_, *log_, [] { return at_hour(kHours + 20); }, {});
    if (!made.ok()) return made.status();
    pipeline_ = std::move(*made);
    return {};
  }
  /// To the end of what there is; `publish`: as an orderly stop does.
  void work(bool publish) {
    const Status flushed = appender_ ? appender_->flush() : Status();
    ASSERT_TRUE(flushed.ok()) << flushed.to_string();
    appender_.reset();
    if (publish) {
      const Status ran = pipeline_->run(true);
      ASSERT_TRUE(ran.ok()) << ran.to_string();
      return;
    }
    for (int idle = 0; idle < 5;) {
      const auto worked = pipeline_->turn();
      ASSERT_TRUE(worked.ok()) << worked.status().to_string();
      const Progress p = pipeline_->progress();
      idle = !*worked && p.ready && p.lag == 0 && p.learner.queued == 0 ? idle + 1 : 0;
    }
  }

  void append(const Event& event) {
    if (!appender_) {
      auto appender = log_->appender();
      ASSERT_TRUE(appender.ok());
      appender_ = std::move(*appender);
    }
    const std::string bytes = streaming::encode_event(*config_.schema, event);
    ASSERT_TRUE(appender_->append({config_.topics.events.front(), std::nullopt, event.patient_id, bytes, {}}).ok());
  }
  /// One event of each modality of the first schema.
  void send(int patient, int hour) {
    const Schema& schema = *config_.schema;
    for (ModalityId m = 0; m < schema.modality_count(); ++m) {
      Event event;
      event.event_id = schema.modalities()[m].name + std::to_string(hour);
      event.patient_id = id_of(patient);
      event.time = at_hour(hour);
      event.modality = m;
      for (FeatureId f = 0; f < schema.feature_count(); ++f) {
        if (schema.features()[f].modality == m) event.values.push_back({f, sent(schema.qualified_name(f), patient, hour)});
      }
      if (m == 0) event.attributes = {{0, 40.0 + patient}, {1, static_cast<double>(patient % 2)}};
      append(event);
    }
  }

  /// The same under the schema that there is now, by whoever follows it: in its units, by its classes, without what is gone.
  void send_again(const Schema& old, int patient, int hour);
  std::vector<streaming::Record> imputations_now();
  void is_a_restart(const Case& c);
  void expect_states(const Schema& old);
  void expect_feature(const Schema& old, FeatureId here, const FeatureState& found, int patient);

  fs::path directory_;
  Config config_;
  std::unique_ptr<streaming::LogFactory> log_;
  std::unique_ptr<streaming::Appender> appender_;
  std::unique_ptr<Pipeline> pipeline_;
};

inline std::vector<streaming::Record> SchemaGrowth::imputations_now() {
  std::vector<streaming::Record> all;
  auto reader = log_->reader();
  EXPECT_TRUE(reader.ok());
  const auto partitions = (*reader)->partition_count(config_.topics.imputations);
  EXPECT_TRUE(partitions.ok()) << partitions.status().to_string();
  for (std::int32_t p = 0; partitions.ok() && p < *partitions; ++p) {
    const streaming::TopicPartition partition{config_.topics.imputations, p};
    const auto bounds = (*reader)->bounds(partition);
    EXPECT_TRUE(bounds.ok());
    for (std::int64_t from = bounds.ok() ? bounds->first : 0; bounds.ok() && from < bounds->second;) {
      const auto records = (*reader)->read(partition, from, 1000, std::chrono::seconds(20));
      EXPECT_TRUE(records.ok() && !records->empty());
      if (!records.ok() || records->empty()) break;
      from = records->back().position.offset + 1;
      all.insert(all.end(), records->begin(), records->end());
    }
  }
  return all;
}

/// In the present unit what a value sent in the old one is; by hand, for the two units that change.
inline double converted(const std::string& unit, double value) {
  if (unit == "mmol/L") return value / 18.0156;
  if (unit == "[degF]") return value * 1.8 + 32;
  return value;
}

inline void SchemaGrowth::send_again(const Schema& old, int patient, int hour) {
  const Schema& schema = *config_.schema;
  for (ModalityId m = 0; m < schema.modality_count(); ++m) {
    const ModalityId was_modality = old.find_modality(schema.modalities()[m].name);
    if (was_modality == kNoModality) continue;
    Event event;
    event.event_id = schema.modalities()[m].name + std::to_string(hour);
    event.patient_id = id_of(patient);
    event.time = at_hour(hour);
    event.modality = m;
    for (FeatureId f = 0; f < schema.feature_count(); ++f) {
      const Feature& feature = schema.features()[f];
      const auto was = feature.modality == m ? old.find_feature(was_modality, feature.name) : std::nullopt;
      if (!was) continue;
      double value = sent(old.qualified_name(*was), patient, hour);
      if (has_categories(feature.likelihood)) {
        const std::string& category = old.features()[*was].categories[static_cast<std::size_t>(value)];
        const auto at = std::find(feature.categories.begin(), feature.categories.end(), category);
        if (at == feature.categories.end()) continue;
        value = static_cast<double>(at - feature.categories.begin());
      } else if (old.features()[*was].unit != feature.unit) {
        value = converted(feature.unit, value);
      }
      event.values.push_back({f, value});
    }
    for (std::uint32_t a = 0; was_modality == 0 && a < schema.attributes().size(); ++a) {
      if (schema.attributes()[a].name == "age") event.attributes.push_back({a, 40.0 + patient});
      if (schema.attributes()[a].name == "sex") event.attributes.push_back({a, static_cast<double>(patient % 2)});
    }
    if (!event.values.empty()) append(event);
  }
}

inline void SchemaGrowth::expect_feature(const Schema& old, FeatureId here, const FeatureState& found, int patient) {
  const Feature& feature = config_.schema->features()[here];
  const std::string name = config_.schema->qualified_name(here);
  const ModalityId modality = old.find_modality(config_.schema->modality_of(here).name);
  const auto was = modality == kNoModality ? std::nullopt : old.find_feature(modality, feature.name);
  if (!was || old.features()[*was].likelihood != feature.likelihood) {
    EXPECT_EQ(found.count, 0u) << name << " begins";
    return;
  }
  double value = sent(name, patient, kHours - 1);
  if (has_categories(feature.likelihood)) {
    const std::string& category = old.features()[*was].categories[static_cast<std::size_t>(value)];
    const auto at = std::find(feature.categories.begin(), feature.categories.end(), category);
    if (at == feature.categories.end()) {
      EXPECT_EQ(found.count, 0u) << name << ": the class is gone";
      return;
    }
    value = static_cast<double>(at - feature.categories.begin());
  } else if (old.features()[*was].unit != feature.unit) {
    value = converted(feature.unit, value);
  }
  EXPECT_EQ(found.count, static_cast<std::uint32_t>(kHours)) << name;
  EXPECT_NEAR(found.last, value, 2e-4 * std::abs(value)) << name;
  EXPECT_EQ(found.time, at_hour(kHours - 1)) << name;
}

inline void SchemaGrowth::expect_states(const Schema& old) {
  for (int patient = 0; patient < kPatients; ++patient) {
    const auto found = pipeline_->patient(id_of(patient));
    ASSERT_TRUE(found.ok()) << found.status().to_string();
    ASSERT_EQ(found->features.size(), config_.schema->feature_count());
    for (FeatureId f = 0; f < found->features.size(); ++f) expect_feature(old, f, found->features[f], patient);
    for (std::size_t a = 0; a < found->attributes.size(); ++a) {
      const std::string& name = config_.schema->attributes()[a].name;
      std::optional<float> value;
      if (name == "age") value = 40.0F + static_cast<float>(patient);
      if (name == "sex") value = static_cast<float>(patient % 2);
      EXPECT_EQ(found->attributes[a], value) << name;
    }
  }
}

/// Learns under before(), starts again under the change, and holds what there is then against what was sent.
inline void SchemaGrowth::is_a_restart(const Case& c) {
  const auto old = config_.schema;
  ASSERT_TRUE(start().ok());
  for (int hour = 0; hour < kHours; ++hour) {
    for (int patient = 0; patient < kPatients; ++patient) send(patient, hour);
  }
  work(c.published);
  const Progress first = pipeline_->progress();
  ASSERT_GT(first.learner.steps, 0);
  const std::string version = first.model_version;
  pipeline_.reset();
  const std::size_t imputations = imputations_now().size();

  if (!c.disk_kept) {
    fs::remove_all(config_.store.path);
    log_.reset();  // and it is opened again, as by another process
    log_ = open_log_here();
  }
  Declared declared = before();
  c.change.edit(declared);
  config_.schema = std::make_shared<Schema>(declared.make());
  const Status started = start();
  ASSERT_TRUE(started.ok()) << started.to_string();
  work(false);
  expect_states(*old);
  if (HasFatalFailure()) return;
  for (int patient = 0; patient < kPatients; ++patient) send_again(*old, patient, kHours - 1);
  work(false);
  EXPECT_EQ(pipeline_->progress().counts.dead_letters, 0u) << "what is sent again is a duplicate";
  expect_states(*old);
  if (HasFatalFailure()) return;

  // What comes now is imputed in the new schema's names and units, by a model that still knows what it had learned.
  const Progress second = pipeline_->progress();
  if (c.disk_kept || c.published) {
    EXPECT_GE(second.learner.steps, first.learner.steps) << "the model goes on";
    EXPECT_TRUE(second.recovery.state_parts_begun_afresh.empty());
    std::map<std::string, std::uint64_t> updates;
    for (const auto& s : first.subjects) updates[s.kind + "/" + s.subject] = s.updates;
    std::size_t same = 0;
    for (const auto& s : second.subjects) {
      const auto found = updates.find(s.kind + "/" + s.subject);
      if (found != updates.end() && s.updates >= found->second && found->second > 0) ++same;
    }
    EXPECT_GT(same, 0u) << "detectors of what stays go on";
  }
  Event event;
  event.event_id = "later";
  event.patient_id = id_of(3);
  event.time = at_hour(kHours + 10);
  event.modality = config_.schema->find_modality("chemistry");
  const FeatureId glucose = *config_.schema->find_feature(event.modality, "glucose");
  const std::string unit = config_.schema->features()[glucose].unit;
  event.values = {{glucose, unit == "mmol/L" ? 10.5 : 189}};
  append(event);
  work(true);
  const auto all = imputations_now();
  ASSERT_GT(all.size(), imputations);
  for (const auto& record : all) {
    const Json message = Json::parse(*record.value);
    if (message.at("time") != format_rfc3339(event.time)) continue;
    for (const auto& [modality, features] : message.at("values").items()) {
      for (const auto& [name, value] : features.items()) {
        const ModalityId m = config_.schema->find_modality(modality);
        ASSERT_NE(m, kNoModality) << modality;
        const auto f = config_.schema->find_feature(m, name);
        ASSERT_TRUE(f) << name;
        const Feature& feature = config_.schema->features()[*f];
        EXPECT_EQ(value.value("unit", feature.unit), feature.unit);
        if (value.contains("mean")) {
          EXPECT_GE(value.at("mean").get<double>(), feature.low) << name;
          EXPECT_LE(value.at("mean").get<double>(), feature.high) << name;
        }
      }
    }
  }
  const auto newest = pipeline_->patient(id_of(3));
  ASSERT_TRUE(newest.ok());
  EXPECT_NEAR(newest->features[glucose].last, unit == "mmol/L" ? 10.5 : 189, 1e-9);
  EXPECT_EQ(newest->features[glucose].count, static_cast<std::uint32_t>(kHours) + 1);
}

}  // namespace lacuna::daemon
