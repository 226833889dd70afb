// Protects: what the network is given of heavy-tailed values and of ordered classes: the first are standardised, in and out; the
// second are an index as target, and a number and a column a class as past.

#include "model/encoding.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "state/records/counter_random.h"
#include "state/records/scale.h"

namespace lacuna::model {
namespace {

Schema schema() {
  std::vector<Schema::ModalitySpec> specs(1);
  specs[0].modality.name = "bedside";
  specs[0].features.resize(3);
  specs[0].features[0].name = "cvp";
  specs[0].features[0].likelihood = Likelihood::student_t;
  specs[0].features[1].name = "edema";
  specs[0].features[1].likelihood = Likelihood::ordinal;
  specs[0].features[1].categories = {"none", "mild", "moderate", "severe"};
  specs[0].features[2].name = "rhythm";
  specs[0].features[2].likelihood = Likelihood::categorical;
  specs[0].features[2].categories = {"sinus", "af"};
  return Schema::make(std::move(specs), {}).value();
}

TEST(Encoding, HeavyTailsAndOrderedClasses) {
  const Schema declared = schema();
  const RowEncoder encoder(declared);
  const InputLayout& layout = encoder.layout();
  EXPECT_EQ(layout.category_counts, (std::vector<std::int64_t>{0, 4, 2}));
  EXPECT_EQ(layout.categories, 4);
  EXPECT_EQ(layout.past, kPastColumns + 4);

  Standardiser standardiser(declared);
  Example example;
  for (const double value : {-6.0, 14.0}) {  // mean 4, sd 10
    example.arrived = {{0, value}, {1, value > 0 ? 3.0 : 1.0}};
    standardiser.observe(example);
  }
  EXPECT_FLOAT_EQ(encoder.target(standardiser, 0, 24), 2);
  EXPECT_FLOAT_EQ(encoder.target(standardiser, 0, -1e9), -kTargetClamp);
  EXPECT_FLOAT_EQ(encoder.target(standardiser, 1, 3), 3);

  Snapshot snapshot;
  snapshot.features.resize(3);
  snapshot.features[0] = {9, Time{}, 1, 9, 9, 0, 9};
  snapshot.features[1] = {3, Time{}, 1, 3, 3, 0, 3};
  std::vector<float> past(static_cast<std::size_t>(3 * layout.past)), observed(3), last(3),
      context(static_cast<std::size_t>(layout.context));
  encoder.encode(standardiser, snapshot, nullptr, Time{}, {past, observed, last, context});
  EXPECT_EQ(observed, (std::vector<float>{1, 1, 0}));
  EXPECT_FLOAT_EQ(last[0], 0.5f);
  EXPECT_FLOAT_EQ(last[1], 3);
  EXPECT_FLOAT_EQ(past[kLast], 0.5f);
  const float* edema = past.data() + layout.past;
  EXPECT_FLOAT_EQ(edema[kLast], 1);  // mean 2, sd 1
  EXPECT_EQ(std::vector<float>(edema + kPastColumns, edema + kPastColumns + 4), (std::vector<float>{0, 0, 0, 1}));
}

// A value of before that is no value has drawn the means and the slope away: they say nothing, and the last one goes on.
TEST(Encoding, WhatWasDrawnTooFarSaysNothing) {
  const Schema declared = schema();
  const RowEncoder encoder(declared);
  Standardiser standardiser(declared);
  Example example;
  for (const double value : {-6.0, 14.0}) {  // mean 4, sd 10
    example.arrived = {{0, value}};
    standardiser.observe(example);
  }
  Snapshot snapshot;
  snapshot.features.resize(3);
  snapshot.features[0] = {9, Time{}, 4, 1e7F, 1e5F, 1e6F, 3e38F};
  const InputLayout& layout = encoder.layout();
  std::vector<float> past(static_cast<std::size_t>(3 * layout.past)), observed(3), last(3),
      context(static_cast<std::size_t>(layout.context));
  encoder.encode(standardiser, snapshot, nullptr, Time{}, {past, observed, last, context});
  EXPECT_FLOAT_EQ(past[kLast], 0.5F);
  for (const PastColumn c : {kMeanShort, kMeanLong, kSlope, kPrevious}) EXPECT_EQ(past[c], 0) << c;
  snapshot.features[0].mean_long = 14;
  encoder.encode(standardiser, snapshot, nullptr, Time{}, {past, observed, last, context});
  EXPECT_FLOAT_EQ(past[kMeanLong], 0.5F);
}

Schema assay(Likelihood likelihood) {
  std::vector<Schema::ModalitySpec> specs(1);
  specs[0].modality.name = "chemistry";
  specs[0].features.resize(1);
  specs[0].features[0].name = "assay";
  specs[0].features[0].likelihood = likelihood;
  return Schema::make(std::move(specs), {}).value();
}

// A fifth lies below the limit: mean and spread are those of all values, where to leave the limits out would move the mean by 0.35 sd and
// to take them for values by 0.11.
TEST(Encoding, LimitsDoNotMoveTheMoments) {
  for (const Likelihood likelihood : {Likelihood::normal, Likelihood::log_normal, Likelihood::student_t}) {
    for (const Comparator comparator : {Comparator::less, Comparator::greater}) {
      Standardiser standardiser(assay(likelihood));
      CounterRandom random(5);
      const double limit = 3 + (comparator == Comparator::less ? -0.5 : 0.5) * 0.8416;
      for (int i = 0; i < 20'000; ++i) {
        float z = 0;
        random.normals({&z, 1});
        const double y = 3 + 0.5 * static_cast<double>(z);
        const bool beyond = comparator == Comparator::less ? y < limit : y > limit;
        Example example;
        example.arrived = {{0, from_scale(likelihood, beyond ? limit : y), beyond ? comparator : Comparator::equal}};
        standardiser.observe(example);
      }
      EXPECT_NEAR(standardiser.mean(0), 3, 0.0175) << to_string(likelihood);
      EXPECT_NEAR(standardiser.sd(0), 0.5, 0.015) << to_string(likelihood);
    }
  }
}

// The network reads what the population has beyond a limit, never the limit as a value.
TEST(Encoding, ALimitIsReadAsWhatLiesBeyondIt) {
  const Schema declared = assay(Likelihood::normal);
  const RowEncoder encoder(declared);
  Standardiser standardiser(declared);
  Example example;
  for (const double value : {-6.0, 14.0}) {  // mean 4, sd 10
    example.arrived = {{0, value}};
    standardiser.observe(example);
  }
  const InputLayout& layout = encoder.layout();
  Snapshot snapshot;
  snapshot.features = {{4, Time{}, 1, 4, 4, 0, 4, Comparator::less, true}};
  std::vector<float> past(static_cast<std::size_t>(layout.past)), observed(1), last(1), context(static_cast<std::size_t>(layout.context)),
      side(1);
  EXPECT_TRUE(encoder.encode(standardiser, snapshot, nullptr, Time{}, {past, observed, last, context, side}));
  EXPECT_FLOAT_EQ(past[kMask], 1);
  EXPECT_NEAR(past[kLast], -std::sqrt(2 / M_PI), 1e-6);
  for (const PastColumn c : {kMeanShort, kMeanLong, kSlope, kPrevious}) EXPECT_EQ(past[c], 0) << c;
  EXPECT_FLOAT_EQ(last[0], 0) << "the target is the limit";
  EXPECT_FLOAT_EQ(side[0], -1);
  snapshot.features[0] = {4, Time{}, 3, 14, 14, 0, 14, Comparator::greater};
  EXPECT_TRUE(encoder.encode(standardiser, snapshot, nullptr, Time{}, {past, observed, last, context, side}));
  EXPECT_NEAR(past[kLast], std::sqrt(2 / M_PI), 1e-6);
  EXPECT_NEAR(past[kMeanLong], 1 - std::sqrt(2 / M_PI), 1e-6) << "of what was measured";
  EXPECT_FLOAT_EQ(side[0], 1);
  snapshot.features[0].comparator = Comparator::equal;
  EXPECT_FALSE(encoder.encode(standardiser, snapshot, nullptr, Time{}, {past, observed, last, context, side}));
  EXPECT_FLOAT_EQ(side[0], 0);
}

TEST(Encoding, TargetsOfCountsAreTheOutermostOnes) {
  const Schema declared = assay(Likelihood::negative_binomial);
  const RowEncoder encoder(declared);
  Standardiser standardiser(declared);
  Example example;
  example.arrived = {{0, 5}};
  standardiser.observe(example);
  EXPECT_FLOAT_EQ(encoder.target(standardiser, 0, 5, Comparator::less), 4);
  EXPECT_FLOAT_EQ(encoder.target(standardiser, 0, 5, Comparator::at_most), 5);
  EXPECT_FLOAT_EQ(encoder.target(standardiser, 0, 5, Comparator::at_least), 5);
  EXPECT_FLOAT_EQ(encoder.target(standardiser, 0, 5, Comparator::greater), 6);
}

// Protects: an outcome that is known already, in an evaluation or after a late message, must not tell the values that it followed from.
TEST(Encoding, OutcomesAreNeverRead) {
  Attribute died, score, sex;
  died.name = "died";
  died.categories = {"no", "yes"};
  score.name = "days_to_death";
  died.outcome = score.outcome = true;
  sex.name = "sex";
  sex.categories = {"female", "male"};
  std::vector<Schema::ModalitySpec> specs(1);
  specs[0].modality.name = "bedside";
  specs[0].features.resize(1);
  specs[0].features[0].name = "cvp";
  const Schema declared = Schema::make(std::move(specs), {died, score, sex}).value();
  const RowEncoder encoder(declared);
  const InputLayout& layout = encoder.layout();
  const Standardiser standardiser(declared);
  Snapshot snapshot;
  snapshot.features.resize(1);
  std::vector<float> past(static_cast<std::size_t>(layout.past)), observed(1), last(1);
  const auto context = [&](std::vector<std::optional<float>> attributes) {
    snapshot.attributes = std::move(attributes);
    std::vector<float> out(static_cast<std::size_t>(layout.context));
    encoder.encode(standardiser, snapshot, nullptr, Time{}, {past, observed, last, out});
    return out;
  };
  EXPECT_EQ(context({1.0F, 3.0F, 1.0F}), context({std::nullopt, std::nullopt, 1.0F}));
  EXPECT_NE(context({std::nullopt, std::nullopt, 0.0F}), context({std::nullopt, std::nullopt, 1.0F}));
}

}  // namespace
}  // namespace lacuna::model
