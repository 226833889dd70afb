#include <gtest/gtest.h>

#include <algorithm>

#include "model/learner.h"
#include "tests/unit/model/synthetic.h"

// What a version says it takes a patient for: the posterior that its predictions are drawn from, in every fusion, on a query's own and in
// any batch.

namespace lacuna::model {
namespace {

using namespace testing;

class LatentStates : public ::testing::TestWithParam<Fusion> {};

TEST_P(LatentStates, AreThePosteriorOfWhatIsVisible) {
  ModelOptions options;
  options.latent_dim = 6;
  options.hidden_dim = 24;
  options.fusion = GetParam();
  options.device = Device::cpu;
  TrainOptions train;
  train.batch_size = 32;
  train.examples_per_step = 16;
  train.young_pace = 1;
  SyntheticWard ward(5);
  auto learner = Learner::make(ward.schema(), options, train, {}, nullptr, {});
  ASSERT_TRUE(learner.ok()) << learner.status().to_string();
  (*learner)->submit(ward.take(16 * 60));
  const auto version = (*learner)->drain();

  Snapshot nobody;
  nobody.features.resize(8), nobody.modalities.resize(4), nobody.attributes.resize(2);
  std::vector<Snapshot> patients{nobody};
  for (const Example& e : ward.take(60)) patients.push_back(e.before);
  std::vector<Query> queries;
  for (const Snapshot& s : patients) {
    queries.push_back({&s, s.last_time, {kHr}, {}, 1});
    queries.back().latent = queries.size() % 3 != 0;
  }
  const auto said = version->predict(queries).value();
  const auto codes = version->codes(queries).value();
  bool narrower = false, hidden_matters = false;
  for (std::size_t i = 0; i < queries.size(); ++i) {
    ASSERT_EQ(said[i].latent.has_value(), queries[i].latent);
    if (!queries[i].latent) continue;
    const LatentState& state = *said[i].latent;
    ASSERT_EQ(state.mean.size(), 6U);
    ASSERT_EQ(state.sd.size(), 6U);
    for (std::size_t d = 0; d < 6; ++d) {
      EXPECT_NEAR(state.mean[d], codes[i][d], 1e-5);
      EXPECT_GT(state.sd[d], 0);
      narrower |= state.sd[d] < 0.9F;
    }
    Query alone = queries[i];
    EXPECT_NEAR(version->predict({&alone, 1}).value()[0].latent->sd[2], state.sd[2], 1e-5) << "in any batch";
    alone.hidden = {kVitals, kLab, kNotes, kNever};
    hidden_matters |= std::abs(version->predict({&alone, 1}).value()[0].latent->mean[0] - state.mean[0]) > 0.01F;
  }
  EXPECT_TRUE(narrower);
  EXPECT_TRUE(hidden_matters);
}

INSTANTIATE_TEST_SUITE_P(Fusions, LatentStates, ::testing::Values(Fusion::mopoe, Fusion::poe, Fusion::moe, Fusion::attention));

}  // namespace
}  // namespace lacuna::model
