// Whether the detectors know who is there.
//
// Goal: nothing is expected of a patient who was discharged until they are back, of one who was transferred it is expected at the new
// site, and neither holds when it is told of too late. Method: patients that are measured each hour, and how many outcomes the
// arrivals' subjects have counted, which is worked out by hand.

#include <gtest/gtest.h>

#include "model/drift/monitor.h"

namespace lacuna::drift {
namespace {

const Time kStart = *parse_rfc3339("2026-01-01T00:00:00Z");
Time at(int hour, int minute = 30) { return kStart + std::chrono::hours(hour) + std::chrono::minutes(minute); }

class Stays : public ::testing::Test {
 protected:
  static Schema schema() {
    Schema::ModalitySpec vitals;
    vitals.modality.name = "vitals";
    Feature hr;
    hr.name = "hr";
    vitals.features = {hr};
    return Schema::make({vitals}, {}).value();
  }
  void arrive(std::string_view patient, Time time, std::string_view site = {}) {
    monitor_.observe(Arrival{patient, site, 0, time, {}, {}});
  }
  /// Patient-hours that were judged.
  std::uint64_t judged(std::string_view subject = "vitals") const {
    for (const SubjectView& v : monitor_.subjects()) {
      if (v.kind == "missingness" && v.subject == subject) return v.updates;
    }
    return 0;
  }
  void reload() {
    Monitor other(schema(), {});
    ASSERT_TRUE(other.load(monitor_.save()).ok());
    monitor_ = std::move(other);
  }
  /// Somebody who is always there, so that the feed never stands still.
  void keep_feed_moving(int until) {
    for (int h = 0; h <= until; ++h) arrive("other", at(h));
    others_ = static_cast<std::uint64_t>(until) - 1;
    ASSERT_EQ(judged(), others_);
  }

  Monitor monitor_{schema(), {}};
  std::uint64_t others_ = 0;
};

TEST_F(Stays, NothingIsExpectedOfWhoWasDischarged) {
  keep_feed_moving(16);
  for (const bool discharged : {false, true}) {
    SCOPED_TRACE(discharged ? "discharged" : "silent");
    const std::string patient = discharged ? "gone" : "silent";
    const std::uint64_t before = judged();
    for (int h = 0; h < 4; ++h) arrive(patient, at(h));
    const std::size_t present = monitor_.patients();
    if (discharged) monitor_.leave(patient, at(3, 50));
    EXPECT_EQ(monitor_.patients(), present - (discharged ? 1 : 0));
    reload();
    // What is told later of the time before brings nobody back.
    arrive(patient, at(3, 40));
    monitor_.observe(Scored{patient, 0, at(3, 45), 0, false, 0.1, {}});
    EXPECT_FALSE(monitor_.code_due(patient, at(3, 45)));
    EXPECT_EQ(judged() - before, 2u) << "hours 1 and 2";
    arrive(patient, at(11));
    EXPECT_EQ(monitor_.patients(), present);
    EXPECT_EQ(judged() - before, discharged ? 2u : 10u);
    arrive(patient, at(12));
    arrive(patient, at(13));
    EXPECT_EQ(judged() - before, discharged ? 3u : 12u) << "the first hour of a stay is not judged";
  }
}

// A discharge that nothing comes before is one too: what it follows may still be on its way.
TEST_F(Stays, ADischargeMayComeFirst) {
  keep_feed_moving(12);
  monitor_.leave("gone", at(4));
  arrive("gone", at(3));
  EXPECT_EQ(monitor_.patients(), 1u);
  arrive("gone", at(10));
  EXPECT_EQ(monitor_.patients(), 2u);
  EXPECT_EQ(judged(), others_);
}

TEST_F(Stays, ADischargeThatComesLateEndsNothing) {
  keep_feed_moving(12);
  for (int h = 0; h < 4; ++h) arrive("back", at(h));
  monitor_.leave("back", at(2));
  monitor_.move("back", "elsewhere", at(2));
  EXPECT_EQ(monitor_.patients(), 2u);
  arrive("back", at(6));
  EXPECT_EQ(judged() - others_, 5u) << "hours 1 to 5";
}

TEST_F(Stays, ATransferredPatientIsExpectedAtTheNewSite) {
  for (int h = 0; h <= 12; ++h) {
    arrive("of north", at(h), "north");
    arrive("of south", at(h), "south");
  }
  const std::uint64_t all = judged(), north = judged("vitals@north"), south = judged("vitals@south");
  ASSERT_GT(north, 0u);
  ASSERT_GT(south, 0u);
  for (int h = 0; h < 4; ++h) arrive("moves", at(h), "north");
  EXPECT_EQ(judged("vitals@north") - north, 2u);
  monitor_.move("moves", "south", at(4, 20));
  monitor_.move("moves", "south", at(4, 30));  // where the patient is already
  reload();
  arrive("moves", at(4, 10), "north");  // late
  arrive("moves", at(8));               // names no site
  EXPECT_EQ(judged("vitals@north") - north, 2u);
  EXPECT_EQ(judged("vitals@south") - south, 3u) << "hours 5 to 7; what was begun at one site and ended at the other is not judged";
  EXPECT_EQ(judged() - all, 5u);
}

}  // namespace
}  // namespace lacuna::drift
