// Goal: separators, decimal marks and packing are found, and what is no table is named. Method: small files of each kind.
#include "daemon/guessing/table_sample.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/daemon/guessing/made_up_tables.h"

namespace lacuna::daemon {
namespace {

using namespace lacuna::daemon::testing;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class TableSampleTest : public ::testing::Test {
 protected:
  Result<TableSample> sample(const std::string& text, const std::string& name = "t.csv") {
    return sample_table({files_.write(name, text)});
  }
  Files files_;
};

TEST_F(TableSampleTest, SeparatorsAndDecimalMarksAreFound) {
  const auto plain = sample("id, hr ,temp\na,80,36.5\nb,,37.25\n");
  ASSERT_TRUE(plain.ok()) << plain.status().message();
  EXPECT_THAT(plain->header, ElementsAre("id", "hr", "temp"));
  EXPECT_EQ(plain->separator, ',');
  EXPECT_EQ(plain->decimal, '.');
  EXPECT_THAT(plain->rows[1].cells, ElementsAre("b", "", "37.25"));
  const auto german = sample(
      "\xEF\xBB\xBF"
      "id;hr;temp\na;80;36,5\nb;1.080,5;37,25\n");
  ASSERT_TRUE(german.ok()) << german.status().message();
  EXPECT_EQ(german->header.front(), "id") << "without its byte-order mark";
  EXPECT_EQ(german->separator, ';');
  EXPECT_EQ(german->decimal, ',');
  const auto tabs = sample("id\thr\tnote\na\t80\t\"one, two\"\n");
  ASSERT_TRUE(tabs.ok());
  EXPECT_EQ(tabs->separator, '\t');
}

TEST_F(TableSampleTest, EventsAreToldApart) {
  EXPECT_TRUE(sample("{\"patient_id\":\"a\"}\n")->ndjson);
  EXPECT_TRUE(sample("\n", "x.ndjson").ok() == false) << "empty";
}

TEST_F(TableSampleTest, WhatIsNoTableIsNamed) {
  const auto message = [&](const std::string& text) {
    const auto outcome = sample(text);
    return outcome.ok() ? std::string("accepted") : outcome.status().message();
  };
  EXPECT_THAT(message(""), HasSubstr("is empty"));
  EXPECT_THAT(message("id,hr\n"), HasSubstr("no rows"));
  EXPECT_THAT(message("63,1,145,233\n67,1,160,286\n"), HasSubstr("put a header before it"));
  EXPECT_THAT(message("PK\x03\x04 and more"), HasSubstr("Excel"));
  EXPECT_THAT(message("id,Gr\xF6\xDF"
                      "e\na,170\n"),
              HasSubstr("is not UTF-8"));
  EXPECT_THAT(message("hr\n80\n81\n"), HasSubstr("one column"));
  EXPECT_EQ(sample_table({files_.path("absent.csv")}).code(), Code::not_found);
  EXPECT_THAT(sample_table({"/dev/null"}).status().message(), HasSubstr("has to be a file"));
}

TEST_F(TableSampleTest, FilesOfOneCallHaveOneHeader) {
  files_.write("f/a.csv", "id,hr\na,80\n");
  files_.write("f/b.csv", "id,temp\na,37\n");
  const auto outcome = sample_table({files_.path("f")});
  ASSERT_FALSE(outcome.ok());
  EXPECT_THAT(outcome.status().message(), HasSubstr("b.csv: another header than"));
}

}  // namespace
}  // namespace lacuna::daemon
