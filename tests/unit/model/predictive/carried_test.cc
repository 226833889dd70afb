// Goal: calibration and scores of a feature that stays are, under a schema that has grown, the same numbers under its name; a feature that
// begins starts as if nothing had been. Method: statistics that differ for each feature, carried through each kind of change and back.
#include "model/predictive/carried.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "model/predictive/calibration.h"
#include "model/predictive/scores.h"

namespace lacuna::model {
namespace {

using Features = std::vector<Feature>;

Feature feature(const char* name, const char* unit, Likelihood likelihood = Likelihood::normal) {
  Feature f;
  f.name = name;
  f.unit = unit;
  f.likelihood = likelihood;
  return f;
}

Features base() {
  Features f{feature("hr", "/min"), feature("temp", "Cel"), feature("glucose", "mg/dL", Likelihood::log_normal),
             feature("avpu", "", Likelihood::ordinal)};
  f[3].categories = {"alert", "voice", "pain"};
  return f;
}

Schema make(const Features& features) {
  std::vector<Schema::ModalitySpec> specs(1);
  specs[0].modality.name = "ward";
  specs[0].features = features;
  auto made = Schema::make(specs, {});
  EXPECT_TRUE(made.ok()) << made.status().to_string();
  return *made;
}

struct Case {
  const char* name;
  std::function<void(Features&)> change;
  std::vector<std::string> begin = {};  ///< of base()'s, anew
};

const std::vector<Case> kCases = {
    {"a feature in front", [](Features& f) { f.insert(f.begin(), feature("spo2", "%")); }},
    {"a feature gone", [](Features& f) { f.erase(f.begin()); }},
    {"another order", [](Features& f) { std::reverse(f.begin(), f.end()); }},
    {"units that convert", [](Features& f) { f[1].unit = "[degF]", f[2].unit = "mmol/L"; }},
    {"a unit that does not convert", [](Features& f) { f[1].unit = "kg"; }, {"temp"}},
    {"a likelihood", [](Features& f) { f[1].likelihood = Likelihood::student_t; }, {"temp"}},
    {"a class behind the others", [](Features& f) { f[3].categories.push_back("unresponsive"); }},
    {"a class in front", [](Features& f) { f[3].categories.insert(f[3].categories.begin(), "agitated"); }, {"avpu"}},
    {"a class gone", [](Features& f) { f[3].categories.pop_back(); }, {"avpu"}},
    {"classes in another order", [](Features& f) { std::swap(f[3].categories[0], f[3].categories[2]); }, {"avpu"}},
    {"a range", [](Features& f) { f[0].low = 0, f[0].high = 300; }},
};

/// Calls with the schema before and after, and for each feature after the one before that it goes on from.
void each_case(
    const std::function<void(const Schema&, const Schema&, const SchemaMapping&, const std::vector<std::optional<FeatureId>>&)>& visit) {
  const Schema from = make(base());
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    Features features = base();
    c.change(features);
    const Schema to = make(features);
    std::vector<std::optional<FeatureId>> goes_on;
    for (const Feature& f : to.features()) {
      const bool begins = std::find(c.begin.begin(), c.begin.end(), f.name) != c.begin.end();
      goes_on.push_back(begins ? std::nullopt : from.find_feature(0, f.name));
    }
    const auto grown = SchemaMapping::make(from, to);
    ASSERT_TRUE(grown.ok());
    visit(from, to, *grown, goes_on);
  }
}

Predictive predictive_of(const Feature& f) {
  if (is_discrete(f.likelihood)) {
    return {f.likelihood, {1}, {}, {}, std::vector<float>(f.categories.size(), 1 / static_cast<float>(f.categories.size()))};
  }
  return {f.likelihood, {1}, {0}, {1}, {}};
}

Calibrator taught(const Schema& schema) {
  Calibrator out(schema, 0.9);
  std::mt19937_64 random(4);
  std::normal_distribution<double> normal;
  for (int i = 0; i < 2000; ++i) {
    const auto f = static_cast<FeatureId>(i % 4);
    const Feature& feature = schema.features()[f];
    const double value = is_discrete(feature.likelihood) ? static_cast<double>(random() % 3) : std::abs(normal(random)) * (f + 1);
    out.update(f, static_cast<Recency>(i % 3), predictive_of(feature), value, 0.5);
  }
  return out;
}

TEST(Carried, CalibrationGoesByName) {
  const Calibrator one = taught(make(base()));
  const std::string bytes = one.save();
  each_case([&](const Schema&, const Schema& to, const SchemaMapping& grown, const auto& goes_on) {
    Calibrator two(to, 0.9);
    const Calibrator fresh(to, 0.9);
    ASSERT_TRUE(two.load(bytes, &grown).ok());
    for (FeatureId f = 0; f < to.feature_count(); ++f) {
      for (const Recency r : {Recency::never_measured, Recency::stale, Recency::fresh}) {
        SCOPED_TRACE(to.features()[f].name);
        EXPECT_EQ(two.radius(f, r), goes_on[f] ? one.radius(*goes_on[f], r) : fresh.radius(f, r));
        EXPECT_EQ(two.updates(f, r), goes_on[f] ? one.updates(*goes_on[f], r) : 0u);
        // It goes on learning as it would have.
        if (!goes_on[f] || is_discrete(to.features()[f].likelihood)) continue;
        Calibrator a = one, b = two;
        for (int i = 0; i < 50; ++i) {
          const Predictive p = predictive_of(to.features()[f]);
          a.update(*goes_on[f], r, p, 1 + i % 3, 0.5);
          b.update(f, r, p, 1 + i % 3, 0.5);
        }
        EXPECT_EQ(a.radius(*goes_on[f], r), b.radius(f, r));
        EXPECT_NE(a.radius(*goes_on[f], r), one.radius(*goes_on[f], r));
      }
    }
  });
}

TEST(Carried, CalibrationOfAnotherLevelBeginsAnew) {
  each_case([&](const Schema& from, const Schema& to, const SchemaMapping& grown, const auto&) {
    Calibrator other(to, 0.8);
    const std::string held = other.save();
    EXPECT_TRUE(other.load(taught(from).save(), &grown).ok());
    EXPECT_EQ(other.save(), held);
  });
}

Score score(FeatureId feature, double error, double value) {
  Score s;
  s.feature = feature;
  s.error_model = error;
  s.error_last = 2 * error;
  s.crps = error / 2;
  s.width = 3;
  s.covered = error < 1.5;
  s.value = value;
  return s;
}

ScoreBoard scored() {
  ScoreBoard out(4, 50);
  for (int i = 0; i < 2400; ++i) {
    const auto f = static_cast<FeatureId>(i % 4);
    out.add(score(f, 0.1 * (i % 17) + 0.01 * f, f == 1 ? 37 : i % 3));
    if (i % 5 == 0) out.add_hidden(score(f, 0.2 * f, 0));
  }
  return out;
}

void expect_same(const ScoreBoard::Row& a, const ScoreBoard::Row& b) {
  EXPECT_EQ(a.count, b.count);
  EXPECT_EQ(a.unseen_count, b.unseen_count);
  EXPECT_EQ(a.hidden_count, b.hidden_count);
  for (const auto field : {&ScoreBoard::Row::error_model, &ScoreBoard::Row::error_last, &ScoreBoard::Row::crps, &ScoreBoard::Row::width,
                           &ScoreBoard::Row::recent_weight, &ScoreBoard::Row::recent_error_model, &ScoreBoard::Row::recent_covered,
                           &ScoreBoard::Row::hidden_error_model}) {
    EXPECT_EQ(a.*field, b.*field);
  }
  EXPECT_EQ(a.intervals.count, b.intervals.count);
  EXPECT_EQ(a.intervals.window, b.intervals.window);
  EXPECT_EQ(a.intervals.least, b.intervals.least);
  EXPECT_EQ(a.intervals.most, b.intervals.most);
}

TEST(Carried, ScoresGoByName) {
  const ScoreBoard one = scored();
  const std::string bytes = one.save();
  each_case([&](const Schema& from, const Schema& to, const SchemaMapping& grown, const auto& goes_on) {
    ScoreBoard two(to.feature_count(), 50);
    ASSERT_TRUE(two.load(bytes, &grown).ok());
    for (FeatureId f = 0; f < to.feature_count(); ++f) {
      SCOPED_TRACE(to.features()[f].name);
      expect_same(two.row(f), goes_on[f] ? one.row(*goes_on[f]) : ScoreBoard::Row{});
      if (!goes_on[f] || !grown.features()[f]->same_unit()) continue;
      EXPECT_EQ(two.row(f).intervals.lowest, one.row(*goes_on[f]).intervals.lowest);
      EXPECT_EQ(two.row(f).intervals.highest, one.row(*goes_on[f]).intervals.highest);
    }
    // There and back: where no feature began or ended and no unit changed, the same bytes.
    const auto back = SchemaMapping::make(to, from);
    ScoreBoard again(from.feature_count(), 50);
    ASSERT_TRUE(again.load(two.save(), &*back).ok());
    for (FeatureId f = 0; f < from.feature_count(); ++f) {
      if (std::find(goes_on.begin(), goes_on.end(), f) != goes_on.end()) continue;
      EXPECT_EQ(again.row(f).count, 0u);
    }
    for (FeatureId f = 0; f < to.feature_count(); ++f) {
      const bool classes_stayed = goes_on[f] && !is_discrete(to.features()[f].likelihood);
      if (classes_stayed) expect_same(again.row(*goes_on[f]), one.row(*goes_on[f]));
    }
  });
}

// Whether all values were the same is told of values in one unit.
TEST(Carried, OneValueInTwoUnitsIsOneValue) {
  const Schema from = make(base());
  Features features = base();
  features[1].unit = "[degF]";
  features[2].unit = "mmol/L";
  const Schema to = make(features);
  const SchemaMapping there = *SchemaMapping::make(from, to), back = *SchemaMapping::make(to, from);
  ScoreBoard board(4, 50);
  ASSERT_TRUE(board.load(scored().save(), &there).ok());
  EXPECT_FALSE(board.row(2).intervals.single_valued());
  board.add(score(1, 0.1, 98.6));
  board.add(score(2, 0.1, 5));
  EXPECT_TRUE(board.row(1).intervals.single_valued());
  EXPECT_FALSE(board.row(2).intervals.single_valued());  // it was not before
  ScoreBoard again(4, 50);
  ASSERT_TRUE(again.load(board.save(), &back).ok());
  ScoreBoard once_more(4, 50);
  ASSERT_TRUE(once_more.load(again.save(), &there).ok());
  once_more.add(score(1, 0.1, 98.6));
  EXPECT_TRUE(once_more.row(1).intervals.single_valued());
  once_more.add(score(1, 0.1, 99));
  EXPECT_FALSE(once_more.row(1).intervals.single_valued());
}

TEST(Carried, WhatIsNotOfTheSchemaBeforeIsRefused) {
  const std::string calibration = taught(make(base())).save(), scores = scored().save();
  each_case([&](const Schema&, const Schema& to, const SchemaMapping& grown, const auto&) {
    Calibrator calibrator(to, 0.9);
    ScoreBoard board(to.feature_count(), 50);
    ASSERT_TRUE(calibrator.load(calibration, &grown).ok() && board.load(scores, &grown).ok());
    const std::string held_calibration = calibrator.save(), held_scores = board.save();
    for (std::size_t cut = 0; cut < calibration.size(); cut += 37) {
      ASSERT_EQ(calibrator.load(calibration.substr(0, cut), &grown).code(), Code::corrupt) << cut;
    }
    for (std::size_t cut = 0; cut < scores.size(); cut += 37) {
      ASSERT_EQ(board.load(scores.substr(0, cut), &grown).code(), Code::corrupt) << cut;
    }
    EXPECT_EQ(calibrator.load(calibration + "x", &grown).code(), Code::corrupt);
    EXPECT_EQ(board.load(scores + "x", &grown).code(), Code::corrupt);
    if (to.feature_count() != 4) {
      EXPECT_EQ(calibrator.load(held_calibration, &grown).code(), Code::unsupported);
      EXPECT_EQ(board.load(held_scores, &grown).code(), Code::unsupported);
    }
    EXPECT_EQ(calibrator.save(), held_calibration);
    EXPECT_EQ(board.save(), held_scores);
  });
}

}  // namespace
}  // namespace lacuna::model
