#include "model/learner.h"
#include "model/device.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <thread>

#include <gtest/gtest.h>

#include "tests/unit/model/synthetic.h"

// Protects the thread around the trainer: steps at fixed positions of the stream however it is cut, a bounded
// queue, versions that never vanish, restarts without a seam.

namespace lacuna::model {
namespace {

using testing::SyntheticWard;

ModelOptions small() {
  ModelOptions options;
  options.latent_dim = 4;
  options.hidden_dim = 16;
  options.device = Device::cpu;
  return options;
}

TrainOptions quick() {
  TrainOptions options;
  options.batch_size = 32;
  options.examples_per_step = 16;
  options.young_pace = 1;
  options.publish_every_steps = 4;
  options.queue_examples_max = 50;
  return options;
}

std::vector<Example> replay(std::size_t count, std::uint64_t seed) { return SyntheticWard(seed % 5).take(count); }

std::unique_ptr<Learner> make(const Schema& schema, ReplaySource source, std::string_view checkpoint = {}) {
  auto learner = Learner::make(schema, small(), quick(), {}, std::move(source), checkpoint);
  EXPECT_TRUE(learner.ok()) << learner.status().to_string();
  return std::move(learner).value();
}

// While it learns: nobody's thread waits for ever, and what was queued of the patient is never taken.
TEST(Learner, ForgetsWhatIsQueued) {
  SyntheticWard ward(35);
  auto learner = make(ward.schema(), replay);
  std::atomic<bool> done = false;
  std::thread feeder([&] {
    for (int i = 0; i < 40; ++i) {
      auto examples = ward.take(8);
      for (std::size_t k = 0; k < examples.size(); ++k) {
        examples[k].before.patient_id = k % 2 == 0 ? "gone" : "stays";
        examples[k].arrived = {{testing::kHr, k % 2 == 0 ? 17.18281828 : 60.0}};
      }
      learner->submit(std::move(examples));
    }
    done = true;
  });
  while (!done) learner->forget(patient_hash("gone"));
  feeder.join();
  learner->forget(patient_hash("gone"));
  learner->drain();
  EXPECT_LE(learner->stats().examples, 320);
  EXPECT_GE(learner->stats().examples, 160) << "the others are all taken";
  constexpr double kSecret = 17.18281828;
  const std::string_view secret(reinterpret_cast<const char*>(&kSecret), sizeof(kSecret));
  EXPECT_EQ(learner->checkpoint().find(secret), std::string::npos);
}

TEST(Learner, HowTheStreamIsCutDoesNotMatter) {
  SyntheticWard ward(31);
  const auto examples = ward.take(16 * 12 + 5);
  std::vector<std::string> hashes;
  for (std::size_t piece : {1, 7, 50, 500}) {
    auto learner = make(ward.schema(), replay);
    for (std::size_t at = 0; at < examples.size(); at += piece) {
      const auto from = examples.begin() + static_cast<std::ptrdiff_t>(at);
      learner->submit({from, from + static_cast<std::ptrdiff_t>(std::min(piece, examples.size() - at))});
    }
    const auto version = learner->drain();
    EXPECT_EQ(version->steps(), 12);
    EXPECT_EQ(learner->stats().examples, static_cast<std::int64_t>(examples.size()));
    hashes.push_back(version->id());
  }
  for (const std::string& hash : hashes) EXPECT_EQ(hash, hashes.front());
}

// The replay source runs on the learner's thread, in the middle of a step, while the submitter pushes on.
TEST(Learner, QueueIsBounded) {
  SyntheticWard ward(32);
  std::atomic<Learner*> learner{nullptr};
  std::atomic<std::size_t> longest{0};
  auto made = make(ward.schema(), [&](std::size_t count, std::uint64_t seed) {
    if (Learner* l = learner.load()) longest = std::max(longest.load(), l->stats().queued);
    return replay(count, seed);
  });
  learner = made.get();
  made->submit(ward.take(600));
  made->drain();
  EXPECT_GT(longest.load(), 0U);
  EXPECT_LE(longest.load(), quick().queue_examples_max);
  EXPECT_EQ(made->stats().queued, 0U);
  EXPECT_EQ(made->stats().replayed, made->stats().steps * 16);
}

TEST(Learner, VersionsMoveOnAndOldOnesStayUsable) {
  SyntheticWard ward(33);
  auto learner = make(ward.schema(), nullptr);
  const auto first = learner->current();
  ASSERT_NE(first, nullptr);
  const Example example = ward.next();
  const Query query{&example.before, example.time, {testing::kHr}, {}, 1};
  const double before = first->predict(std::span(&query, 1)).value()[0].predictive[0].mean();
  learner->submit(ward.take(16 * 40));
  const auto last = learner->drain();
  EXPECT_NE(last->id(), first->id());
  EXPECT_EQ(last, learner->current());
  EXPECT_GE(learner->stats().versions, 10);
  EXPECT_EQ(first->steps(), 0);
  EXPECT_EQ(first->predict(std::span(&query, 1)).value()[0].predictive[0].mean(), before) << "a version is immutable";
}

// Neither asking nor a restart makes a version: only steps do.
TEST(Learner, AVersionsNumberNeverRisesWithoutAStep) {
  SyntheticWard ward(39);
  const auto number = [](const ModelVersion& version) { return version.id().substr(0, 6); };
  auto learner = make(ward.schema(), replay);
  EXPECT_EQ(number(*learner->current()), "000000");
  learner->submit(ward.take(15));
  EXPECT_EQ(number(*learner->drain()), "000000") << "no step is due yet";
  EXPECT_EQ(number(*make(ward.schema(), replay, learner->checkpoint())->drain()), "000000");
  learner->submit(ward.take(1));
  const auto version = learner->drain();
  EXPECT_EQ(number(*version), "000001");
  EXPECT_EQ(learner->drain(), version);
  EXPECT_EQ(learner->stats().versions, 2);
  for (int restarts = 0; restarts < 3; ++restarts) {
    learner = make(ward.schema(), replay, learner->checkpoint());
    EXPECT_EQ(learner->current()->id(), version->id());
  }
  EXPECT_EQ(learner->stats().versions, 2);
}

TEST(Learner, RestartGoesOnWhereItStopped) {
  SyntheticWard ward(34);
  const auto first = ward.take(16 * 5 + 9), second = ward.take(16 * 5);
  auto through = make(ward.schema(), replay);
  through->submit(first);
  through->drain();
  auto restarted = make(ward.schema(), replay, through->checkpoint());
  through->submit(second);
  restarted->submit(second);
  EXPECT_EQ(through->drain()->id(), restarted->drain()->id());
  EXPECT_EQ(through->stats().steps, restarted->stats().steps);
}

// Frozen: neither weights nor standardisation move, however much comes; then learning goes on as if nothing had been.
TEST(Learner, PaceZeroLeavesEverythingAsItWas) {
  SyntheticWard ward(37);
  const auto first = ward.take(16 * 5 + 9), ignored = ward.take(16 * 20), second = ward.take(16 * 3);
  auto frozen = make(ward.schema(), replay), never = make(ward.schema(), replay);
  for (Learner* learner : {frozen.get(), never.get()}) {
    learner->submit(first);
    learner->drain();
  }
  const std::string before = frozen->checkpoint();
  frozen->submit(ignored, 0);
  EXPECT_EQ(frozen->stats().queued, 0U);
  EXPECT_EQ(frozen->checkpoint(), before) << "bit for bit";
  for (Learner* learner : {frozen.get(), never.get()}) learner->submit(second);
  EXPECT_EQ(frozen->drain()->id(), never->drain()->id());
}

TEST(Learner, AHigherPaceTakesAsManyTimesTheSteps) {
  SyntheticWard ward(38);
  const auto examples = ward.take(16 * 10);
  for (const int steps_multiplier : {1, 4, 40}) {  // 40: each example pays for more than two steps
    std::vector<std::string> hashes;
    for (std::size_t piece : {7, 160}) {
      auto learner = make(ward.schema(), replay);
      for (std::size_t at = 0; at < examples.size(); at += piece) {
        const auto from = examples.begin() + static_cast<std::ptrdiff_t>(at);
        learner->submit({from, from + static_cast<std::ptrdiff_t>(std::min(piece, examples.size() - at))}, steps_multiplier);
      }
      const auto version = learner->drain();
      EXPECT_EQ(version->steps(), 10 * steps_multiplier);
      EXPECT_EQ(learner->stats().examples, 160);
      hashes.push_back(version->id());
    }
    EXPECT_EQ(hashes[0], hashes[1]) << "how the stream is cut does not matter";
  }
}

constexpr std::chrono::seconds kPatience{60};

// What serves is decided by counts: the version after a batch is the same however late it is asked for, and whatever came meanwhile.
TEST(Learner, TheVersionAfterABatchIsThatOfItsExamples) {
  SyntheticWard ward(41);
  const auto examples = ward.take(16 * 12);
  std::vector<std::string> ids;
  for (const bool at_once : {true, false}) {
    auto learner = make(ward.schema(), replay);
    for (std::size_t batch = 0; batch < 4; ++batch) {
      const auto from = examples.begin() + static_cast<std::ptrdiff_t>(batch * 48);
      if (batch != 2) learner->submit({from, from + 48});  // one without anything to learn from is a batch too
      learner->end_batch();
      EXPECT_EQ(learner->version_after(batch + 1, std::chrono::milliseconds(0)), nullptr) << "has not ended";
      if (at_once) ids.push_back(learner->version_after(batch, kPatience)->id());
    }
    learner->drain();
    EXPECT_EQ(learner->stats().queued, 0U);
    for (std::uint64_t batch = 0; !at_once && batch < 4; ++batch) {
      const auto version = learner->version_after(batch, kPatience);
      EXPECT_EQ(version->id(), ids[batch]);
      EXPECT_EQ(version->steps(), batch == 0 ? 3 : batch == 3 ? 9 : 6) << "the newest until then, and it is young: one every step";
      if (batch == 0) continue;
      EXPECT_EQ(learner->version_after(batch - 1, kPatience)->id(), ids[batch - 1]) << "after an aborted batch";
    }
  }
}

TEST(Learner, ForgettingDoesNotLoseTheEndOfABatch) {
  SyntheticWard ward(42);
  auto learner = make(ward.schema(), replay);
  auto examples = ward.take(30);
  for (Example& example : examples) example.before.patient_id = "gone";
  learner->submit(std::move(examples));
  learner->end_batch();
  learner->forget(patient_hash("gone"));
  EXPECT_NE(learner->version_after(0, kPatience), nullptr);
}

// A later pass moves the weights and nothing that was counted: not how many examples there were, nor mean and spread.
TEST(Learner, AgainIsLearnedAndNotCounted) {
  SyntheticWard ward(43);
  const auto examples = ward.take(16 * 6);
  auto learner = make(ward.schema(), replay);
  learner->submit(examples);
  const auto once = learner->drain();
  learner->submit_again(examples);
  const auto twice = learner->drain();
  EXPECT_EQ(once->steps(), 6);
  EXPECT_EQ(twice->steps(), 12);
  EXPECT_EQ(learner->stats().examples, 16 * 6);
  for (FeatureId f = 0; f < ward.schema().feature_count(); ++f) EXPECT_EQ(once->moments(f), twice->moments(f));
}

// The first examples ever are paid more often; a checkpoint knows how many there were.
TEST(Learner, WhatIsYoungTakesMoreSteps) {
  SyntheticWard ward(44);
  TrainOptions train = quick();
  train.young_pace = 4;
  train.examples_per_step = 32;
  const auto steps = [&](const std::string& checkpoint) {
    auto learner = Learner::make(ward.schema(), small(), train, {}, replay, checkpoint).value();
    learner->submit(ward.take(16 * 5));
    learner->drain();
    return std::pair(learner->stats().steps, learner->checkpoint());
  };
  const auto [first, checkpoint] = steps({});
  EXPECT_EQ(first, 10);
  EXPECT_EQ(steps(checkpoint).first, 20);
  train.examples_per_step = 16;
  EXPECT_EQ(steps({}).first, 10) << "no step for fewer than eight examples";
}

TEST(Learner, NoVersionWithoutAStep) {
  SyntheticWard ward(45);
  auto learner = make(ward.schema(), replay);
  const std::string untrained = learner->current()->id();
  learner->submit(ward.take(15));
  EXPECT_EQ(learner->drain()->id(), untrained);
  EXPECT_EQ(make(ward.schema(), replay, learner->checkpoint())->current()->id().substr(0, 6), untrained.substr(0, 6));
  learner->submit(ward.take(1));
  const auto one = learner->drain();
  EXPECT_EQ(one->id().substr(0, 6), "000001");
  EXPECT_EQ(learner->drain(), one);
  EXPECT_EQ(make(ward.schema(), replay, learner->checkpoint())->current()->id(), one->id());
}

TEST(Learner, ManyThreadsReadOneVersion) {
  SyntheticWard ward(35);
  auto learner = make(ward.schema(), replay);
  learner->submit(ward.take(160));
  const auto version = learner->drain();
  const auto examples = ward.take(60);
  std::vector<Query> queries;
  for (const Example& example : examples) queries.push_back({&example.before, example.time, {0, 2}, {}, 3});
  const auto expected = version->predict(queries).value();
  std::atomic<int> different{0};
  std::vector<std::thread> readers;
  for (int t = 0; t < 3; ++t) {
    readers.emplace_back([&] {
      for (int round = 0; round < 5; ++round) {
        const auto got = version->predict(queries).value();
        for (std::size_t i = 0; i < got.size(); ++i) different += got[i].predictive[1].location != expected[i].predictive[1].location;
      }
    });
  }
  learner->submit(ward.take(160));  // training goes on meanwhile
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(different.load(), 0);
}

TEST(Learner, StopsWhileExamplesWait) {
  SyntheticWard ward(36);
  auto learner = make(ward.schema(), replay);
  learner->submit(ward.take(45));
  learner.reset();  // must return: what waits is not lost, it is still in the log
  SUCCEED();
}

TEST(Learner, AskedForCudaWithoutOneSaysSo) {
  ModelOptions model = small();
  model.device = Device::cuda;
  const auto learner = Learner::make(testing::synthetic_schema(), model, quick(), {}, nullptr, {});
  if (learner.ok()) GTEST_SKIP() << "this machine has a CUDA device";
  EXPECT_EQ(learner.code(), Code::unavailable);
  EXPECT_NE(describe_device(model).find("none"), std::string::npos);
}

TEST(Learner, MatrixProductSpeedIsMeasured) {
  const double speed = measure_products({}).gflops;
  EXPECT_GT(speed, 0.1);
  EXPECT_LT(speed, 1e5);
}

// Goal: a processor that is newer than OpenBLAS is used as what it is. Method: where the first product has been made, nothing is left to
// advise. Fails on such a processor where OpenBLAS is left with what it took it for.
TEST(Learner, ProductsUseTheInstructionsThatTheProcessorHas) {
  if (std::getenv("OPENBLAS_CORETYPE") != nullptr) GTEST_SKIP() << "OPENBLAS_CORETYPE decides";
  EXPECT_EQ(measure_products({}).remedy, "");
}

}  // namespace
}  // namespace lacuna::model
