#include "daemon/registry/earlier_versions.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "state/checkpoint_files.h"
#include "state/store.h"
#include "tests/unit/daemon/registry/small_learner.h"

namespace lacuna::daemon {
namespace {

// Protects what says whether an alert is over: a version from before it, kept through restarts, bounded in number, gone with whoever is
// forgotten.
class EarlierVersionsTest : public SmallLearner {
 protected:
  static Time at(int hour) { return Time(std::chrono::hours(hour)); }

  const std::unique_ptr<state::Store> store_ = state::Store::open(*config_.schema, config_.store).value();
};

TEST_F(EarlierVersionsTest, TheNewestFromBeforeAnOnsetIsFoundAlsoAfterARestart) {
  const auto first = learner(1), second = learner(2), third = learner(3);
  EarlierVersions versions(config_, *store_);
  EXPECT_EQ(versions.before(at(1000)), nullptr);
  ASSERT_TRUE(versions.keep(*first, at(10)).ok());
  ASSERT_TRUE(versions.keep(*second, at(21)).ok());  // too soon
  ASSERT_TRUE(versions.keep(*second, at(22)).ok());
  ASSERT_TRUE(versions.keep(*third, at(40)).ok());
  EarlierVersions again(config_, *store_);
  for (EarlierVersions* v : {&versions, &again}) {
    EXPECT_EQ(v->before(at(10)), nullptr);
    EXPECT_EQ(v->before(at(22))->id(), first->current()->id());
    EXPECT_EQ(v->before(at(39))->id(), second->current()->id());
    EXPECT_EQ(v->before(at(500))->id(), third->current()->id());
  }
}

TEST_F(EarlierVersionsTest, SoManyAreKeptAndNoneOnceSomebodyIsForgotten) {
  const auto any = learner(1);
  EarlierVersions versions(config_, *store_);
  for (int day = 1; day <= 20; ++day) ASSERT_TRUE(versions.keep(*any, at(24 * day)).ok());
  EXPECT_EQ(store_->checkpoint_names()->size(), EarlierVersions::kKept);
  EXPECT_EQ(versions.before(at(24 * 13)), nullptr);
  EXPECT_NE(versions.before(at(24 * 13 + 1)), nullptr);
  ASSERT_TRUE(versions.drop_all().ok());
  EXPECT_TRUE(store_->checkpoint_names()->empty());
  EXPECT_EQ(versions.before(at(1000)), nullptr);
}

TEST_F(EarlierVersionsTest, WhatCannotBeReadIsNone) {
  const auto any = learner(1);
  ASSERT_TRUE(EarlierVersions(config_, *store_).keep(*any, at(24)).ok());
  ASSERT_TRUE(store_->put_checkpoint(store_->checkpoint_names()->front(), "no learner").ok());
  EXPECT_EQ(EarlierVersions(config_, *store_).before(at(48)), nullptr);
}

}  // namespace
}  // namespace lacuna::daemon
