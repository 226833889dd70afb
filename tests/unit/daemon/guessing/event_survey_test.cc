// Goal: event messages are surveyed with their modalities, units and payloads, and other lines are refused. Method: messages of each kind.
#include "daemon/guessing/event_survey.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/daemon/guessing/made_up_tables.h"

namespace lacuna::daemon {
namespace {

using namespace lacuna::daemon::testing;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

class EventSurvey : public ::testing::Test {
 protected:
  Result<Survey> survey(const std::string& text) { return survey_events(*sample_table({files_.write("e.ndjson", text)}), {}); }
  Files files_;
};

TEST_F(EventSurvey, ValuesUnitsAttributesAndPayloads) {
  const auto s = survey(
      "{\"schema_version\":1,\"event_id\":\"1\",\"patient_id\":\"a\",\"modality\":\"vitals\",\"time\":\"2026-01-01T00:00:00Z\","
      "\"values\":{\"hr\":73,\"temp\":{\"value\":98.6,\"unit\":\"[degF]\"},\"on\":true},\"attributes\":{\"sex\":\"female\"}}\n"
      "\n"
      "{\"schema_version\":1,\"event_id\":\"2\",\"patient_id\":\"a\",\"modality\":\"film\",\"time\":\"2026-01-01T01:00:00Z\","
      "\"payload\":{\"dtype\":\"uint8\",\"shape\":[1,2,3],\"data\":\"AAECAwQF\"}}\n"
      "{\"schema_version\":1,\"event_id\":\"3\",\"patient_id\":\"b\",\"modality\":\"report\",\"time\":\"2026-01-01T01:00:00Z\",\"text\":"
      "\"No acute disease.\"}\n"
      "not JSON\n");
  ASSERT_TRUE(s.ok()) << s.status().message();
  EXPECT_EQ(s->rows, 3u);
  EXPECT_EQ(s->patients, 2u);
  ASSERT_EQ(s->variables.size(), 4u);
  const auto find = [&](const std::string& name) { return *std::ranges::find(s->variables, name, &Variable::name); };
  EXPECT_EQ(find("hr").modality, "vitals");
  EXPECT_THAT(find("temp").units, ElementsAre(Pair("[degF]", 1u)));
  EXPECT_THAT(find("on").profile.words(), ElementsAre(Pair("true", 1u)));
  EXPECT_TRUE(find("sex").attribute);
  EXPECT_EQ(s->payloads.at("film").kind, ModalityKind::image);
  EXPECT_THAT(s->payloads.at("film").shape, ElementsAre(1, 2, 3));
  EXPECT_EQ(s->payloads.at("report").words, 3u);
  EXPECT_EQ(s->latest - s->earliest, 3'600'000);
}

TEST_F(EventSurvey, OtherLinesAreNoEvents) {
  const auto s = survey("{\"subject\":1,\"hr\":70}\n{\"subject\":2,\"hr\":71}\n");
  ASSERT_FALSE(s.ok());
  EXPECT_EQ(s.code(), Code::invalid);
  EXPECT_THAT(s.status().message(), HasSubstr("2 lines, and none is an event message"));
}

}  // namespace
}  // namespace lacuna::daemon
