// Protects the missingness model: where values hide themselves, it must impute better than the model without it; where values are
// missing by chance, it must not do harm.

#include <cmath>
#include <cstdlib>

#include <gtest/gtest.h>

#include "model/encoding.h"
#include "model/trainer.h"
#include "state/records/counter_random.h"

namespace lacuna::model {
namespace {

constexpr int kColumns = 6, kHiding = 3;  // the first three hide

Schema schema() {
  Modality first, second;
  first.name = "first";
  second.name = "second";
  std::vector<Feature> features(kColumns);
  for (int i = 0; i < kColumns; ++i) features[static_cast<std::size_t>(i)].name = "x" + std::to_string(i);
  return Schema::make({{first, {features.begin(), features.begin() + kHiding}}, {second, {features.begin() + kHiding, features.end()}}}, {})
      .value();
}

struct Row {
  Example example;
  std::vector<double> truth;
  std::vector<FeatureId> missing;
};

/// Six numbers that follow two hidden ones. `themselves`: the first three are missing where they are above their mean; else as often, by
/// chance.
std::vector<Row> rows(std::size_t count, std::uint64_t seed, bool themselves) {
  CounterRandom random(seed);
  std::vector<Row> out(count);
  for (Row& row : out) {
    float noise[2 + kColumns];
    random.normals(noise);
    row.example.time = Time(std::chrono::hours(24 * 365 * 50));
    Snapshot& s = row.example.before;
    s.features.resize(kColumns);
    s.modalities.resize(2);
    s.event_count = 1;
    s.first_time = s.last_time = row.example.time;
    for (int i = 0; i < kColumns; ++i) {
      const double angle = 0.5 * i;
      const double x = std::cos(angle) * noise[0] + std::sin(angle) * noise[1] + 0.5 * noise[2 + i];
      row.truth.push_back(x);
      const bool missing = i < kHiding && (themselves ? x > 0 : random.unit() < 0.5);
      const auto f = static_cast<FeatureId>(i);
      if (missing) {
        row.missing.push_back(f);
        continue;
      }
      const auto v = static_cast<float>(x);
      s.features[f] = {x, s.last_time, 1, v, v, 0, v};
      row.example.arrived.push_back({f, x});
    }
  }
  return out;
}

/// Root mean square error of what was missing in rows that were not learned from, over the spread of the values.
double error(bool themselves, bool mnar, std::uint64_t seed) {
  ModelOptions options;
  options.latent_dim = 4;
  options.hidden_dim = 32;
  options.mnar = mnar;
  options.seed = seed;
  options.device = Device::cpu;
  TrainOptions train;
  train.batch_size = train.examples_per_step = 128;
  train.young_pace = 1;
  train.replay_ratio = 0;
  train.learning_rate = 3e-3;
  train.kl_warmup_steps = 50;
  auto trainer = Trainer::make(schema(), options, train, {}, {}).value();
  const auto learned = rows(4096, seed * 10 + 1, themselves), held_out = rows(500, seed * 10 + 2, themselves);
  for (int step = 0, at = 0; step < 500; ++at) {
    if (!trainer->take(learned[static_cast<std::size_t>(at) % learned.size()].example)) continue;
    trainer->step({});
    ++step;
  }
  const auto version = trainer->publish();
  double square = 0, count = 0;
  for (const Row& row : held_out) {
    const Query query{&row.example.before, row.example.time, row.missing, {}, 1};
    const Prediction p = version->predict({&query, 1}).value().front();
    for (std::size_t i = 0; i < row.missing.size(); ++i) {
      const double gap = p.predictive[i].mean() - row.truth[row.missing[i]];
      square += gap * gap;
      count += 1;
    }
  }
  return std::sqrt(square / count) / std::sqrt(1.25);
}

// Over twenty seeds (LACUNA_SEEDS=20) the error with the missingness model was 0.52 to 0.62 of the error without.
TEST(MissingNotAtRandom, ModelOfMissingnessImputesWhatHidesItself) {
  const char* const seeds = std::getenv("LACUNA_SEEDS");
  for (std::uint64_t seed = 1; seed <= (seeds ? std::strtoull(seeds, nullptr, 10) : 1); ++seed) {
    const double without = error(true, false, seed), with = error(true, true, seed);
    std::printf("seed %llu: hides itself %.3f without, %.3f with\n", static_cast<unsigned long long>(seed), without, with);
    EXPECT_LT(with, 0.85 * without) << "seed " << seed;
  }
}

// The ratio of the errors varies from seed to seed with either model's luck: over twenty seeds it was 0.74 to 1.29, 1.02 in the mean; of
// three seeds together at most 1.13.
TEST(MissingNotAtRandom, DoesNoHarmWhereValuesAreMissingByChance) {
  double ratio = 0;
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    const double without = error(false, false, seed), with = error(false, true, seed);
    std::printf("seed %llu: by chance %.3f without, %.3f with\n", static_cast<unsigned long long>(seed), without, with);
    ratio += with / without / 3;
  }
  EXPECT_LT(ratio, 1.25);
}

}  // namespace
}  // namespace lacuna::model
