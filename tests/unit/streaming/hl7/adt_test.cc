// Admissions, transfers, discharges, their cancellations and merges say of stays and persons what HL7's chapter 3 has them say, at the time
// at which it was so; and whom a message is about is chosen by the configured identifier.
#include "tests/unit/streaming/hl7/feed_fixture.h"

namespace lacuna::streaming::hl7 {
namespace {

class Adt : public Feed {
 protected:
  static std::string adt(const std::string& trigger, const std::string& evn = "20260102090000||||20260102083000",
                         const std::string& pv1 = "1|I|ICU-4^1^2^NORTH|||WARD-1") {
    return "MSH|^~\\&|ADT|HOSP|||20260102100000+0000||ADT^" + trigger + "|1|P|2.5\rEVN||" + evn +
           "\rPID|1||1001^^^HOSP^MR||Doe^Jo||19800615|M\rPV1|" + pv1 + "\r";
  }
};

TEST_F(Adt, ArrivalsAreTransfersWithAttributes) {
  for (const char* trigger : {"A01", "A02", "A04", "A06", "A07", "A17"}) {
    const Event event = one(adt(trigger));
    EXPECT_EQ(event.stay_site, "ICU-4") << trigger;
    EXPECT_EQ(event.site, "ICU-4");
    EXPECT_FALSE(event.stay_ends);
    EXPECT_EQ(event.time, at("2026-01-02T08:30:00Z")) << "EVN-6, when it was so";
    EXPECT_EQ(event.attributes.size(), 2U);
    EXPECT_EQ(event.modality, kNoModality);
  }
}

TEST_F(Adt, TimesStandInForEachOther) {
  const std::string admitted = "1|I|ICU-4|||||||||||||||||||||||||||||||||||||||||20260102070000|20260102080000";
  EXPECT_EQ(one(adt("A01", "20260102090000", admitted)).time, at("2026-01-02T07:00:00Z")) << "PV1-44";
  EXPECT_EQ(one(adt("A03", "20260102090000", admitted)).time, at("2026-01-02T08:00:00Z")) << "PV1-45";
  EXPECT_EQ(one(adt("A02", "20260102090000", admitted)).time, at("2026-01-02T09:00:00Z")) << "EVN-2";
  EXPECT_EQ(one(adt("A02", "", admitted)).time, at("2026-01-02T10:00:00Z")) << "MSH-7";
  EXPECT_EQ(one(adt("A02", "20260102090000||||20260102")).time, at("2026-01-02T09:00:00Z")) << "EVN-2, within the day of EVN-6";
  EXPECT_EQ(refusal(adt("A02", "20260102090000||||20260101")), "time_imprecise");
  EXPECT_EQ(refusal(adt("A02", "20260102090000||||then")), "time");
}

TEST_F(Adt, ADischargeEndsTheStay) {
  const Event event = one(adt("A03"));
  EXPECT_TRUE(event.stay_ends);
  EXPECT_EQ(event.stay_site, "");
}

TEST_F(Adt, CancellationsSayWhereThePatientIsNowAndWhenThatWasSaid) {
  const Event never_admitted = one(adt("A11"));
  EXPECT_TRUE(never_admitted.stay_ends);
  EXPECT_EQ(never_admitted.time, at("2026-01-02T09:00:00Z")) << "their EVN-6 is the time of what they cancel";
  EXPECT_EQ(one(adt("A12")).stay_site, "ICU-4") << "PV1-3 is where the patient was before the transfer";
  EXPECT_EQ(out_.events[0].time, at("2026-01-02T09:00:00Z"));
  EXPECT_EQ(one(adt("A13")).stay_site, "ICU-4");
  EXPECT_FALSE(out_.events[0].stay_ends);
}

TEST_F(Adt, UpdatesAreAttributesAlone) {
  for (const char* trigger : {"A05", "A08", "A09", "A10", "A14", "A28", "A31"}) {
    const Event event = one(adt(trigger));
    EXPECT_EQ(event.attributes, (std::vector<AttributeValue>{{0, 45}, {1, 1}})) << trigger;
    EXPECT_TRUE(event.stay_site.empty() && !event.stay_ends) << trigger;
  }
}

TEST_F(Adt, WhatIsNotKnownOfAPersonIsAbsent) {
  const auto read = [&](const std::string& pid) {
    decode("MSH|^~\\&|ADT||||20260102100000+0000||ADT^A08|1|P|2.5\rEVN||20260102090000\rPID|1||1001||||" + pid + "\r");
    return out_.events.empty() ? std::vector<AttributeValue>() : out_.events[0].attributes;
  };
  EXPECT_EQ(read("19800615|F"), (std::vector<AttributeValue>{{0, 45}, {1, 0}}));
  EXPECT_EQ(read("198006150130|U"), (std::vector<AttributeValue>{{0, 45}}));
  EXPECT_TRUE(out_.refused.empty()) << "a U is what the map calls missing";
  EXPECT_EQ(read("|F"), (std::vector<AttributeValue>{{1, 0}}));
  EXPECT_EQ(read("1980|F"), (std::vector<AttributeValue>{{1, 0}}));
  ASSERT_EQ(out_.refused.size(), 1U);
  EXPECT_EQ(out_.refused[0].reason, Refusal::time_imprecise);
  EXPECT_EQ(out_.refused[0].what, "PID-7 (attributes.age)");
  EXPECT_EQ(read("19800103|F").at(0).value, 45) << "tomorrow is the birthday";
  EXPECT_EQ(read("19800102|F").at(0).value, 46);
  EXPECT_TRUE(read("17000102|X").empty());
  EXPECT_EQ(out_.refused.size(), 2U);
  EXPECT_EQ(read("").size(), 0U);
  EXPECT_TRUE(out_.refused.empty() && out_.events.empty()) << "nothing is said, and that is no fault";
}

TEST_F(Adt, AMergeLeadsFromThePriorIdentifier) {
  for (const char* trigger : {"A18", "A30", "A34", "A36", "A39", "A40", "A46", "A47"}) {
    const Event event = one("MSH|^~\\&|ADT||||20260102100000+0000||ADT^" + std::string(trigger) +
                            "|1|P|2.5\rEVN||20260102090000\rPID|1||1001^^^HOSP^MR\rMRG|999^^^HOSP^MR\r");
    EXPECT_EQ(event.person, PersonChange::merge) << trigger;
    EXPECT_EQ(event.patient_id, "999");
    EXPECT_EQ(event.merged_into, "1001");
    EXPECT_EQ(event.time, at("2026-01-02T09:00:00Z"));
    EXPECT_TRUE(event.attributes.empty());
  }
  const std::string head = "MSH|^~\\&|ADT||||20260102100000+0000||ADT^A40|1|P|2.5\rEVN||20260102090000\r";
  EXPECT_EQ(refusal(head + "PID|1||1001\rMRG|1001\r"), "malformed");
  EXPECT_EQ(refusal(head + "PID|1||1001\rMRG|\r"), "malformed");
  EXPECT_EQ(refusal(head + "MRG|7\r"), "malformed");
}

TEST_F(Adt, SeveralMergesAreEachOfItsPriorPerson) {
  const std::string text =
      "MSH|^~\\&|ADT||||20260102100000+0000||ADT^A40|1|P|2.5\rEVN||20260102090000\rPID|1||1001\rMRG|901\rPID|2||1002\rMRG|902\r";
  decode(text, {{}, "902", false});
  ASSERT_EQ(out_.events.size(), 1U);
  EXPECT_EQ(out_.events[0].patient_id, "902");
  EXPECT_EQ(out_.events[0].merged_into, "1002");
  EXPECT_TRUE(out_.refused.empty());
  decode(text, {"901", {}, false});
  ASSERT_EQ(out_.events.size(), 1U);
  EXPECT_EQ(out_.events[0].merged_into, "1001");
  EXPECT_EQ(out_.refused.size(), 1U) << "whoever wrote it once has left the other out";
  EXPECT_EQ(refusal(text), "malformed");
  decode(text, {{}, {}, true});
  EXPECT_EQ(out_.events.size(), 2U);
}

TEST_F(Adt, OfSeveralPersonsTheRecordsIsTaken) {
  const std::string text =
      "MSH|^~\\&|LIS||||20260102100000+0000||ORU^R01|1|P|2.5\rPID|1||1001\rOBR|1||L7|C|||20260102080000\rOBX|1|NM|GLU||90|mg/dL|||||F\r"
      "PID|2||1002\rOBR|1||L8|C|||20260102080000\rOBX|1|NM|GLU||95|mg/dL|||||F\r";
  decode(text, {{}, "1002", false});
  ASSERT_EQ(out_.events.size(), 1U);
  EXPECT_EQ(out_.events[0].values.at(0).value, 95);
  EXPECT_EQ(out_.counts.elsewhere, 1U);
  decode(text, {"1001", {}, false});
  ASSERT_EQ(out_.events.size(), 1U);
  EXPECT_EQ(out_.events[0].values.at(0).value, 90);
  EXPECT_EQ(out_.refused.size(), 1U);
  EXPECT_EQ(refusal(text), "malformed");
  decode(text, {{}, {}, true});
  EXPECT_EQ(out_.events.size(), 2U);
  decode(message("NM|GLU||90|mg/dL") + message("NM|GLU||91|mg/dL"), {});
  EXPECT_EQ(out_.events.size(), 2U) << "two messages of one person are nobody else's";
}

TEST_F(Adt, WhatNothingCanBeDoneAboutIsSaid) {
  for (const char* trigger : {"A23", "A24", "A29", "A35", "A37", "A41", "A42", "A43", "A44", "A45", "A50"}) {
    EXPECT_EQ(refusal(adt(trigger)), "unsupported") << trigger;
  }
  EXPECT_EQ(refusal("MSH|^~\\&|S||||20260102100000+0000||SIU^S12|1|P|2.5\rPID|1||1001\r"), "unsupported");
  EXPECT_EQ(refusal("MSH|^~\\&|S||||20260102100000+0000||ADT^A01|1|P|2.5\rEVN||20260102090000\r"), "malformed");
  EXPECT_EQ(refusal("hello"), "malformed");
  EXPECT_EQ(refusal(""), "malformed");
}

TEST_F(Adt, VersionsBeforeTwoTwoTellTheEventInEvn) {
  EXPECT_TRUE(one("MSH|^~\\&|ADT||||202601021000||ADT|1|P|2.1\rEVN|A03|202601020900\rPID||1001\rPV1|1|I|ICU-4\r").stay_ends);
  EXPECT_EQ(out_.events[0].patient_id, "1001") << "PID-2, where PID-3 is empty";
  EXPECT_EQ(out_.events[0].time, at("2026-01-02T08:00:00Z")) << "in the configured zone";
}

TEST_F(Adt, MessagesAreLeftOutOnPurpose) {
  options_.ignored_messages = {"SIU", "ADT^A08"};
  decode("MSH|^~\\&|S||||20260102100000+0000||SIU^S12|1|P|2.5\rPID|1||1001\rOBX|1|NM|GLU||5\r");
  EXPECT_TRUE(out_.refused.empty() && out_.events.empty());
  EXPECT_EQ(out_.counts.ignored, 1U);
  decode(adt("A08"));
  EXPECT_TRUE(out_.events.empty());
  EXPECT_EQ(one(adt("A01")).stay_site, "ICU-4");
}

class Identifier : public Adt {
 protected:
  std::string id(const std::string& pid3) {
    decode("MSH|^~\\&|ADT||||20260102100000+0000||ADT^A03|1|P|2.5\rEVN||20260102090000\rPID|1||" + pid3 + "\r");
    return out_.events.empty() ? "" : out_.events[0].patient_id;
  }
};

TEST_F(Identifier, IsTheFirstWhereNoneIsAskedFor) {
  EXPECT_EQ(id("7^^^A^PI~8^^^B^MR"), "7");
  EXPECT_EQ(id("^^^A~8"), "8");
  EXPECT_EQ(id("a\\T\\b"), "a&b");
  EXPECT_EQ(id(""), "");
  EXPECT_EQ(id("x\ty"), "") << "control characters pass for separators";
  EXPECT_EQ(id("\xff"), "");
  EXPECT_EQ(id(std::string(200, '1')), "");
}

TEST_F(Identifier, IsTheOneOfTheAuthorityAndType) {
  options_.authority = "HOSP";
  options_.identifier_type = "MR";
  EXPECT_EQ(id("7^^^OTHER^MR~8^^^HOSP^VN~9^^^HOSP^MR"), "9");
  EXPECT_EQ(id("9^^^X&HOSP&ISO^MR"), "9") << "by the universal id";
  EXPECT_EQ(id("7^^^OTHER^MR"), "");
  ASSERT_EQ(out_.refused.size(), 1U);
  EXPECT_EQ(out_.refused[0].what, "PID-3");
  EXPECT_EQ(id("7"), "");
}

TEST_F(Identifier, TheSiteIsTheFieldThatIsConfigured) {
  options_.site = "PV1-3.4";
  EXPECT_EQ(one(adt("A01")).stay_site, "NORTH");
  options_.site = "MSH-4";
  decoder_.reset();
  EXPECT_EQ(one(adt("A01")).stay_site, "HOSP");
}

TEST_F(Adt, OtherCharacterSetsAreRead) {
  EXPECT_EQ(one("MSH|^~\\&|ADT||||20260102100000+0000||ADT^A03|1|P|2.5||||||8859/1\rEVN||20260102090000\rPID|1||M\xfc\x37\r").patient_id,
            "Mü7");
  EXPECT_EQ(refusal("MSH|^~\\&|ADT||||20260102100000+0000||ADT^A03|1|P|2.5||||||KLINGON\rEVN||20260102090000\rPID|1||M\xfc\r"),
            "unsupported");
  EXPECT_EQ(one("MSH|^~\\&|ADT||||20260102100000+0000||ADT^A03|1|P|2.5||||||KLINGON\rEVN||20260102090000\rPID|1||7\r").patient_id, "7")
      << "of ASCII alone every set is the same";
  std::string wide;
  for (const char c : std::string("MSH|^~\\&|ADT||||20260102100000+0000||ADT^A03|1|P|2.5\rEVN||20260102090000\rPID|1||7\r")) {
    wide.push_back(c);
    wide.push_back('\0');
  }
  EXPECT_EQ(one(wide).patient_id, "7") << "UTF-16";
  EXPECT_EQ(one("\xff\xfe" + wide).patient_id, "7");
}

TEST_F(Adt, BoundsAreHeld) {
  limits_.message_bytes_max = 100;
  EXPECT_EQ(refusal(adt("A01")), "too_large");
  decoder_.reset();
  limits_.message_bytes_max = 64 << 20;
  std::string many;
  for (int i = 0; i < 10'001; ++i) many += "MSH|^~\\&|A\r";
  EXPECT_EQ(refusal(many), "too_large");
  std::string long_one = "MSH|^~\\&|A||||20260102100000+0000||ADT^A03|1|P|2.5\rPID|1||7\r";
  for (int i = 0; i < 70'000; ++i) long_one += "NTE|\r";
  EXPECT_EQ(refusal(long_one), "malformed");
}

}  // namespace
}  // namespace lacuna::streaming::hl7
