#include "daemon/simulator/ward_faults.h"

#include <gtest/gtest.h>

// Protects: a fault that is silently not simulated, because its text was read as something else.

namespace lacuna::daemon {
namespace {

using std::chrono::hours;

TEST(WardFaults, ReadsWhatTheHelpShows) {
  const auto outage = parse_outage("blood_gas:36h:2d");
  ASSERT_TRUE(outage.ok()) << outage.status().to_string();
  EXPECT_EQ(outage->modality, "blood_gas");
  EXPECT_EQ(outage->from, hours(36));
  EXPECT_EQ(outage->until, hours(48));
  const auto shift = parse_shift("vitals.temp:-1.2:0s:96h");
  ASSERT_TRUE(shift.ok()) << shift.status().to_string();
  EXPECT_EQ(shift->modality + "." + shift->feature, "vitals.temp");
  EXPECT_EQ(shift->amount, -1.2);
  EXPECT_EQ(shift->until, hours(96));
  EXPECT_EQ(parse_shift("vitals.temp:+1.2:0s:96h")->amount, 1.2);
}

TEST(WardFaults, RefusesEverythingElse) {
  for (const char* text : {"", "blood_gas", "blood_gas:1h", "blood_gas:1h:2h:3h", "blood:1h:2h", "blood_gas:2h:1h", "blood_gas:1h:1h",
                           "blood_gas:1:2", "blood_gas::2h", ":1h:2h"}) {
    EXPECT_EQ(parse_outage(text).code(), Code::invalid) << text;
  }
  for (const char* text :
       {"", "vitals.temp:1:1h", "temp:1:1h:2h", "vitals:1:1h:2h", "vitals.tmp:1:1h:2h", "vitals.temp:x:1h:2h", "vitals.temp::1h:2h",
        "vitals.temp:nan:1h:2h", "vitals.temp:1:2h:1h", "support.ventilated:1:1h:2h", "neuro.consciousness:1:1h:2h", ".temp:1:1h:2h"}) {
    EXPECT_EQ(parse_shift(text).code(), Code::invalid) << text;
  }
}

}  // namespace
}  // namespace lacuna::daemon
