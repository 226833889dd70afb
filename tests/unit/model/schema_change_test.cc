// Protects what a learner knows when its schema changes. One learner is trained, and its checkpoint read under every changed schema.
// Weights and optimiser are compared by name, bit for bit; what is predicted of patients whom the change leaves alone must stay, in the
// units of the new schema; and learning goes on.

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <map>

#include "model/learner_checkpoint.h"
#include "model/network.h"
#include "model/predictive/scores.h"
#include "model/trainer.h"
#include "state/records/hash.h"
#include "state/records/schema_mapping.h"
#include "tests/unit/model/growing_schema.h"
#include "tests/unit/model/weight_names.h"

namespace lacuna::model {
namespace {

using testing::Change;
using testing::changes;
using testing::Declared;
using testing::declared;
using testing::GrowingWard;
using testing::weight_names;

ModelOptions small() {
  ModelOptions options;
  options.latent_dim = 4;
  options.hidden_dim = 16;
  options.two_sided = true;
  options.device = Device::cpu;
  return options;
}

TrainOptions quick() {
  TrainOptions options;
  options.batch_size = 32;
  options.examples_per_step = 16;
  options.young_pace = 1;
  options.learning_rate = 3e-3;
  options.replay_ratio = 0.25;
  return options;
}

Result<std::unique_ptr<Trainer>> make(const Schema& schema, std::string_view checkpoint) {
  return Trainer::make(schema, small(), quick(), {}, checkpoint);
}

/// Replayed are the latest ones again.
void feed(Trainer& trainer, const std::vector<Example>& examples) {
  for (const Example& example : examples) {
    if (trainer.take(example)) trainer.step({trainer.replay_wanted().first, example});
  }
}

/// Weights, both of Adam's moments, mean weights: as a checkpoint has them.
std::vector<std::vector<float>> numbers(const Schema& schema, const std::string& checkpoint) {
  const auto opened = open_learner_checkpoint(schema, small(), checkpoint);
  EXPECT_TRUE(opened.ok()) << opened.status().to_string();
  ByteReader in(opened->body);
  std::vector<std::vector<float>> out(4);
  for (auto& tensor : out) {
    const std::string raw = in.get_text();
    tensor.resize(raw.size() / sizeof(float));
    std::memcpy(tensor.data(), raw.data(), raw.size());
  }
  return out;
}

class SchemaChange : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    before_ = declared().schema();
    GrowingWard ward(1);
    auto trainer = make(before_, {}).value();
    feed(*trainer, ward.take(16 * 120));
    ASSERT_EQ(trainer->stats().skipped_steps, 0);
    checkpoint_ = trainer->checkpoint();
    version_ = trainer->publish();
    GrowingWard others(2);
    patients_ = others.take(12);
  }
  static void TearDownTestSuite() {
    version_.reset();
    patients_.clear();
  }

  static Schema before_;
  static std::string checkpoint_;
  static std::shared_ptr<const ModelVersion> version_;
  static std::vector<Example> patients_;
};
Schema SchemaChange::before_;
std::string SchemaChange::checkpoint_;
std::shared_ptr<const ModelVersion> SchemaChange::version_;
std::vector<Example> SchemaChange::patients_;

Schema changed(const Change& change) {
  Declared d = declared();
  change.make(d);
  return d.schema();
}

Change change_of(const std::string& name) {
  for (const Change& change : changes()) {
    if (change.name == name) return change;
  }
  throw std::logic_error(name);
}

/// Without what the change takes from a patient, or gives another number of classes.
Snapshot untouched(Snapshot s, const SchemaMapping& mapping, const Schema& from) {
  for (FeatureId f = 0; f < from.feature_count(); ++f) {
    const auto here = mapping.feature_to(f);
    if (!here || !mapping.features()[*here]->classes.empty()) s.features[f] = {};
  }
  for (ModalityId m = 0; m < from.modality_count(); ++m) {
    if (!mapping.modality_to(m)) s.modalities[m] = {};
  }
  std::vector<bool> stays(s.attributes.size());
  for (const auto& field : mapping.attributes()) {
    if (field && s.attributes[field->from]) stays[field->from] = field->value(static_cast<double>(*s.attributes[field->from])).has_value();
  }
  for (std::size_t a = 0; a < stays.size(); ++a) {
    if (!stays[a]) s.attributes[a].reset();
  }
  return s;
}

TEST_F(SchemaChange, WhatStaysIsBitEqualAndWhatIsNewIsFresh) {
  const auto old = numbers(before_, checkpoint_);
  for (const Change& change : changes()) {
    const Schema after = changed(change);
    auto trainer = make(after, checkpoint_);
    ASSERT_TRUE(trainer.ok()) << change.name << ": " << trainer.status().to_string();
    EXPECT_EQ((*trainer)->stats().steps, 120);
    const auto now = numbers(after, (*trainer)->checkpoint());
    const torch::Tensor fresh = Network::initial(InputLayout(after, true), small());
    std::map<std::string, std::size_t> known;
    const auto names_before = weight_names(before_, small(), change.anew);
    for (std::size_t i = 0; i < names_before.size(); ++i) known[names_before[i]] = i;
    const auto names = weight_names(after, small());
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (names[i].empty()) continue;
      const auto it = known.find(names[i]);
      for (std::size_t part = 0; part < 4; ++part) {
        const bool moment = part == 1 || part == 2;
        const float expected = it != known.end() ? old[part][it->second] : moment ? 0.0F : fresh.data_ptr<float>()[i];
        ASSERT_EQ(now[part][i], expected) << change.name << ": " << names[i] << " of part " << part;
      }
    }
  }
}

/// As `said` of feature `f` there, `unit` away, is said here.
void expect_same_distribution(const std::string& what, const Predictive& said, const Predictive& now, const UnitConversion& unit) {
  const double sd = said.sd() * unit.factor, near = 2e-3 * sd;
  if (is_discrete(said.likelihood)) {
    ASSERT_EQ(said.class_probabilities.size(), now.class_probabilities.size()) << what;
    for (std::size_t c = 0; c < said.class_probabilities.size(); ++c) {
      ASSERT_NEAR(now.class_probabilities[c], said.class_probabilities[c], 1e-4) << what;
    }
    return;
  }
  ASSERT_NEAR(now.mean(), unit.factor * said.mean() + unit.offset, near) << what;
  ASSERT_NEAR(now.sd(), sd, near) << what;
  if (said.likelihood == Likelihood::negative_binomial) return;
  for (const double p : {0.02, 0.3, 0.5, 0.9, 0.99}) {
    const double there = said.quantile(p), here = unit.factor * there + unit.offset;
    ASSERT_NEAR(now.quantile(p), here, near) << what;
    ASSERT_NEAR(now.cdf(here), said.cdf(there), 1e-3) << what;
    ASSERT_NEAR(now.normal_score(here, 0), said.normal_score(there, 0), 1e-2) << what;
  }
}

TEST_F(SchemaChange, PredictionsOfWhatTheChangeLeavesAloneStay) {
  for (const Change& change : changes()) {
    const Schema after = changed(change);
    const SchemaMapping mapping = SchemaMapping::make(before_, after).value();
    const auto version = make(after, checkpoint_).value()->publish();
    for (std::size_t i = 0; i < patients_.size(); ++i) {
      const Example& patient = patients_[i];
      const Snapshot then = untouched(patient.before, mapping, before_), now = mapping.carry(after, then);
      // As if what is known came afterwards as well, of every other patient.
      const bool both = i % 2 == 0;
      Query asked{&then, patient.time, {}, {}, 5, {}, false, both ? &then : nullptr};
      Query asks{&now, patient.time, {}, {}, 5, {}, false, both ? &now : nullptr};
      std::vector<UnitConversion> units;
      for (FeatureId f = 0; f < after.feature_count(); ++f) {
        const auto& field = mapping.features()[f];
        if (!field || !field->classes.empty()) continue;
        asks.wanted.push_back(f);
        asked.wanted.push_back(field->from);
        units.push_back(field->unit);
      }
      for (ModalityId m = 0; m < after.modality_count(); ++m) {
        if (!mapping.modalities()[m] || after.modalities()[m].kind == ModalityKind::tabular) continue;
        asks.wanted_payloads.push_back(m);
        asked.wanted_payloads.push_back(*mapping.modalities()[m]);
      }
      const Prediction said = version_->predict({&asked, 1}).value()[0], says = version->predict({&asks, 1}).value()[0];
      EXPECT_NEAR(says.effective_samples, said.effective_samples, 1e-3) << change.name;
      for (std::size_t w = 0; w < asks.wanted.size(); ++w) {
        const std::string what = std::string(change.name) + ": " + after.qualified_name(asks.wanted[w]);
        expect_same_distribution(what, said.predictive[w], says.predictive[w], units[w]);
        if (HasFatalFailure()) return;
      }
      for (std::size_t p = 0; p < asks.wanted_payloads.size(); ++p) {
        for (std::size_t v = 0; v < said.payloads[p].mean.size(); ++v) {
          ASSERT_NEAR(says.payloads[p].mean[v], said.payloads[p].mean[v], 1e-3 * (1 + std::abs(said.payloads[p].mean[v]))) << change.name;
        }
      }
      const auto codes = version_->codes({&asked, 1}).value()[0], codes_now = version->codes({&asks, 1}).value()[0];
      for (std::size_t d = 0; d < codes.size(); ++d) ASSERT_NEAR(codes_now[d], codes[d], 1e-4) << change.name;
    }
  }
}

// Classes by name: a category has the probability that it had, whatever its number.
TEST_F(SchemaChange, CategoriesInAnotherOrderHaveTheirProbabilities) {
  const Schema after = changed(change_of("categories in another order"));
  const auto version = make(after, checkpoint_).value()->publish();
  const SchemaMapping mapping = SchemaMapping::make(before_, after).value();
  const FeatureId f = *before_.find_feature(before_.find_modality("notes"), "rhythm");
  for (const Example& patient : patients_) {
    const Snapshot then = untouched(patient.before, mapping, before_), now = mapping.carry(after, then);
    const Query asked{&then, patient.time, {f}, {}, 5}, asks{&now, patient.time, {f}, {}, 5};
    const auto said = version_->predict({&asked, 1}).value()[0].predictive[0].class_probabilities;
    const auto says = version->predict({&asks, 1}).value()[0].predictive[0].class_probabilities;
    ASSERT_EQ(said.size(), 3U);
    EXPECT_GT(std::abs(said[0] - said[2]), 1e-3);
    for (std::size_t c = 0; c < 3; ++c) ASSERT_NEAR(says[2 - c], said[c], 1e-5);
  }
}

TEST_F(SchemaChange, LearningGoesOn) {
  GrowingWard ward(3);
  const auto examples = ward.take(16 * 6);
  for (const Change& change : changes()) {
    const Schema after = changed(change);
    const SchemaMapping mapping = SchemaMapping::make(before_, after).value();
    auto trainer = make(after, checkpoint_).value();
    std::vector<Example> carried;
    for (const Example& example : examples) {
      Example& e = carried.emplace_back(mapping.carry(after, example));
      if (carried.size() % 3 == 0) e.after = std::make_shared<const Snapshot>(e.before);
      for (FeatureId f = 0; f < after.feature_count(); ++f) {
        if (!mapping.features()[f]) e.arrived.push_back({f, carried.size() % 2 == 0 ? 0.0 : 1.0});
      }
    }
    feed(*trainer, carried);
    EXPECT_EQ(trainer->stats().steps, 126) << change.name;
    EXPECT_EQ(trainer->stats().skipped_steps, 0) << change.name;
    EXPECT_TRUE(std::isfinite(trainer->stats().loss)) << change.name;
    EXPECT_LT(trainer->stats().loss, 10) << change.name;
    // And a restart of that changes nothing.
    const std::string bytes = trainer->checkpoint();
    EXPECT_TRUE(make(after, bytes).value()->checkpoint() == bytes) << change.name;
  }
}

/// The unit changes alone: what the network sees is the same, number for number but for rounding.
Schema in_other_units(bool range) {
  Declared d = declared();
  testing::feature_in(d, "temp").unit = "[degF]";
  testing::feature_in(d, "map").unit = "kPa";
  testing::feature_in(d, "glucose").unit = "mg/dL";
  if (range) {
    testing::feature_in(d, "glucose").low = 20;
    testing::feature_in(d, "glucose").high = 90;
  }
  d.attributes[0].unit = "g";
  return d.schema();
}

TEST_F(SchemaChange, TheNetworkKeepsTheUnitItLearnedIn) {
  const Schema after = in_other_units(true);
  auto trainer = make(after, checkpoint_).value(), stayed = make(before_, checkpoint_).value();
  const auto version = trainer->publish();
  EXPECT_EQ(version->id(), stayed->publish()->id()) << "weights and standardisation, bit for bit";
  const SchemaMapping mapping = SchemaMapping::make(before_, after).value();
  GrowingWard ward(4);
  auto examples = ward.take(16 * 3);
  std::vector<Example> converted;
  for (Example& e : examples) {
    converted.push_back(mapping.carry(after, e));
    if (converted.size() % 2 == 0) continue;
    e.after = std::make_shared<const Snapshot>(e.before);  // what came afterwards is not stored, and so not carried
    converted.back().after = std::make_shared<const Snapshot>(converted.back().before);
  }
  feed(*stayed, examples);
  feed(*trainer, converted);
  const auto a = numbers(before_, stayed->checkpoint())[0], b = numbers(after, trainer->checkpoint())[0];
  double most = 0, moved = 0;
  const auto start = numbers(before_, checkpoint_)[0];
  for (std::size_t i = 0; i < a.size(); ++i) {
    most = std::max<double>(most, std::abs(a[i] - b[i]));
    moved = std::max<double>(moved, std::abs(a[i] - start[i]));
  }
  EXPECT_GT(moved, 3e-3);
  EXPECT_LT(most, 0.05 * moved);
  // And back: as if nothing had been.
  auto back = make(before_, make(after, checkpoint_).value()->checkpoint()).value();
  EXPECT_TRUE(back->checkpoint() == checkpoint_);
}

TEST_F(SchemaChange, MomentsAreInThePresentUnit) {
  const Schema after = in_other_units(true);
  const auto version = make(after, checkpoint_).value()->publish();
  for (FeatureId f = 0; f < after.feature_count(); ++f) {
    const auto [mean, sd] = version_->moments(f);
    const auto [mean_now, sd_now] = version->moments(f);
    const std::string& name = after.features()[f].name;
    if (name == "temp") {
      EXPECT_NEAR(mean_now, 1.8 * mean + 32, 1e-6);
      EXPECT_NEAR(sd_now, 1.8 * sd, 1e-6);
    } else if (name == "map") {
      EXPECT_NEAR(mean_now, 0.133322 * mean, 1e-4 * mean);
    } else if (name == "glucose") {
      // Against the values themselves, which are log-normal, but not of 1 + x.
      GrowingWard ward(9);
      std::vector<double> logs;
      for (const Example& e : ward.take(20'000)) {
        for (const FeatureValue& v : e.arrived) {
          if (v.feature == f) logs.push_back(std::log1p(18.01559 * v.value));
        }
      }
      double m = 0, s = 0;
      for (const double x : logs) m += x / static_cast<double>(logs.size());
      for (const double x : logs) s += (x - m) * (x - m) / static_cast<double>(logs.size());
      EXPECT_NEAR(mean_now, m, 0.1 * std::sqrt(s));
      EXPECT_NEAR(sd_now, std::sqrt(s), 0.15 * std::sqrt(s));
      EXPECT_GT(mean_now, mean + 2);
    } else {
      EXPECT_EQ(std::pair(mean_now, sd_now), std::pair(mean, sd)) << name;
    }
  }
}

// What was learned from is counted by name; of what begins anew nothing was.
TEST_F(SchemaChange, WhatWasLearnedFromIsCarriedByName) {
  for (const Change& change : changes()) {
    SCOPED_TRACE(change.name);
    const Schema after = changed(change);
    const auto mapping = SchemaMapping::make(before_, after).value();
    const auto now = make(after, checkpoint_).value()->publish();
    for (FeatureId f = 0; f < after.feature_count(); ++f) {
      const auto& field = mapping.features()[f];
      // Classes by name; their numbers have moments anew.
      const bool anew = field && field->classes.empty() && now->moments(f) == std::pair(0.0, 1.0);
      EXPECT_EQ(now->learned_from(f), field && !anew ? version_->learned_from(field->from) : LearnedFrom()) << after.qualified_name(f);
    }
    for (ModalityId m = 0; m < after.modality_count(); ++m) {
      const auto& from = mapping.modalities()[m];
      EXPECT_EQ(now->learned_from_payload(m), from ? version_->learned_from_payload(*from) : LearnedFrom());
    }
  }
  EXPECT_GT(version_->learned_from(0).observations, 100U);
  EXPECT_GT(version_->learned_from_payload(before_.find_modality("film")).observations, 10U);
}

// Means of class numbers say nothing once the numbers are others.
TEST_F(SchemaChange, MomentsOfClassesStayWhereTheirNumbersDo) {
  const auto moments = [](const Change& change, const char* name) {
    const Schema after = changed(change);
    return make(after, checkpoint_).value()->publish()->moments(*after.find_feature(after.find_modality("notes"), name));
  };
  const auto of = [](const char* name) { return version_->moments(*before_.find_feature(before_.find_modality("notes"), name)); };
  EXPECT_EQ(moments(change_of("ordinal category at the end"), "pain"), of("pain"));
  EXPECT_EQ(moments(change_of("categories in another order"), "pain"), of("pain"));
  EXPECT_EQ(moments(change_of("categories in another order"), "rhythm"), std::pair(0.0, 1.0));
  EXPECT_EQ(moments(change_of("category gone"), "rhythm"), std::pair(0.0, 1.0));
  EXPECT_NE(of("rhythm"), std::pair(0.0, 1.0));
}

// Scored and calibrated as before: how far out a value lies, and whether its interval held it, depends on no unit.
TEST_F(SchemaChange, ScoresAndIntervalsAreThoseOfThePresentUnit) {
  const Schema after = in_other_units(false);
  const auto version = make(after, checkpoint_).value()->publish();
  const SchemaMapping mapping = SchemaMapping::make(before_, after).value();
  Calibrator calibrator(before_, 0.9), calibrator_now(after, 0.9);
  GrowingWard ward(5);
  std::size_t scored = 0;
  Score there, present;
  for (const Example& example : ward.take(300)) {
    const Example here = mapping.carry(after, example);
    for (std::size_t i = 0; i < example.arrived.size(); ++i) {
      const FeatureId f = example.arrived[i].feature;
      const UnitConversion& unit = mapping.features()[f]->unit;
      if (unit.factor == 1) continue;
      const auto score = [&](const ModelVersion& by, const Schema& schema, Calibrator& with, const Example& of) {
        const Query query{&of.before, of.time, {f}, {}, 5};
        const Predictive p = by.predict({&query, 1}).value()[0].predictive[0];
        const auto [mean, sd] = by.moments(f);
        const Interval interval = with.interval(f, Recency::fresh, p);
        return std::pair(interval, score_arrival(with, {schema.features()[f].likelihood, mean, sd}, Recency::fresh, p,
                                                 {f, of.arrived[i].value, std::nullopt, 0.5}));
      };
      const auto [interval, said] = score(*version_, before_, calibrator, example);
      const auto [interval_now, says] = score(*version, after, calibrator_now, here);
      const double width = unit.factor * (interval.high - interval.low);
      ASSERT_NEAR(interval_now.low, unit.factor * interval.low + unit.offset, 0.01 * width);
      ASSERT_NEAR(interval_now.high, unit.factor * interval.high + unit.offset, 0.01 * width);
      ASSERT_NEAR(says.z, said.z, 0.01);
      ++scored;
      if (before_.features()[f].likelihood == Likelihood::log_normal) {
        // Errors are told in standard deviations of log(1 + x), which small values of another unit differ in.
        there.crps += said.crps, there.squared_model += said.squared_model, there.error_mean += said.error_mean;
        present.crps += says.crps, present.squared_model += says.squared_model, present.error_mean += says.error_mean;
        continue;
      }
      ASSERT_NEAR(says.error_model, said.error_model, 1e-3);
      ASSERT_NEAR(says.crps, said.crps, 1e-3);
      ASSERT_NEAR(says.squared_model, said.squared_model, 1e-3 * (1 + said.squared_model));
      ASSERT_NEAR(says.width, said.width, 0.01 * (1 + said.width));
    }
  }
  EXPECT_GT(scored, 300U);
  EXPECT_NEAR(present.crps, there.crps, 0.05 * there.crps);
  EXPECT_NEAR(present.squared_model, there.squared_model, 0.1 * there.squared_model);
  EXPECT_NEAR(present.error_mean, there.error_mean, 0.05 * there.error_mean);
}

TEST_F(SchemaChange, SamplesAreInThePresentUnitAndRange) {
  const Schema after = in_other_units(true);
  const auto version = make(after, checkpoint_).value()->publish();
  const SchemaMapping mapping = SchemaMapping::make(before_, after).value();
  std::size_t at_the_end = 0;
  for (const Example& patient : patients_) {
    const Snapshot now = mapping.carry(after, patient.before);
    SampleQuery asked{{&patient.before, patient.time, {}, {}, 3}, 6, {}}, asks{{&now, patient.time, {}, {}, 3}, 6, {}};
    for (FeatureId f = 0; f < after.feature_count(); ++f) {
      asked.query.wanted.push_back(f);
      asks.query.wanted.push_back(f);
      if (f % 2 == 0) asks.kept.push_back(f), asked.kept.push_back(f);
    }
    const Samples said = version_->sample({&asked, 1}).value()[0], says = version->sample({&asks, 1}).value()[0];
    for (std::size_t n = 0; n < 6; ++n) {
      for (FeatureId f = 0; f < after.feature_count(); ++f) {
        const double here = says.at(n, f);
        ASSERT_TRUE(here >= after.features()[f].low && here <= after.features()[f].high);
        if (f % 2 == 0 && now.features[f].count > 0) {
          ASSERT_EQ(here, now.features[f].last) << "kept as it is";
          continue;
        }
        const bool end = after.features()[f].name == "glucose" && (here == 20 || here == 90);
        at_the_end += end ? 1 : 0;
      }
    }
    // The first feature that is drawn depends on nothing that a range cut off.
    SampleQuery one = asked, one_now = asks;
    one.query.wanted = one_now.query.wanted = {1};
    one.kept.clear(), one_now.kept.clear();
    const auto alone = version_->sample({&one, 1}).value()[0].values, alone_now = version->sample({&one_now, 1}).value()[0].values;
    for (std::size_t n = 0; n < 6; ++n) ASSERT_NEAR(alone_now[n], 1.8 * alone[n] + 32, 5e-3);
  }
  EXPECT_GT(at_the_end, 0U) << "or the range is not put to the test";
}

// One value is drawn given those before it, which the network has to see in the units that it learned in.
TEST_F(SchemaChange, JointSamplesAreThoseOfBefore) {
  const Schema after = in_other_units(false);
  const auto version = make(after, checkpoint_).value()->publish();
  const SchemaMapping mapping = SchemaMapping::make(before_, after).value();
  std::size_t same = 0, all = 0;
  for (const Example& patient : patients_) {
    const Snapshot now = mapping.carry(after, patient.before);
    SampleQuery asked{{&patient.before, patient.time, {}, {}, 3}, 5, {}}, asks{{&now, patient.time, {}, {}, 3}, 5, {}};
    for (FeatureId f = 0; f < after.feature_count(); ++f) asked.query.wanted.push_back(f);
    asks.query.wanted = asked.query.wanted;
    const Samples said = version_->sample({&asked, 1}).value()[0], says = version->sample({&asks, 1}).value()[0];
    for (std::size_t n = 0; n < 5; ++n) {
      bool alike = true;
      for (FeatureId f = 0; f < after.feature_count(); ++f) {
        const UnitConversion& unit = mapping.features()[f]->unit;
        alike = alike && std::abs(says.at(n, f) - unit.factor * said.at(n, f) - unit.offset) < 2e-3 * (1 + std::abs(says.at(n, f)));
      }
      same += alike ? 1 : 0;
      ++all;
    }
  }
  EXPECT_GT(same, all * 9 / 10) << "of " << all << "; rounding may tip a class now and then";
}

TEST_F(SchemaChange, WhatCannotBeCarriedIsRefused) {
  Declared d = declared();
  d.modalities[1].modality.payload.height = 5;
  const auto refused = make(d.schema(), checkpoint_);
  EXPECT_EQ(refused.code(), Code::unsupported);
  EXPECT_NE(refused.status().message().find("film"), std::string::npos) << refused.status().message();
  ModelOptions wider = small();
  wider.hidden_dim = 48;
  EXPECT_EQ(Trainer::make(before_, wider, quick(), {}, checkpoint_).code(), Code::unsupported);
}

/// The format before this one had a fingerprint in the place of the schema.
std::string with_fingerprint(const std::string& checkpoint, std::uint64_t fingerprint) {
  ByteReader in(checkpoint);
  ByteWriter out;
  out.put(in.get<std::uint32_t>());
  EXPECT_EQ(in.get<std::uint32_t>(), 4U);
  out.put<std::uint32_t>(3);
  const std::size_t schema = in.get_text().size();
  out.put(fingerprint);
  std::string bytes = out.take() + checkpoint.substr(12 + schema, checkpoint.size() - 12 - schema - sizeof(std::uint64_t));
  ByteWriter tail;
  tail.put(hash64(bytes));
  return bytes + tail.take();
}

TEST_F(SchemaChange, AFormatWithoutASchemaIsReadUnderItsOwn) {
  const std::string old = with_fingerprint(checkpoint_, before_.fingerprint());
  EXPECT_TRUE(make(before_, old).value()->checkpoint() == checkpoint_);
  EXPECT_EQ(make(changed(change_of("feature gone")), old).code(), Code::unsupported);
  EXPECT_EQ(make(before_, with_fingerprint(checkpoint_, 1)).code(), Code::unsupported);
}

}  // namespace
}  // namespace lacuna::model
