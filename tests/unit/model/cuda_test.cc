#include <cmath>

#include <gtest/gtest.h>

#include "model/model_version.h"
#include "model/trainer.h"
#include "tests/unit/model/synthetic.h"

// Protects the device: on CUDA the trainer takes the processor's steps, as recordings, and its versions say what the processor's say.
// Skipped where there is no CUDA.

namespace lacuna::model {
namespace {

constexpr int kSteps = 60;

std::unique_ptr<Trainer> trained(Device device, const std::vector<Example>& examples) {
  ModelOptions options;
  options.device = device;
  TrainOptions train;
  train.batch_size = 64;
  train.replay_ratio = 0;
  auto trainer = Trainer::make(testing::synthetic_schema(), options, train, {}, {});
  if (!trainer.ok()) return nullptr;
  std::size_t next = 0;
  for (int steps = 0; steps < kSteps;) {
    if (!(*trainer)->take(examples[next++ % examples.size()])) continue;
    (*trainer)->step({});
    ++steps;
  }
  return std::move(*trainer);
}

TEST(Cuda, TakesTheProcessorsStepsAndSaysWhatItSays) {
  testing::SyntheticWard ward(3);
  const std::vector<Example> examples = ward.take(2000);
  const auto gpu = trained(Device::cuda, examples);
  if (!gpu) GTEST_SKIP() << "no CUDA";
  const auto cpu = trained(Device::cpu, examples);
  const auto there = gpu->publish(), here = cpu->publish();
  EXPECT_GT(gpu->stats().recorded_steps, kSteps / 2);
  EXPECT_EQ(gpu->stats().skipped_steps, 0);
  EXPECT_NEAR(there->loss(), here->loss(), 0.01 * std::abs(here->loss()));

  std::vector<Query> queries;
  for (std::size_t i = 0; i < 150; ++i) queries.push_back({&examples[i].before, examples[i].time, {0, 2, 4, 5, 6}, {}, i});
  // Often enough that every shape is recorded.
  for (int round = 0; round < 6; ++round) {
    const auto said_there = there->predict(queries), said_here = here->predict(queries);
    ASSERT_TRUE(said_there.ok() && said_here.ok());
    for (std::size_t i = 0; i < queries.size(); ++i) {
      for (std::size_t j = 0; j < queries[i].wanted.size(); ++j) {
        const Predictive &a = (*said_there)[i].predictive[j], &b = (*said_here)[i].predictive[j];
        EXPECT_NEAR(a.mean(), b.mean(), 0.05 * b.sd()) << i << ' ' << j;
        EXPECT_NEAR(a.sd(), b.sd(), 0.05 * b.sd()) << i << ' ' << j;
      }
    }
  }
}

TEST(Cuda, ACheckpointGoesOnOnTheProcessor) {
  testing::SyntheticWard ward(4);
  const std::vector<Example> examples = ward.take(500);
  const auto gpu = trained(Device::cuda, examples);
  if (!gpu) GTEST_SKIP() << "no CUDA";
  ModelOptions options;
  options.device = Device::cpu;
  const auto moved = Trainer::make(testing::synthetic_schema(), options, {}, {}, gpu->checkpoint());
  ASSERT_TRUE(moved.ok()) << moved.status().to_string();
  EXPECT_EQ((*moved)->stats().steps, kSteps);
  EXPECT_EQ((*moved)->publish()->id(), gpu->publish()->id()) << "the same weights";
}

}  // namespace
}  // namespace lacuna::model
