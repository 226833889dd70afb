// Protects that a moment is told from what was known by then: nothing of later, nothing that is left out; and backwards, that what came
// after is as far away as it was.
#include "daemon/table_imputation/moments.h"

#include <gmock/gmock.h>

#include "tests/unit/daemon/table_imputation/made_up_ward.h"

namespace lacuna::daemon {
namespace {

using std::chrono::hours;

class Course : public ::testing::Test {
 protected:
  Course() {
    const std::string path = files_.write("t.csv", "row,id,day,x,y,z,group\n0,a,0,1,1000,,\n1,a,10,2,,,\n2,a,30,3,,7,\n3,a,30,4,,,\n");
    patient_ = testing::table_of(config_, {path}).patients.at(0);
  }
  void follow(const std::vector<CellPlace>& left_out, bool both_sides, const std::function<void(const CourseMoment&)>& visit) {
    follow_course(*config_.schema, patient_, left_out, both_sides, visit);
  }
  testing::TableFiles files_;
  const Config config_ = testing::make_config(testing::kVisits);
  const FeatureId x_ = testing::feature(config_, "first", "x"), y_ = testing::feature(config_, "second", "y"),
                  z_ = testing::feature(config_, "second", "z");
  TablePatient patient_;
};

TEST_F(Course, ShowsWhatWasKnownByThen) {
  std::vector<double> before, now;
  follow({}, false, [&](const CourseMoment& m) {
    before.push_back(m.before.features[x_].count > 0 ? m.before.features[x_].last : -1);
    now.push_back(m.now.features[x_].last);
    EXPECT_EQ(m.after, nullptr);
    if (m.number < 2) {
      EXPECT_EQ(m.now.features[z_].count, 0u) << "later than this";
    }
  });
  EXPECT_THAT(before, ::testing::ElementsAre(-1, 1, 2));
  EXPECT_THAT(now, ::testing::ElementsAre(1, 2, 4)) << "of two at one time the later";
}

TEST_F(Course, WhatIsLeftOutWasNeverMeasured) {
  follow({{0, x_}, {0, y_}, {2, x_}}, false, [&](const CourseMoment& m) {
    EXPECT_EQ(m.now.features[y_].count, 0u);
    EXPECT_EQ(m.now.features[x_].count, m.number == 0 ? 0u : 1u);
    if (m.number == 2) {
      EXPECT_THAT(m.measured, ::testing::ElementsAre(FeatureValue{z_, 7}));
    }
  });
}

TEST_F(Course, BackwardsIsAsFarAway) {
  follow({}, true, [&](const CourseMoment& m) {
    ASSERT_NE(m.after, nullptr);
    const FeatureState& x = m.after->features[x_];
    if (m.number == 2) {
      EXPECT_EQ(x.count, 0u) << "nothing of the moment itself";
      return;
    }
    EXPECT_EQ(x.last, m.number == 0 ? 2 : 4);
    EXPECT_EQ(m.time - x.time, m.number == 0 ? hours(24 * 10) : hours(24 * 20));
    EXPECT_EQ(m.after->features[z_].last, 7);
  });
}

}  // namespace
}  // namespace lacuna::daemon
