// Each OBX becomes a value, a withdrawal or a refusal that says why, and nothing else: types, units, statuses, times, and which fact it
// reports. Messages are made here; what they must become follows from HL7's chapters 2 and 7.
#include <cmath>

#include "tests/unit/streaming/hl7/feed_fixture.h"

namespace lacuna::streaming::hl7 {
namespace {

using Observed = Feed;

TEST_F(Observed, ANumberIsAnEventOfItsOwn) {
  const Event event = one(message("NM|GLU^Glucose^L||98.6|mg/dL|70-100|H|||F|||20260102073000|||||20260102091500"));
  EXPECT_EQ(event.patient_id, "1001");
  EXPECT_EQ(event.site, "ICU-4");
  EXPECT_EQ(event.modality, schema_.find_modality("lab"));
  ASSERT_EQ(event.values.size(), 1U);
  EXPECT_EQ(event.values[0], (FeatureValue{feature("lab", "glucose"), 98.6, Comparator::equal}));
  EXPECT_EQ(event.time, at("2026-01-02T07:30:00Z")) << "the zone is MSH-7's";
  EXPECT_EQ(event.status, ResultStatus::final);
  EXPECT_EQ(event.result_id, "FL77^LAB|GLU|");
  EXPECT_EQ(event.revision.kind, Revision::Kind::time);
  EXPECT_EQ(Time(Millis(static_cast<std::int64_t>(event.revision.value))), at("2026-01-02T09:15:00Z"));
  ASSERT_EQ(event.attributes.size(), 2U);
  EXPECT_EQ(event.attributes[0], (AttributeValue{0, 45})) << "years";
  EXPECT_EQ(event.attributes[1], (AttributeValue{1, 0}));
  EXPECT_EQ(out_.counts.taken, 1U);
  EXPECT_TRUE(out_.refused.empty());
}

TEST_F(Observed, NumbersAreAsWrittenAndConverted) {
  EXPECT_EQ(value("NM|GLU||5.5|mmol/L"), 5.5 * 18.0156) << "by the substance";
  EXPECT_EQ(value("NM|GLU|| +98 |MG/DL"), 98) << "as laboratories spell it";
  EXPECT_EQ(value("NM|GLU||98|"), 98) << "without a unit it is in the schema's";
  EXPECT_EQ(value("NM|GLU||98|\"\""), 98);
  EXPECT_EQ(value("NM|CRP||2|"), 20) << "or in the one that the map tells";
  EXPECT_EQ(value("NM|CRP||2|mg/L"), 2);
  EXPECT_EQ(value("ST|GLU||98|mg/dL"), 98);
  EXPECT_EQ(value("NM|PLT||221|giga.l-1"), 221);
  EXPECT_EQ(value("NM|PLT||221|10*3/uL^thousand per microliter^UCUM"), 221);
  EXPECT_EQ(value("NM|PLT||221|x10^3/uL"), 221) << "a delimiter that should have been escaped";
  EXPECT_EQ(value("NM|PLT||221|10\\S\\3/uL"), 221);
  EXPECT_EQ(value("NM|GLU||98|^mg/dL"), 98) << "a unit that has a text alone";
  EXPECT_EQ(value("NM|GLU||98|MGDL1^mg/dL^L"), 98) << "a code that is no unit";
  EXPECT_EQ(value("NA|GLU||98|mg/dL"), 98);
  EXPECT_EQ(value("NM|GLU||~98|mg/dL"), 98) << "an empty repetition is none";
}

TEST_F(Observed, WhatIsNoNumberIsRefusedWithItsReason) {
  EXPECT_EQ(refused_obx("NM|GLU||HEMOLYZED|mg/dL"), "malformed");
  EXPECT_EQ(refused_obx("NM|GLU||5,5|mmol/L"), "malformed") << "a comma may part thousands";
  EXPECT_EQ(refused_obx("NM|GLU||98~99|mg/dL"), "malformed");
  EXPECT_EQ(refused_obx("NM|GLU||98^99|mg/dL"), "malformed");
  EXPECT_EQ(refused_obx("NM|GLU||nan|mg/dL"), "out_of_range");
  EXPECT_EQ(refused_obx("NM|GLU||98000|mg/dL"), "out_of_range");
  EXPECT_EQ(refused_obx("NM|GLU||98|mm[Hg]"), "unit");
  EXPECT_EQ(refused_obx("NM|GLU||98|mmol/L/x^furlongs"), "unit");
  EXPECT_EQ(refused_obx("CWE|GLU||98^ninety-eight^L|mg/dL"), "malformed");
  EXPECT_EQ(refused_obx("DT|GLU||20260101|"), "unsupported");
  EXPECT_EQ(refused_obx("RP|GLU||http|"), "unsupported");
  EXPECT_EQ(refused_obx("NR|GLU||1^2|"), "unsupported");
  EXPECT_EQ(refused_obx("NA|GLU||1^2|"), "unsupported");
  ASSERT_EQ(out_.refused.size(), 1U);
  EXPECT_EQ(out_.refused[0].what, "OBX[1] (lab.glucose)");
  EXPECT_TRUE(out_.refused[0].message.starts_with("OBX-2")) << out_.refused[0].message;
  decode(message("NM|GLU||98000|mg/dL"));
  EXPECT_TRUE(out_.refused[0].message.starts_with("OBX-5: outside")) << out_.refused[0].message;
  EXPECT_EQ(out_.refused[0].message.find("98000"), std::string::npos) << "values are never quoted";
}

TEST_F(Observed, StructuredNumericsAreComparatorRangeAndRatio) {
  const auto read = [&](const std::string& sn) { return one(message("SN|CRP||" + sn + "|mg/L")).values.at(0); };
  EXPECT_EQ(read("^182"), (FeatureValue{feature("lab", "crp"), 182, Comparator::equal}));
  EXPECT_EQ(read("=^182").comparator, Comparator::equal);
  EXPECT_EQ(read("<^5").comparator, Comparator::less);
  EXPECT_EQ(read(">^100").comparator, Comparator::greater);
  EXPECT_EQ(read("<=^5").comparator, Comparator::at_most);
  EXPECT_EQ(read(">=^5").comparator, Comparator::at_least);
  EXPECT_EQ(read("182").value, 182) << "all of it in the first component";
  EXPECT_EQ(read("<5").comparator, Comparator::less);
  EXPECT_EQ(refused_obx("SN|CRP||^10^-^20|mg/L"), "unsupported");
  EXPECT_EQ(refused_obx("SN|CRP||^1^:^128|"), "unsupported");
  EXPECT_EQ(refused_obx("SN|CRP||^2^+|"), "unsupported");
  EXPECT_EQ(refused_obx("SN|CRP||<>^2|"), "unsupported");
  EXPECT_EQ(refused_obx("SN|CRP||?^2|"), "malformed");
  EXPECT_EQ(refused_obx("SN|CRP||^2^^3|"), "malformed");
  EXPECT_EQ(value("SN|TITER||^1^:^128|"), 1) << "a ratio is one of an ordinal feature's categories";
  EXPECT_EQ(value("SN|UPROT||^2^+|"), 2);
}

TEST_F(Observed, LimitsAreLimitsInTextsToo) {
  const Event event = one(message("ST|GLU||<0.5|mmol/L"));
  EXPECT_EQ(event.values.at(0).comparator, Comparator::less);
  EXPECT_DOUBLE_EQ(event.values.at(0).value, 0.5 * 18.0156);
  EXPECT_EQ(one(message("NM|GLU||>= 400|mg/dL")).values.at(0).comparator, Comparator::at_least);
}

TEST_F(Observed, CodedValuesAreCategoriesByCodeOrText) {
  EXPECT_EQ(value("CWE|CULT||NEG^No growth^L|"), 0) << "the map's word for a code";
  EXPECT_EQ(value("CE|CULT||99^positive^L|"), 1) << "the category as written, from the text";
  EXPECT_EQ(value("CWE|CULT||X^y^L^260385009^Negative^SCT|"), 0) << "the other code";
  EXPECT_EQ(value("CWE|CULT||^^^^^^^^positive|"), 1) << "as it was said at first";
  EXPECT_EQ(value("ST|CULT||POS|"), 1);
  EXPECT_EQ(refused_obx("CWE|CULT||MAYBE^perhaps^L|"), "out_of_range");
  EXPECT_EQ(refused_obx("CWE|CULT||NEG~POS|"), "malformed");
  EXPECT_EQ(value("CWE|HCG||POS^x^L|"), 1);
  EXPECT_EQ(value("ST|HCG||0|"), 0);
  EXPECT_EQ(refused_obx("ST|HCG||perhaps|"), "malformed");
}

TEST_F(Observed, TextsOfSeveralLinesAreOne) {
  decode(
      "MSH|^~\\&|RIS|HOSP|||20260102100000+0000||ORU^R01|1|P|2.5\rPID|1||1001\rOBR|1||R5|XR|||20260102080000\r"
      "OBX|1|TX|XR||No acute\\.br\\disease.~Heart||||||F\rOBX|2|TX|XR||is fine \\T\\ well.||||||F\rOBX|3|NM|GLU||90|mg/dL|||||F\r");
  ASSERT_EQ(out_.events.size(), 2U);
  EXPECT_EQ(out_.events[0].payload->text, "No acute\ndisease.\nHeart\nis fine & well.");
  EXPECT_EQ(out_.events[0].modality, schema_.find_modality("report"));
  EXPECT_EQ(out_.counts.taken, 2U);
  EXPECT_EQ(out_.counts.joined, 1U);
  EXPECT_EQ(one(message("ED|XR||RIS^TEXT^plain^Base64^SGVsbG8=|")).payload->text, "Hello");
  EXPECT_EQ(one(message("ED|XR||RIS^text^^A^Hello|")).payload->text, "Hello");
  EXPECT_EQ(refused_obx("ED|XR||RIS^AP^pdf^Base64^SGVsbG8=|"), "unsupported");
  EXPECT_EQ(refused_obx("ED|XR||RIS^TEXT^^Base64^SGVs*|"), "malformed");
  EXPECT_EQ(refused_obx("NM|XR||5|"), "unsupported");
  limits_.payload_bytes_max = 8;
  decoder_.reset();
  EXPECT_EQ(refused_obx("TX|XR||more than eight|"), "too_large");
}

TEST_F(Observed, ArraysArePayloads) {
  const Event event = one(message("NA|LEAD2||1^-2.5^^4|mV"));
  EXPECT_EQ(event.payload->values, (std::vector<float>{1, -2.5, 0, 4}));
  EXPECT_EQ(event.payload->observed, (std::vector<std::uint8_t>{1, 1, 0, 1}));
  EXPECT_EQ(refused_obx("NA|LEAD2||1^2^3|"), "out_of_range");
  EXPECT_EQ(refused_obx("NA|LEAD2||1^2^3^4~5|"), "out_of_range");
  EXPECT_EQ(refused_obx("NA|LEAD2||1^2^3^40|"), "out_of_range");
  EXPECT_EQ(refused_obx("NA|LEAD2||1^2^3^x|"), "malformed");
  EXPECT_EQ(refused_obx("NM|LEAD2||1|"), "unsupported");
}

TEST_F(Observed, EachStatusIsWhatTheTableSays) {
  const std::pair<const char*, ResultStatus> valued[] = {
      {"F", ResultStatus::final},       {"V", ResultStatus::final},       {"U", ResultStatus::final},
      {"P", ResultStatus::preliminary}, {"R", ResultStatus::preliminary}, {"S", ResultStatus::preliminary},
      {"C", ResultStatus::corrected},   {"A", ResultStatus::corrected},   {"B", ResultStatus::corrected}};
  for (const auto& [code, status] : valued) {
    const Event event = one(message("NM|GLU||90|mg/dL|||||" + std::string(code)));
    EXPECT_EQ(event.status, status) << code;
    EXPECT_EQ(event.values.size(), 1U) << code;
  }
  const std::pair<const char*, ResultStatus> withdrawn[] = {
      {"D", ResultStatus::entered_in_error}, {"W", ResultStatus::entered_in_error}, {"X", ResultStatus::cancelled}};
  for (const auto& [code, status] : withdrawn) {
    const Event event = one(message("NM|GLU||90|mg/dL|||||" + std::string(code)));
    EXPECT_EQ(event.status, status) << code;
    EXPECT_TRUE(event.values.empty());
    EXPECT_EQ(event.modality, kNoModality) << "all of the result, whichever feature it led to before";
    EXPECT_EQ(event.result_id, "FL77^LAB|GLU|");
    EXPECT_TRUE(event.attributes.empty());
    EXPECT_EQ(out_.counts.withdrawn, 1U);
  }
  for (const char* code : {"I", "N", "O"}) {
    decode(message("NM|GLU||90|mg/dL|||||" + std::string(code)));
    EXPECT_TRUE(out_.events.empty() && out_.refused.empty()) << code;
    EXPECT_EQ(out_.counts.no_result, 1U);
  }
  EXPECT_EQ(refused_obx("NM|GLU||90|mg/dL|||||unknown"), "malformed");
  EXPECT_EQ(refused_obx("NM|GLU||90|mg/dL|||||Z"), "malformed");
}

TEST_F(Observed, WithoutAStatusTheOrdersHolds) {
  const std::string order = "OBR|1||L77^LAB|CHEM|||20260102080000||||||||||||||||||";
  EXPECT_EQ(one(message("NM|GLU||90|mg/dL", order + "P")).status, ResultStatus::preliminary);
  EXPECT_EQ(one(message("NM|GLU||90|mg/dL", order + "I")).status, ResultStatus::final) << "a value that is there is no pending one";
  EXPECT_EQ(one(message("NM|GLU||90|mg/dL")).status, ResultStatus::final);
}

TEST_F(Observed, AResultIsOneFactWhateverItsStatus) {
  const Event preliminary = one(message("NM|GLU|1|90|mg/dL|||||P||||||||20260102090000"));
  EXPECT_EQ(one(message("NM|GLU|1|95|mg/dL|||||C||||||||20260102100000")).result_id, preliminary.result_id);
  const Event deleted = one(message("NM|GLU|1||mg/dL|||||D||||||||20260102110000"));
  EXPECT_EQ(preliminary.result_id, "FL77^LAB|GLU|1");
  EXPECT_EQ(deleted.result_id, preliminary.result_id);
  EXPECT_LT(preliminary.revision.value, deleted.revision.value);
  EXPECT_NE(preliminary.event_id, deleted.event_id);
  EXPECT_NE(one(message("NM|GLU|2|90|mg/dL")).result_id, preliminary.result_id) << "another sub-id";
}

TEST_F(Observed, TheOrderIsTheFillersElseThePlacers) {
  const auto id = [&](const std::string& order) { return one(message("NM|GLU||90|mg/dL", order)).result_id; };
  EXPECT_EQ(id("OBR|1|P9^OE|L77|CHEM|||20260102080000"), "FL77|GLU|");
  EXPECT_EQ(id("OBR|1|P9^OE||CHEM|||20260102080000"), "PP9^OE|GLU|");
  EXPECT_EQ(id("ORC|RE|P9|F5^LAB\rOBR|1|||CHEM|||20260102080000"), "FF5^LAB|GLU|");
  EXPECT_EQ(id("ORC|RE|P9\rOBR|1|||CHEM|||20260102080000"), "PP9|GLU|");
  EXPECT_EQ(id("OBR|1|||CHEM|||20260102080000"), "@20260102080000|GLU|") << "without an order the time is what tells results apart";
  const std::string longest(200, '7');
  const std::string hashed = id("OBR|1||" + longest + "|CHEM|||20260102080000");
  EXPECT_EQ(hashed.size(), 17U);
  EXPECT_EQ(hashed.front(), '#');
}

TEST_F(Observed, FactsOfOneNameAreToldApartWithinAMessage) {
  decode(
      "MSH|^~\\&|LIS|HOSP|||20260102100000+0000||ORU^R01|1|P|2.5\rPID|1||1001\rOBR|1||L7|CHEM|||20260102080000\r"
      "OBX|1|NM|GLU||90|mg/dL|||||F|||20260102080000\rOBX|2|NM|GLU||95|mg/dL|||||F|||20260102090000\r"
      "OBX|3|NM|GLU||95|mg/dL|||||D\rOBX|4|NM|GLU||95|mg/dL|||||D\r");
  ASSERT_EQ(out_.events.size(), 4U);
  EXPECT_EQ(out_.events[0].result_id, "FL7|GLU|");
  EXPECT_EQ(out_.events[1].result_id, "FL7|GLU||2");
  EXPECT_EQ(out_.events[2].result_id, "FL7|GLU|") << "what is deleted is counted by itself";
  EXPECT_EQ(out_.events[3].result_id, "FL7|GLU||2");
}

TEST_F(Observed, RevisionsAreTheAnalysisElseTheReportElseTheMessages) {
  const auto revision = [&](const std::string& obx, const std::string& reported) {
    const Event e = one(message(obx, "OBR|1||L7|CHEM|||20260102080000|||||||||||||||" + reported));
    return e.revision.kind == Revision::Kind::time ? format_rfc3339(Time(Millis(static_cast<std::int64_t>(e.revision.value)))) : "";
  };
  EXPECT_EQ(revision("NM|GLU||90|mg/dL|||||F||||||||20260102081500", "20260102083000"), "2026-01-02T08:15:00Z");
  EXPECT_EQ(revision("NM|GLU||90|mg/dL|||||F||||||||20260102", "20260102083000"), "2026-01-02T08:30:00Z") << "a day orders nothing";
  EXPECT_EQ(revision("NM|GLU||90|mg/dL|||||F", ""), "2026-01-02T10:00:00Z");
}

TEST_F(Observed, TimesAreFoundOrRefusedForWhatTheyAre) {
  EXPECT_EQ(one(message("NM|GLU||90|mg/dL|||||F|||20260102")).time, at("2026-01-02T08:00:00Z")) << "the order's, within the day";
  EXPECT_EQ(refusal(message("NM|GLU||90|mg/dL|||||F|||20260101")), "time_imprecise");
  EXPECT_EQ(refusal(message("NM|GLU||90|mg/dL|||||F|||202512")), "time_imprecise");
  EXPECT_EQ(refusal(message("NM|GLU||90|mg/dL|||||F", "OBR|1||L7|CHEM")), "time");
  EXPECT_EQ(refusal(message("NM|GLU||90|mg/dL|||||F|||noon")), "time");
  EXPECT_EQ(refusal(message("NM|GLU||90|mg/dL|||||F|||20260201000000")), "time") << "in the future";
  EXPECT_EQ(refusal(message("NM|GLU||90|mg/dL|||||F|||18500201000000")), "time") << "too far back";
  EXPECT_EQ(one(message("NM|GLU||90|mg/dL|||||F|||20260102", "OBR|1||L7|CHEM")).time, at("2026-01-02T10:00:00Z")) << "MSH-7's, within it";
  EXPECT_EQ(out_.counts.refined, 1U);
  const std::string specimen = "\rSPM|1|||BLD|||||||||||||20260102070000^20260102070500";
  EXPECT_EQ(one(message("NM|GLU||90|mg/dL|||||F" + specimen, "OBR|1||L7|CHEM")).time, at("2026-01-02T07:00:00Z"));
  EXPECT_EQ(one(message("NM|GLU||90|mg/dL|||||D", "OBR|1||L7|CHEM")).time, at("2026-01-02T10:00:00Z"))
      << "a withdrawal is never lost for it";
}

TEST_F(Observed, ZonesAreTheStampsThenTheMessagesThenTheSenders) {
  options_.sender_zones["LIS"] = "Asia/Tokyo";
  const auto time = [&](const std::string& sent, const std::string& sender, const std::string& observed) {
    return one("MSH|^~\\&|" + sender + "|||" + "|" + sent +
               "||ORU^R01|1|P|2.5\rPID|1||1001\rOBR|1||L7|CHEM\rOBX|1|NM|GLU||90|mg/dL|||||F|||" + observed)
        .time;
  };
  EXPECT_EQ(time("20260102100000+0000", "LIS", "20260102080000-0500"), at("2026-01-02T13:00:00Z"));
  EXPECT_EQ(time("20260102100000+0200", "LIS", "20260102080000"), at("2026-01-02T06:00:00Z"));
  EXPECT_EQ(time("20260102100000", "LIS", "20260102080000"), at("2026-01-01T23:00:00Z"));
  EXPECT_EQ(time("20260102100000", "OTHER", "20260102080000"), at("2026-01-02T07:00:00Z"));
  EXPECT_EQ(time("20260102100000", "OTHER", "20251026023000"), at("2025-10-26T00:30:00Z"));
  EXPECT_EQ(out_.counts.clocks_twice, 1U);
  time("20260102100000", "OTHER", "20250330023000");
  EXPECT_EQ(out_.counts.clocks_never, 1U);
  options_.time_zone.clear();
  options_.sender_zones.clear();
  decoder_.reset();
  EXPECT_EQ(
      refusal("MSH|^~\\&|X||||20260102100000||ORU^R01|1|P|2.5\rPID|1||1001\rOBR|1||L7|C|||20260102080000\rOBX|1|NM|GLU||90|mg/dL|||||F"),
      "time");
}

TEST_F(Observed, WhatIsNotAskedForIsCounted) {
  decode(message("NM|XYZ^Unknown^L||5|mg/dL"));
  EXPECT_EQ(out_.counts.unmapped, 1U);
  EXPECT_TRUE(out_.refused.empty() && out_.events.empty());
  decode(message("NM|XYZ^Unknown^L||6|mmol/L"));
  const auto codes = decoder_->unmapped().by_volume();
  ASSERT_EQ(codes.size(), 1U);
  EXPECT_EQ(codes[0].code, "XYZ");
  EXPECT_EQ(codes[0].name, "Unknown");
  EXPECT_EQ(codes[0].values, 2U);
  EXPECT_EQ(codes[0].units, (std::map<std::string, std::uint64_t>{{"mg/dL", 1}, {"mmol/L", 1}}));
  decode(message("ST|CMT||a comment"));
  EXPECT_EQ(out_.counts.ignored, 1U);
  decode(message("ST|GLU||TNP"));
  EXPECT_EQ(out_.counts.missing, 1U);
  decode(message("NM|GLU||"));
  EXPECT_EQ(out_.counts.empty, 1U);
  decode(message("NM|GLU||\"\"|mg/dL"));
  EXPECT_EQ(out_.counts.empty, 1U);
}

TEST_F(Observed, TheSecondCodeLeadsWhereTheFirstDoesNot) {
  EXPECT_EQ(value("NM|G1^Glucose^L^2345-7^Glucose^LN||90|mg/dL"), 90);
  decode(message("NM|G1^Glucose^L^2345-7^Glucose^L||90|mg/dL"));
  EXPECT_EQ(out_.counts.unmapped, 1U) << "of another system it is another code";
}

TEST_F(Observed, ObxOfOtherMessagesCountAsWell) {
  decode(
      "MSH|^~\\&|A||||20260102100000+0000||ADT^A01|1|P|2.5\rEVN||20260102090000\rPID|1||1001\rPV1|1|I|WARD\r"
      "OBX|1|NM|HR||77|/min|||||F|||20260102085500\r");
  ASSERT_EQ(out_.events.size(), 2U);
  EXPECT_EQ(out_.events[1].stay_site, "WARD");
  const Event& event = out_.events[0];
  EXPECT_EQ(event.values.at(0).value, 77);
  EXPECT_EQ(event.result_id, "@20260102085500|HR|");
  EXPECT_EQ(refusal("MSH|^~\\&|A||||20260102100000+0000||ORU^R01|1|P|2.5\rOBX|1|NM|HR||77|/min|||||F"), "malformed") << "of whom?";
}

TEST_F(Observed, EventIdsAreOfTheMessagesBytes) {
  const std::string bytes = message("NM|GLU||90|mg/dL");
  const std::string first = one(bytes).event_id;
  EXPECT_EQ(one(bytes).event_id, first);
  std::string lines = bytes + "\r\n";
  EXPECT_EQ(one(lines).event_id, first) << "what stands behind it is not of it";
  EXPECT_NE(one(message("NM|GLU||91|mg/dL")).event_id, first);
  EXPECT_EQ(first.size(), 18U);
}

TEST_F(Observed, ManyFactsOfOneMessageTakeNoLongerThanTheyAre) {
  std::string bytes = "MSH|^~\\&|LIS|HOSP|||20260102100000+0000||ORU^R01|1|P|2.5\rPID|1||1001\rOBR|1||L7|CHEM|||20260102080000\r";
  for (int i = 0; i < 20'000; ++i) bytes += "OBX|1|NM|GLU|" + std::to_string(i % 10'000) + "|90|mg/dL|||||F\r";
  decode(bytes);
  EXPECT_EQ(out_.counts.taken, 20'000U);
  EXPECT_EQ(out_.events[19'999].result_id, "FL7|GLU|9999|2");
}

}  // namespace
}  // namespace lacuna::streaming::hl7
