#include "daemon/registry/learning_mask.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "daemon/simulator/ward_schema.h"

namespace lacuna::daemon {
namespace {

// Protects what is learned after a change: neither what a feature was before it shifted for good, nor what it was while it was wrong.
class LearningMaskTest : public ::testing::Test {
 protected:
  static constexpr Millis kReact = std::chrono::hours(24);
  static Time at(int hour) { return Time(std::chrono::hours(hour)); }
  Alert alert(AlertState state, int since, int told, Resolution resolution = Resolution::open, const char* kind = "value") const {
    Alert a;
    a.kind = kind;
    a.subject = schema_.qualified_name(0);
    a.state = state;
    a.since = at(since);
    a.detected = at(since + 2);
    a.told = at(told);
    a.resolution = resolution;
    return a;
  }
  /// Feature 0 arrived at `hour`, was known from `known`; feature 1 beside it.
  Example example(int hour, int known) const {
    Example e;
    e.before.features.resize(schema_.feature_count());
    for (const FeatureId f : {FeatureId{0}, FeatureId{1}}) {
      e.before.features[f].count = 2;
      e.before.features[f].time = at(known);
      e.arrived.push_back({f, 1.0});
    }
    e.time = at(hour);
    return e;
  }
  /// Which of arrived and known of feature 0 is left; of feature 1 everything always is.
  std::string left(const LearningMask& mask, int hour, int known) const {
    Example e = example(hour, known);
    EXPECT_TRUE(mask.apply(schema_, e));
    EXPECT_EQ(e.before.features[1].count, 2u);
    return std::string(e.arrived.size() == 2 ? "arrived " : "") + (e.before.features[0].count > 0 ? "known" : "");
  }

  const Schema schema_ = ward_schema();
  LearningMask mask_;
};

TEST_F(LearningMaskTest, AnAcceptedShiftEndsWhatWasBeforeItsOnset) {
  const std::vector<Alert> told{alert(AlertState::resolved, 100, 110, Resolution::accepted)};
  mask_.follow(told, {}, at(110), kReact);
  EXPECT_EQ(left(mask_, 50, 40), "");
  EXPECT_EQ(left(mask_, 105, 40), "arrived ") << "what is known is of before";
  EXPECT_EQ(left(mask_, 105, 100), "arrived known");
}

TEST_F(LearningMaskTest, OneThatIsHeldOpenDoesOnceReactForIsOver) {
  const std::vector<Alert> open{alert(AlertState::raised, 100, 102)};
  mask_.follow(open, open, at(102), kReact);
  mask_.follow({}, open, at(125), kReact);
  EXPECT_TRUE(mask_.empty());
  for (int hour = 126; hour < 140; ++hour) mask_.follow({}, open, at(hour), kReact);
  EXPECT_EQ(left(mask_, 99, 40), "");
  EXPECT_EQ(left(mask_, 101, 100), "arrived known");
  // And when it has ended after all, it was the time between that was wrong.
  const std::vector<Alert> told{alert(AlertState::resolved, 100, 200, Resolution::returned)};
  mask_.follow(told, {}, at(200), kReact);
  EXPECT_EQ(left(mask_, 99, 40), "arrived known");
  EXPECT_EQ(left(mask_, 150, 140), "");
  EXPECT_EQ(left(mask_, 200, 199), "arrived ");
}

TEST_F(LearningMaskTest, ChangesOfWhoComesOrWhatIsOrderedMaskNothing) {
  for (const char* kind : {"distribution", "missingness", "measured", "mix", "latent"}) {
    const std::vector<Alert> told{alert(AlertState::resolved, 100, 110, Resolution::accepted, kind)};
    mask_.follow(told, {}, at(110), kReact);
  }
  EXPECT_TRUE(mask_.empty());
}

TEST_F(LearningMaskTest, AnExampleOfWhichNothingIsLeftIsNone) {
  const std::vector<Alert> told{alert(AlertState::resolved, 100, 110, Resolution::accepted)};
  mask_.follow(told, {}, at(110), kReact);
  Example e = example(50, 40);
  e.arrived.resize(1);
  EXPECT_FALSE(mask_.apply(schema_, e));
}

TEST_F(LearningMaskTest, IsBoundedAndGoesOnAfterALoad) {
  for (int i = 1; i <= 20; ++i) {
    const std::vector<Alert> told{alert(AlertState::resolved, 100 * i, 100 * i + 10, Resolution::returned)};
    mask_.follow(told, {}, at(100 * i + 10), kReact);
  }
  EXPECT_EQ(left(mask_, 105, 1), "arrived known") << "the oldest are dropped";
  EXPECT_EQ(left(mask_, 2005, 1), "known");
  LearningMask read;
  ASSERT_TRUE(read.load(mask_.save()).ok());
  EXPECT_EQ(read, mask_);
  EXPECT_EQ(read.load("?").code(), Code::corrupt);
  EXPECT_EQ(read, mask_);
}

}  // namespace
}  // namespace lacuna::daemon
