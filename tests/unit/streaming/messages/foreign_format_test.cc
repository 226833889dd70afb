// Goal: whoever finds a letter learns what was sent. Method: the first bytes of the formats that feeds send by mistake; and events, which
// look like none of them, whatever is wrong with them.
#include "streaming/messages/foreign_format.h"

#include <gtest/gtest.h>

#include <string>

#include "streaming/messages/event_decoder.h"
#include "tests/unit/streaming/messages/message_fixture.h"

namespace lacuna::streaming {
namespace {

using namespace std::string_literals;

TEST(ForeignFormat, IsNamed) {
  const std::pair<std::string, const char*> cases[] = {
      {"\0\0\0\0\x07{\"a\":1}"s, "schema registry"},
      {"\0\0\0\0\x07\x02\x06"s, "Avro or Protocol Buffers"},
      {"\xef\xbb\xbf{}"s, "byte-order mark"},
      {"\xff\xfe{\0"s, "UTF-16"},
      {"\xfe\xff\0{"s, "UTF-16"},
      {"\x1f\x8b\x08"s, "gzip"},
      {"\x28\xb5\x2f\xfd"s, "zstd"},
      {"Obj\x01"s, "Avro file"},
      {"MSH|^~\\&|LAB"s, "HL7 v2"},
      {"\x0bMSH|^~\\&|"s, "MLLP"},
      {"BHS|^~\\&"s, "batch of HL7"},
      {R"({"resourceType":"Observation","status":"final"})", "FHIR"},
      {R"({"specversion":"1.0","type":"x","data":{}})", "CloudEvent"},
      {R"({"schema":{"type":"struct"},"payload":{"patient_id":"x"}})", "schemas.enable"},
      {R"({"before":null,"after":{"id":1},"op":"c"})", "database"},
      {"<ClinicalDocument/>", "XML"},
      {"  [{}]", "array"},
      {" \n", "white space"},
  };
  for (const auto& [bytes, expected] : cases) {
    EXPECT_NE(foreign_format(bytes).find(expected), std::string_view::npos) << expected << ": " << foreign_format(bytes);
  }
}

TEST(ForeignFormat, EventsLookLikeNone) {
  for (const char* event :
       {"", "{}", "{", "7", "true", R"({"schema_version":1,"event_id":"a","patient_id":"b","payload":{"dtype":"uint8"}})",
        "patient,time,hr", R"({"schema_version":1,"values":{"hr":1}})"}) {
    EXPECT_EQ(foreign_format(event), "") << event;
  }
  EXPECT_EQ(foreign_format(std::string(1 << 20, '{')), "");
}

TEST(ForeignFormat, TheDecoderSaysIt) {
  const auto refused = [](const std::string& message) {
    static const Schema schema = testing::make_schema();
    EventDecoder decoder(schema, {});
    const auto outcome = decoder.decode(message, testing::now());
    return outcome.refused ? outcome.refused->message : "taken";
  };
  EXPECT_EQ(refused("MSH|^~\\&|LAB"), "not one JSON object; it looks like an HL7 v2 message (docs/messages.md#what-is-not-an-event)");
  EXPECT_NE(refused(R"({"resourceType":"Patient","id":"7"})").find("it looks like a FHIR resource"), std::string::npos);
  EXPECT_EQ(refused("{"), "not one JSON object");
}

}  // namespace
}  // namespace lacuna::streaming
