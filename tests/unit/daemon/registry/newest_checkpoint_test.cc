#include "daemon/registry/newest_checkpoint.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "daemon/registry/learner_checkpoints.h"
#include "state/checkpoint_files.h"
#include "state/store.h"
#include "tests/unit/daemon/registry/small_learner.h"

namespace lacuna::daemon {
namespace {

/// A folder of checkpoints as a daemon leaves it, and both ways to it: beside the store and from it.
class NewestCheckpoint : public SmallLearner {
 protected:
  std::string bytes(std::uint64_t seed) { return learner(seed)->checkpoint(); }
  void put(const std::string& name, const std::string& bytes) {
    ASSERT_TRUE(state::CheckpointFiles::open(config_.store.path + "/checkpoints").value().put(name, bytes).ok());
  }
  std::string id_of(std::string_view bytes) const { return from_checkpoint(bytes)->current()->id(); }
};

TEST_F(NewestCheckpoint, IsTheOneWithTheHighestNumberThatCanBeRead) {
  EXPECT_EQ(open_newest_checkpoint(config_).code(), Code::not_found);
  const std::string old = bytes(1), newer = bytes(2);
  put("learner-000000001", old);
  put("learner-000000002", newer);
  put("learner-000000003", "damaged");
  put("other-000000004", "not a learner's");
  const auto version = open_newest_checkpoint(config_);
  ASSERT_TRUE(version.ok()) << version.status().to_string();
  EXPECT_EQ((*version)->id(), id_of(newer));
  EXPECT_NE((*version)->id(), id_of(old));

  const auto store = state::Store::open(*config_.schema, config_.store);
  ASSERT_TRUE(store.ok()) << store.status().to_string();
  LearnerCheckpoints checkpoints(config_, **store);
  // The next one comes after the damaged one too, which is never written over.
  ASSERT_TRUE(checkpoints.save(*from_checkpoint(newer)).ok());
  std::string name;
  const auto loaded = load_newest_checkpoint(
      {[&] { return (*store)->checkpoint_names(); }, [&](const std::string& n) { return (*store)->checkpoint(n); }},
      [&](std::string_view bytes) {
        return model::Learner::make(*config_.schema, config_.model, config_.train, config_.predict, nullptr, bytes);
      },
      &name);
  ASSERT_TRUE(loaded.ok()) << loaded.status().to_string();
  EXPECT_EQ((*loaded)->current()->id(), id_of(newer));
}

TEST_F(NewestCheckpoint, WhatIsWrongWithTheNewestIsSaidWhenNoneCanBeRead) {
  put("learner-000000001", "damaged");
  put("learner-000000002", "damaged too");
  EXPECT_EQ(open_newest_checkpoint(config_).code(), Code::corrupt);
}

// A checkpoint of another shape of network is no damage: the one before would be as wrong, and starting from it would hide the mistake.
TEST_F(NewestCheckpoint, OneOfAnotherShapeIsNotPassedOver) {
  put("learner-000000001", bytes(1));
  config_.model.latent_dim = 3;
  put("learner-000000002", bytes(1));
  config_.model.latent_dim = 2;
  EXPECT_EQ(open_newest_checkpoint(config_).code(), Code::unsupported);
}

/// A log in which nothing was ever published.
class EmptyReader final : public streaming::TopicReader {
 public:
  Result<std::int32_t> partition_count(const std::string&) override { return 1; }
  Result<std::pair<std::int64_t, std::int64_t>> bounds(const streaming::TopicPartition&) override {
    return std::pair<std::int64_t, std::int64_t>{0, 0};
  }
  Result<std::vector<streaming::Record>> read(const streaming::TopicPartition&, std::int64_t, std::size_t, Millis) override {
    return std::vector<streaming::Record>();
  }
};

// Damaged files are no reason to stay down: what was learned comes from the topic, or is learned anew.
TEST_F(NewestCheckpoint, ADaemonWithoutAReadableOneBeginsAnew) {
  put("learner-000000007", "damaged");
  const auto store = state::Store::open(*config_.schema, config_.store);
  ASSERT_TRUE(store.ok()) << store.status().to_string();
  LearnerCheckpoints checkpoints(config_, **store);
  EmptyReader reader;
  const auto learner = checkpoints.start(reader);
  ASSERT_TRUE(learner.ok()) << learner.status().to_string();
  EXPECT_EQ((*learner)->current()->steps(), 0);
  ASSERT_TRUE(checkpoints.save(**learner).ok());
  EXPECT_TRUE((*store)->checkpoint("learner-000000008").ok()) << "the numbers go on after the damaged one";
  EXPECT_TRUE(open_newest_checkpoint(config_).ok());
}

}  // namespace
}  // namespace lacuna::daemon
