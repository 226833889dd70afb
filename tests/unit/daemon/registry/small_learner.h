#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string_view>

#include "daemon/config/config.h"
#include "daemon/simulator/ward_schema.h"
#include "model/learner.h"
#include "tests/support/scratch_folder.h"

namespace lacuna::daemon {

/// A configuration with a small model and a folder of its own, and learners of it.
class SmallLearner : public ::testing::Test {
 protected:
  SmallLearner() {
    config_.schema = std::make_shared<Schema>(ward_schema());
    config_.data_dir = folder_.path();
    config_.store.path = folder_ / "state";
    config_.model.latent_dim = 2;
    config_.model.hidden_dim = 8;
    config_.model.device = model::Device::cpu;
  }
  std::unique_ptr<model::Learner> learner(std::uint64_t seed) {
    config_.model.seed = seed;
    return from_checkpoint({});
  }
  std::unique_ptr<model::Learner> from_checkpoint(std::string_view bytes) const {
    return model::Learner::make(*config_.schema, config_.model, config_.train, config_.predict, nullptr, bytes).value();
  }

  const lacuna::testing::ScratchFolder folder_;
  Config config_;
};

}  // namespace lacuna::daemon
