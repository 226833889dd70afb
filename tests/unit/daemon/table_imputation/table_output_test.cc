// Protects the long forms: a cell a row, or a moment a line, that says of itself that it is imputed, so that it never comes back as an
// observation.
#include "daemon/table_imputation/table_output.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "streaming/messages/event_decoder.h"
#include "tests/unit/daemon/table_imputation/answering_version.h"
#include "tests/unit/daemon/table_imputation/made_up_ward.h"

namespace lacuna::daemon {
namespace {

using ::testing::HasSubstr;

class LongForms : public ::testing::Test {
 protected:
  std::string write(TableForm form, std::size_t draws) {
    const std::vector<std::string> paths{
        files_.write("t.csv", "row,id,day,x,y,z,group\n0,\"a,b\",0,2.5,,NA,1\n1,c,0,,3000,,\n2,\"a,b\",10,,,,\n")};
    const PatientTable table = testing::table_of(config_, paths);
    const testing::AnsweringVersion version(*config_.schema);
    const model::Calibrator calibrator(*config_.schema, 0.9);
    const TableImputer imputer(config_, table, version, calibrator, {draws, false, false});
    std::ostringstream out;
    const Status done = write_table(
        {*config_.schema, *config_.mapping, paths, table, imputer, form, draws, 0.9, version.id()}, out, [](auto, auto) {}, counts_);
    EXPECT_TRUE(done.ok()) << done.to_string();
    return out.str();
  }
  testing::TableFiles files_;
  const Config config_ = testing::make_config(testing::kVisits);
  OutputCounts counts_;
};

TEST_F(LongForms, ACellARow) {
  const std::string text = write(TableForm::long_csv, 0);
  EXPECT_THAT(text, HasSubstr("patient,time,feature,unit,value,median,mean,low,high,likeliest,probability,reason\n"));
  EXPECT_THAT(text, HasSubstr("\"a,b\",0,first.x,,2.5,,,,,,,observed\n"));
  EXPECT_THAT(text, HasSubstr("\"a,b\",0,second.y,g/L,,7,7,5.35515,8.64485,,,never_measured\n")) << "in the schema's unit";
  EXPECT_THAT(text, HasSubstr("c,0,first.group,,,,,,,high,0.75,never_measured\n"));
  EXPECT_THAT(text, HasSubstr("c,0,second.y,g/L,3,,,,,,,observed\n"));
  EXPECT_THAT(text, Not(HasSubstr("10,first.x"))) << "measured ten days before: known";
  EXPECT_EQ(counts_.rows, 3u);
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with('\"')) continue;
    EXPECT_EQ(std::ranges::count(line, ','), 11) << line;
  }
}

TEST_F(LongForms, CompletedCopies) {
  const std::string text = write(TableForm::long_csv, 2);
  EXPECT_THAT(text, HasSubstr("1,\"a,b\",0,first.x,,2.5,observed\n"));
  EXPECT_THAT(text, HasSubstr("2,\"a,b\",0,first.x,,2.5,observed\n"));
  EXPECT_THAT(text, HasSubstr("2,\"a,b\",0,second.y,g/L,10,never_measured\n"));
}

TEST_F(LongForms, AMomentALineIsRefusedAsAnEvent) {
  for (const std::size_t draws : {0, 2}) {
    std::istringstream lines(write(TableForm::ndjson, draws));
    streaming::EventDecoder decoder(*config_.schema, {});
    std::size_t count = 0;
    for (std::string line; std::getline(lines, line); ++count) {
      const auto json = nlohmann::json::parse(line);
      EXPECT_TRUE(json.at("imputed"));
      const auto outcome = decoder.decode(line, std::chrono::sys_days(std::chrono::year(2300) / 1 / 1));
      ASSERT_TRUE(outcome.refused) << line;
      if (count > 0) continue;
      EXPECT_EQ(json["patient_id"], "a,b");
      EXPECT_EQ(json["observed"]["first"]["x"], 2.5);
      if (draws > 0) {
        EXPECT_EQ(json["draw"], 1);
      } else {
        EXPECT_EQ(json["values"]["second"]["y"]["reason"], "never_measured");
      }
    }
    EXPECT_EQ(count, draws > 0 ? 6u : 3u);
  }
}

}  // namespace
}  // namespace lacuna::daemon
