// A time is read at the precision at which it is told: what is coarser than a minute is an interval, in which a finer time of the message
// is looked for and never invented. Zones: the stamp's, then MSH-7's, then the sender's.
#include "streaming/hl7/stamp.h"

#include <gtest/gtest.h>

#include <string>

namespace lacuna::streaming::hl7 {
namespace {

using Precision = Stamp::Precision;
constexpr Delimiters kPlain;

std::string utc(const char* text, const Zones& zones = {0, nullptr}) {
  const auto stamp = read_stamp(text, kPlain);
  if (!stamp) return "none";
  const auto begin = begin_of(*stamp, zones);
  return begin ? format_rfc3339(begin->time) : "no zone";
}

TEST(Stamp, IsReadAtItsPrecision) {
  const std::pair<const char*, Precision> cases[] = {{"2026", Precision::year},
                                                     {"202601", Precision::month},
                                                     {"20260115", Precision::day},
                                                     {"2026011507", Precision::hour},
                                                     {"202601150730", Precision::minute},
                                                     {"20260115073000", Precision::second},
                                                     {"20260115073000.1234", Precision::second},
                                                     {"20260115-0500", Precision::day},
                                                     {"20260115000000^D", Precision::day},
                                                     {"202601150730^S", Precision::minute}};
  for (const auto& [text, precision] : cases) {
    const auto stamp = read_stamp(text, kPlain);
    ASSERT_TRUE(stamp) << text;
    EXPECT_EQ(stamp->precision, precision) << text;
    EXPECT_EQ(stamp->is_coarse(), precision < Precision::minute);
  }
  const auto month = read_stamp("202602", kPlain);
  EXPECT_EQ(month->end_millis - month->begin_millis, 28LL * 24 * 3600 * 1000);
  const auto year = read_stamp("2024", kPlain);
  EXPECT_EQ(year->end_millis - year->begin_millis, 366LL * 24 * 3600 * 1000);
}

TEST(Stamp, IsTheTimeThatItSays) {
  EXPECT_EQ(utc("20260115073012.5"), "2026-01-15T07:30:12.500Z");
  EXPECT_EQ(utc("20260115073012.5+0215"), "2026-01-15T05:15:12.500Z");
  EXPECT_EQ(utc("202601150730-0500"), "2026-01-15T12:30:00Z");
  EXPECT_EQ(utc("20260115235960"), "2026-01-16T00:00:00Z");
}

TEST(Stamp, WhatIsNoneIsNone) {
  for (const char* text :
       {"", "202", "20261", "20261315", "20260230", "00000000", "2026-01-15", "20260115240000", "202601156000", "20260115073000.",
        "20260115+1", "20260115+2500", "20260115 0730", "20260115^Q", "noon", "17990101", "23000101"}) {
    EXPECT_FALSE(read_stamp(text, kPlain)) << text;
  }
}

TEST(Stamp, ZonesStandInForEachOtherInOrder) {
  const auto berlin = TimeZone::find("Europe/Berlin");
  ASSERT_TRUE(berlin.ok());
  EXPECT_EQ(utc("202607011200+0000", {-300, &*berlin}), "2026-07-01T12:00:00Z");
  EXPECT_EQ(utc("202607011200", {-300, &*berlin}), "2026-07-01T17:00:00Z");
  EXPECT_EQ(utc("202607011200", {{}, &*berlin}), "2026-07-01T10:00:00Z");
  EXPECT_EQ(utc("202607011200", {}), "no zone");
}

TEST(Stamp, ClocksThatWerePutBackOrForwardAreSaid) {
  const auto berlin = TimeZone::find("Europe/Berlin");
  ASSERT_TRUE(berlin.ok());
  const Zones zones{{}, &*berlin};
  const auto clock = [&](const char* text) { return begin_of(*read_stamp(text, kPlain), zones)->clock; };
  EXPECT_EQ(clock("202610250230"), TimeZone::Clock::twice);
  EXPECT_EQ(clock("202603290230"), TimeZone::Clock::never);
  EXPECT_EQ(clock("202603290330"), TimeZone::Clock::one);
  EXPECT_EQ(utc("202610250230", zones), "2026-10-25T00:30:00Z") << "the earlier of the two";
}

class MomentOf : public ::testing::Test {
 protected:
  Moment find(const char* obx, const char* obr, const char* reported, const char* sent) {
    const NamedStamp own[] = {{"OBX-14", obx}, {"OBR-7", obr}};
    const NamedStamp later[] = {{"OBR-22", reported}, {"MSH-7", sent}};
    return moment_of(own, later, kPlain, {60, nullptr});
  }
  std::string time(const char* obx, const char* obr, const char* reported, const char* sent) {
    const Moment moment = find(obx, obr, reported, sent);
    if (moment.problem == Moment::Problem::imprecise) return "imprecise";
    return std::string(moment.field) + " " + format_rfc3339(moment.time);
  }
};

TEST_F(MomentOf, TheFirstThatIsToldHolds) {
  EXPECT_EQ(time("202601021200", "202601020800", "", "20260103"), "OBX-14 2026-01-02T11:00:00Z");
  EXPECT_EQ(time("", "202601020800", "", ""), "OBR-7 2026-01-02T07:00:00Z");
  EXPECT_EQ(time("\"\"", "202601020800", "", ""), "OBR-7 2026-01-02T07:00:00Z");
}

TEST_F(MomentOf, ADayIsRefinedByATimeWithinItAndIsNotItsMidnight) {
  EXPECT_EQ(time("20260102", "202601020800", "202601021000", "202601021100"), "OBR-7 2026-01-02T07:00:00Z");
  EXPECT_EQ(time("20260102", "", "202601021000", "202601021100"), "OBR-22 2026-01-02T09:00:00Z");
  EXPECT_EQ(time("20260102", "", "202601031000", "202601021100"), "MSH-7 2026-01-02T10:00:00Z");
  EXPECT_EQ(time("20260102", "", "20260102", "202601030000"), "imprecise");
  EXPECT_EQ(time("20260102", "", "", "20260102000000+0100"), "MSH-7 2026-01-01T23:00:00Z") << "the day's first moment is within it";
  EXPECT_EQ(time("20260102", "", "", "20260102000000+0200"), "imprecise") << "and the day is the sender's";
  EXPECT_EQ(time("202601", "", "202601311000", ""), "OBR-22 2026-01-31T09:00:00Z");
  EXPECT_EQ(time("2026010212", "", "202601021259", ""), "OBR-22 2026-01-02T11:59:00Z");
  EXPECT_EQ(time("2026010212", "", "202601021300", ""), "imprecise");
}

TEST_F(MomentOf, WhatCannotBeReadIsNotPassedOver) {
  EXPECT_EQ(find("yesterday", "202601020800", "", "").problem, Moment::Problem::unreadable);
  EXPECT_EQ(find("", "", "202601020800", "").problem, Moment::Problem::absent) << "when it was reported is not when it was so";
  const NamedStamp own[] = {{"OBX-14", "202601020800"}};
  EXPECT_EQ(moment_of(own, {}, kPlain, {}).problem, Moment::Problem::no_zone);
}

}  // namespace
}  // namespace lacuna::streaming::hl7
