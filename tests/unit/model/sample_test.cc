#include <algorithm>
#include <cmath>
#include <memory>

#include <gtest/gtest.h>

#include "model/learner.h"
#include "tests/unit/model/synthetic.h"

// Joint samples must be the predictive distribution, feature by feature, and hold together what depends on each other. A small
// model learns the synthetic ward once; what it was taught is known, and so is what its samples must show.

namespace lacuna::model {
namespace {

using namespace testing;

class Sample : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    ModelOptions options;
    options.latent_dim = 8;
    options.hidden_dim = 32;
    options.device = Device::cpu;
    TrainOptions train;
    train.batch_size = 64;
    train.examples_per_step = 16;
    train.young_pace = 1;
    train.kl_warmup_steps = 100;
    train.learning_rate = 3e-3;
    SyntheticWard ward(5);
    auto learner = Learner::make(ward.schema(), options, train, {}, nullptr, {});
    ASSERT_TRUE(learner.ok()) << learner.status().to_string();
    (*learner)->submit(ward.take(16 * 600));
    version_ = (*learner)->drain();
    for (const Example& e : ward.take(400)) {
      if (e.before.event_count >= 3) patients_.push_back(e.before);
    }
    ASSERT_GT(patients_.size(), 100U);
  }
  static void TearDownTestSuite() {
    version_.reset();
    patients_.clear();
  }

  static Query query(const Snapshot& snapshot, std::vector<FeatureId> wanted, std::uint64_t seed = 1) {
    return {&snapshot, snapshot.last_time, std::move(wanted), {}, seed};
  }
  static Samples sample(SampleQuery asked) {
    auto out = version_->sample({&asked, 1});
    EXPECT_TRUE(out.ok()) << out.status().to_string();
    return out.ok() ? std::move(out->front()) : Samples();
  }
  static std::vector<double> column(const Samples& samples, std::size_t feature) {
    std::vector<double> out;
    for (std::size_t i = 0; i < samples.count(); ++i) out.push_back(samples.at(i, feature));
    return out;
  }
  static Snapshot nothing_known() {
    Snapshot snapshot;
    snapshot.features.resize(8);
    snapshot.modalities.resize(4);
    snapshot.attributes.resize(2);
    return snapshot;
  }

  static std::shared_ptr<const ModelVersion> version_;
  static std::vector<Snapshot> patients_;
};
std::shared_ptr<const ModelVersion> Sample::version_;
std::vector<Snapshot> Sample::patients_;

double mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double v : values) sum += v;
  return sum / static_cast<double>(values.size());
}

double correlation(const std::vector<double>& a, const std::vector<double>& b) {
  const double ma = mean(a), mb = mean(b);
  double ab = 0, aa = 0, bb = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    ab += (a[i] - ma) * (b[i] - mb);
    aa += (a[i] - ma) * (a[i] - ma);
    bb += (b[i] - mb) * (b[i] - mb);
  }
  return ab / std::sqrt(aa * bb);
}

/// What predict() says, over many seeds, so that its own few draws do not show.
struct Reference {
  double mean = 0, square = 0;
  std::vector<Predictive> parts;
  double sd() const { return std::sqrt(square - mean * mean); }
  double cdf(double value) const {
    double sum = 0;
    for (const Predictive& p : parts) sum += p.cdf(value);
    return sum / static_cast<double>(parts.size());
  }
};

Reference reference(const ModelVersion& version, Query query) {
  constexpr int kSeeds = 60;
  Reference out;
  for (int i = 0; i < kSeeds; ++i) {
    query.seed = 1000 + static_cast<std::uint64_t>(i);
    out.parts.push_back(version.predict({&query, 1}).value().front().predictive.front());
    const double m = out.parts.back().mean(), s = out.parts.back().sd();
    out.mean += m / kSeeds;
    out.square += (m * m + s * s) / kSeeds;
  }
  return out;
}

// One feature asked for: its samples are its predictive distribution, for every likelihood, measured or not. 4,000 samples leave
// 1.6 % of a standard deviation to the mean and 0.8 points to a quantile; the bounds are three times that and a little.
TEST_F(Sample, FollowsThePredictiveDistribution) {
  constexpr std::size_t kCount = 4000;
  Snapshot patient = patients_[7];
  patient.features[kCells] = patient.features[kState] = patient.features[kHr] = {};
  for (const FeatureId f : {kHr, kRr, kCrea, kLactate, kCells, kTube, kState}) {
    const Query asked = query(patient, {f});
    const std::vector<double> drawn = column(sample({asked, kCount, {}}), 0);
    const Reference expected = reference(*version_, asked);
    const double m = mean(drawn);
    double square = 0;
    for (const double v : drawn) square += v * v / static_cast<double>(kCount);
    EXPECT_NEAR(m, expected.mean, 0.06 * expected.sd() + 1e-9) << "feature " << f;
    EXPECT_NEAR(std::sqrt(square - m * m), expected.sd(), 0.1 * expected.sd() + 1e-9) << "feature " << f;
    std::vector<double> sorted = drawn;
    std::sort(sorted.begin(), sorted.end());
    for (const double p : {0.05, 0.25, 0.5, 0.75, 0.95}) {
      const double value = sorted[static_cast<std::size_t>(p * kCount)];
      const double at_or_below = static_cast<double>(std::upper_bound(sorted.begin(), sorted.end(), value) - sorted.begin()) / kCount;
      EXPECT_NEAR(expected.cdf(value), at_or_below, 0.03) << "feature " << f << " at " << p;
    }
  }
}

// What came later is as known to a sample as to a prediction.
TEST_F(Sample, FollowsThePredictiveDistributionFromBothSides) {
  ModelOptions options;
  options.latent_dim = 8;
  options.hidden_dim = 32;
  options.device = Device::cpu;
  options.two_sided = true;
  TrainOptions train;
  train.batch_size = 64;
  train.examples_per_step = 16;
  SyntheticWard ward(5);
  const auto learner = Learner::make(ward.schema(), options, train, {}, nullptr, {}).value();
  learner->submit(ward.take(16 * 50));
  const auto version = learner->drain();
  Snapshot patient = patients_[7], later = patients_[7];
  patient.features[kHr] = {};
  later.features[kHr].last = 160;
  later.features[kHr].count = 3;
  Query asked = query(patient, {kHr});
  const Reference before = reference(*version, asked);
  asked.after = &later;
  const Reference both = reference(*version, asked);
  ASSERT_GT(std::abs(both.mean - before.mean), 0.25 * both.sd()) << "what came later says nothing here: no test";
  const SampleQuery many{asked, 2000, {}};
  const Samples drawn = version->sample({&many, 1}).value().front();
  EXPECT_NEAR(mean(column(drawn, 0)), both.mean, 0.1 * both.sd());
}

// All features asked for at once: each still follows its own distribution, as far as the model agrees with itself.
TEST_F(Sample, JointSamplesKeepEachFeaturesDistribution) {
  const Snapshot& patient = patients_[7];
  const std::vector<FeatureId> wanted{kHr, kRr, kCrea, kLactate, kCells};
  const Samples samples = sample({query(patient, wanted), 2000, {}});
  for (std::size_t j = 0; j < wanted.size(); ++j) {
    const Reference expected = reference(*version_, query(patient, {wanted[j]}));
    EXPECT_NEAR(mean(column(samples, j)), expected.mean, 0.3 * expected.sd()) << "feature " << wanted[j];
  }
}

// In the ward, the heart rate, the count of cells and the tube follow one hidden number. Drawn apart, nothing of that is left.
TEST_F(Sample, DependenceIsKept) {
  const Snapshot nothing = nothing_known();
  const Samples together = sample({query(nothing, {kHr, kCells, kTube, kRr}), 1500, {}});
  const auto hr = column(together, 0), cells = column(together, 1), tube = column(together, 2), rr = column(together, 3);
  EXPECT_GT(correlation(hr, cells), 0.5);
  EXPECT_GT(correlation(hr, tube), 0.5);
  EXPECT_LT(std::abs(correlation(hr, rr)), 0.5 * correlation(hr, cells)) << "these two do not depend on each other";
  const auto apart = column(sample({query(nothing, {kHr}, 2), 1500, {}}), 0);
  EXPECT_LT(std::abs(correlation(apart, cells)), 0.1);
  // And so they stay when a part is known.
  Snapshot part = patients_[3];
  for (const FeatureId f : {kHr, kCells, kTube, kCrea, kLactate}) part.features[f] = {};
  const Samples rest = sample({query(part, {kHr, kCells}), 1500, {}});
  EXPECT_GT(correlation(column(rest, 0), column(rest, 1)), 0.3);
}

TEST_F(Sample, WithNothingKnownThePopulationComes) {
  const Snapshot nothing = nothing_known();
  const Samples samples = sample({query(nothing, {kHr, kRr, kTube}), 1500, {}});
  EXPECT_NEAR(mean(column(samples, 0)), 80, 6) << "half of its standard deviation over patients";
  EXPECT_NEAR(mean(column(samples, 1)), 18, 2);
  EXPECT_NEAR(mean(column(samples, 2)), 0.5, 0.2);
}

TEST_F(Sample, SameSeedSameSamples) {
  const SampleQuery asked{query(patients_[1], {kHr, kCrea, kCells, kTube, kState}, 9), 40, {}};
  const Samples first = sample(asked);
  EXPECT_EQ(first.values, sample(asked).values);
  SampleQuery other = asked;
  other.query.seed = 10;
  EXPECT_NE(first.values, sample(other).values);
  std::vector<double> again;
  for (std::size_t i = 0; i < 40; ++i) again.push_back(first.at(i, 0));
  std::sort(again.begin(), again.end());
  EXPECT_EQ(std::unique(again.begin(), again.end()), again.end()) << "no two samples are the same";
}

// Neither what else is asked nor how many samples: a slice of a long run equals that part of it.
TEST_F(Sample, DoesNotDependOnTheBatch) {
  std::vector<SampleQuery> all;
  for (std::size_t i = 0; i < 50; ++i) all.push_back({query(patients_[i], {kHr, kLactate, kTube, kCells}, i), 1 + i % 5, {}});
  const auto together = version_->sample(all).value();
  for (std::size_t i = 0; i < all.size(); ++i) {
    all[i].count += 3;
    const Samples alone = sample(all[i]);
    ASSERT_EQ(together[i].count() + 3, alone.count());
    for (std::size_t n = 0; n < together[i].values.size(); ++n) {
      EXPECT_NEAR(together[i].values[n], alone.values[n], 1e-3 * (1 + std::abs(alone.values[n]))) << i;
    }
  }
}

TEST_F(Sample, WhatIsKeptStaysAndHiddenIsDrawn) {
  Snapshot patient = patients_[5];
  patient.features[kHr] = {71, patient.last_time, 1, 71, 71, 0, 71};
  SampleQuery asked{query(patient, {kHr, kRr, kRare}), 50, {kHr, kRare}};
  const Samples kept = sample(asked);
  for (std::size_t i = 0; i < kept.count(); ++i) EXPECT_EQ(kept.at(i, 0), 71);
  EXPECT_NE(kept.at(0, 2), kept.at(1, 2)) << "never measured: there is nothing to keep";
  asked.query.hidden = {kVitals};
  const Samples drawn = sample(asked);
  EXPECT_NE(drawn.at(0, 0), drawn.at(1, 0)) << "hidden: as if never measured";
}

TEST_F(Sample, ValuesAreOnesTheSchemaTakes) {
  const Snapshot nothing = nothing_known();
  const Samples samples = sample({query(nothing, {kCrea, kCells, kTube, kState}), 300, {}});
  for (std::size_t i = 0; i < samples.count(); ++i) {
    EXPECT_GE(samples.at(i, 0), 0);
    EXPECT_TRUE(samples.at(i, 1) >= 0 && samples.at(i, 1) == std::floor(samples.at(i, 1)));
    EXPECT_TRUE(samples.at(i, 2) == 0 || samples.at(i, 2) == 1);
    EXPECT_TRUE(samples.at(i, 3) == 0 || samples.at(i, 3) == 1 || samples.at(i, 3) == 2);
  }
}

TEST_F(Sample, NothingAskedNothingDrawn) {
  const Snapshot nothing = nothing_known();
  EXPECT_TRUE(version_->sample({}).value().empty());
  EXPECT_EQ(sample({query(nothing, {kHr}), 0, {}}).count(), 0U);
  EXPECT_EQ(sample({query(nothing, {}), 5, {}}).count(), 0U);
}

}  // namespace
}  // namespace lacuna::model
