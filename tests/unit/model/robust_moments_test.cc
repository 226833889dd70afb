// Protects: what everything is standardised by. No value, and no patient, moves it far; a rule that all values follow does, and so does
// what changes for good.

#include "model/robust_moments.h"

#include <gtest/gtest.h>

#include <cmath>

#include "model/encoding.h"
#include "state/records/counter_random.h"

namespace lacuna::model {
namespace {

using std::chrono::hours;

struct Source {
  CounterRandom random{1};
  double mean = 9.5, sd = 2;
  double next() { return mean + sd * random.normal(); }
};

void add(RobustMoments& moments, Source& source, int count) {
  for (int i = 0; i < count; ++i) moments.add(source.next(), 0, 1);
}

TEST(RobustMoments, AreThoseOfANormalPopulation) {
  RobustMoments moments;
  EXPECT_EQ(moments.sd(), 1);
  EXPECT_FALSE(moments.seen());
  Source source;
  add(moments, source, 20'000);
  EXPECT_NEAR(moments.mean(), 9.5, 0.05);
  EXPECT_NEAR(moments.sd(), 2, 0.03);
}

// Whatever its size, and whenever it comes: the first value too.
TEST(RobustMoments, OneValueMovesThemByABoundedStep) {
  for (const int before : {0, 1, 5, 31, 32, 100, 1000}) {
    for (const double value : {1e2, 1e4, 9'999'999.0, 1e150, 1e300, -1e300, HUGE_VAL}) {
      RobustMoments with, without;
      Source one, two;
      add(with, one, before);
      add(without, two, before);
      with.add(value, 0, 1);
      without.add(two.next(), 0, 1);
      (void)one.next();
      add(with, one, 128);
      add(without, two, 128);
      EXPECT_LT(std::abs(with.mean() - without.mean()), 0.1 * without.sd()) << value << " after " << before;
      EXPECT_LT(std::abs(with.sd() / without.sd() - 1), 0.25) << value << " after " << before;
    }
  }
}

TEST(RobustMoments, SentinelsAmongAllAreHardlySeen) {
  RobustMoments moments;
  Source source;
  for (int i = 0; i < 50'000; ++i) moments.add(i % 100 == 7 ? 9'999'999 : source.next(), 0, 1);
  EXPECT_NEAR(moments.mean(), 9.5, 0.06 * 2);
  EXPECT_NEAR(moments.sd(), 2, 0.12 * 2);
}

// A new unit, a new site: a shift of all values is followed, by and by, however far it is.
TEST(RobustMoments, WhatChangesForGoodIsFollowed) {
  for (const double factor : {18.0, 1 / 18.0, 1000.0}) {
    RobustMoments moments;
    Source source;
    add(moments, source, 5000);
    source.mean *= factor;
    source.sd *= factor;
    add(moments, source, 12 * static_cast<int>(RobustMoments::kMemory));
    EXPECT_NEAR(moments.mean() / source.mean, 1, 0.05) << factor;
    EXPECT_NEAR(moments.sd() / source.sd, 1, 0.35) << factor;
  }
}

TEST(RobustMoments, WhatNeverVariedMayBeginTo) {
  RobustMoments moments;
  for (int i = 0; i < 30'000; ++i) moments.add(0.5, 0, 1);
  EXPECT_EQ(moments.mean(), 0.5);
  EXPECT_EQ(moments.sd(), RobustMoments::kSdMin);
  for (int i = 0; i < 3000; ++i) moments.add(i % 2 == 0 ? 0.5 : 1, 0, 1);
  EXPECT_GT(moments.sd(), 0.2);
}

// A rare class is a class, and a count of few is no error beside many zeros.
TEST(RobustMoments, RareClassesAndCountsCount) {
  RobustMoments classes(Tails::whole), counts(Tails::counts);
  for (int i = 0; i < 20'000; ++i) {
    classes.add(i % 100 == 3 ? 1 : 0, 0, 1);
    counts.add(i % 50 == 3 ? 4 : 0, 0, 1);
  }
  EXPECT_NEAR(classes.mean(), 0.01, 1e-3);
  EXPECT_NEAR(classes.sd(), std::sqrt(0.01 * 0.99), 1e-3);
  EXPECT_NEAR(counts.mean(), 0.08, 1e-2);
  counts.add(1e300, 0, 1);
  EXPECT_LT(counts.mean(), 0.1);
}

TEST(RobustMoments, GoOnExactlyAfterALoad) {
  for (const int before : {0, 1, 20, 40, 30'000}) {
    RobustMoments one, two;
    Source source;
    add(one, source, before);
    ByteWriter out;
    one.save(out);
    one.save_start(out);
    const std::string bytes = out.take();
    ByteReader in(bytes);
    two.load(in);
    two.load_start(in);
    ASSERT_TRUE(in.ok() && in.at_end());
    EXPECT_EQ(one.sd(), two.sd()) << before;
    for (int i = 0; i < 50; ++i) {
      const double value = source.next();
      one.add(value, 0, 0.5);
      two.add(value, 0, 0.5);
    }
    EXPECT_EQ(one.mean(), two.mean()) << before;
    EXPECT_EQ(one.sd(), two.sd()) << before;
  }
}

// What is kept of single values goes with their patient; sums stay.
TEST(RobustMoments, APatientIsForgotten) {
  RobustMoments with, without;
  Source one, two;
  add(with, one, 10);
  add(without, two, 10);
  with.add(17.18281828, 0, 1, 7);
  with.forget(8);
  EXPECT_NE(with.mean(), without.mean());
  with.forget(7);
  EXPECT_EQ(with.mean(), without.mean());
  EXPECT_EQ(with.sd(), without.sd());
  RobustMoments alone;
  alone.add(17.18281828, 0, 1, 7);
  alone.forget(7);
  EXPECT_FALSE(alone.seen());
  EXPECT_EQ(alone.sd(), 1);
}

TEST(PatientWeight, IsBoundedForEachAndGoesOnByTheWeek) {
  EXPECT_EQ(patient_weight(0, hours(0)), 1);
  EXPECT_EQ(patient_weight(3, hours(0)), 1);
  EXPECT_LT(patient_weight(4, hours(0)), 1);
  EXPECT_EQ(patient_weight(1'000'000, hours(24 * 8)), 1);
  double sum = 0;
  for (std::uint64_t k = 0; k < 10'000; ++k) sum += patient_weight(k, std::chrono::minutes(1));
  EXPECT_LT(sum, 10);
}

Schema embeddings() {
  std::vector<Schema::ModalitySpec> specs(2);
  specs[0].modality.name = "vitals";
  specs[0].features.push_back({"hr", "/min", Likelihood::normal, -HUGE_VAL, HUGE_VAL, {}, {}, 0});
  specs[1].modality.name = "film";
  specs[1].modality.kind = ModalityKind::embedding;
  specs[1].modality.payload.length = 4;
  return Schema::make(std::move(specs), {}).value();
}

Example example_of(CounterRandom& random, const std::string& patient, std::uint32_t count, double hr, float scale) {
  Example e;
  e.before.patient_id = patient;
  e.before.features.resize(1);
  e.before.features[0].count = count;
  e.before.modalities.resize(2);
  e.before.modalities[1].count = count;
  e.arrived = {{0, hr}};
  Payload payload;
  for (int i = 0; i < 4; ++i) payload.values.push_back(scale * static_cast<float>(random.normal()));
  e.arrived_payloads = {{1, PayloadRef(std::move(payload))}};
  return e;
}

// An embedding of another network, and a patient whose monitor hangs at the end of its range.
TEST(Standardiser, NeitherOnePayloadNorOnePatientTakesOver) {
  const Schema schema = embeddings();
  Standardiser with(schema), without(schema);
  CounterRandom random(3);
  for (int patient = 0; patient < 200; ++patient) {
    for (std::uint32_t k = 0; k < 30; ++k) {
      const Example e = example_of(random, std::to_string(patient), k, 80 + 12 * random.normal(), 1);
      with.observe(e);
      without.observe(e);
    }
  }
  with.observe(example_of(random, "x", 0, 80, 1e6F));
  for (std::uint32_t k = 0; k < 10'000; ++k) with.observe(example_of(random, "y", k, 250, 1));
  EXPECT_LT(std::abs(with.mean(0) - without.mean(0)), 0.1 * without.sd(0));
  EXPECT_NEAR(with.sd(0) / without.sd(0), 1, 0.1);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_NEAR(with.payload(0).means()[i], without.payload(0).means()[i], 0.1);
    EXPECT_NEAR(with.payload(0).spreads()[i], without.payload(0).spreads()[i], 0.1);
  }
}

}  // namespace
}  // namespace lacuna::model
