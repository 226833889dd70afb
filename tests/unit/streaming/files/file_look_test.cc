// Goal: whoever reads a file of another kind learns which. Method: a file of each kind, read as each format.
#include "streaming/files/file_look.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "streaming/files/file_list.h"
#include "tests/support/scratch_folder.h"

namespace lacuna::streaming {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;

class FileLook : public ::testing::Test {
 protected:
  std::string look(const std::string& bytes, FileFormat format = FileFormat::long_csv) {
    mapping_.format = format;
    return look_at(scratch_.write("file", bytes), mapping_);
  }
  lacuna::testing::ScratchFolder scratch_;
  FileMapping mapping_;
};

TEST_F(FileLook, OtherKindsAreNamed) {
  using namespace std::string_literals;
  for (const FileFormat format : {FileFormat::ndjson, FileFormat::long_csv, FileFormat::wide_csv}) {
    EXPECT_THAT(look("", format), EndsWith("file is empty"));
    EXPECT_THAT(look("PK\x03\x04"s + std::string(26, '\0') + "[Content_Types].xml", format), HasSubstr("looks like an Excel workbook"));
    EXPECT_THAT(look("PK\x03\x04"s + std::string(26, '\0') + "data.csv", format), HasSubstr("looks like a ZIP archive"));
    EXPECT_THAT(look("\xD0\xCF\x11\xE0\xA1\xB1"s, format), HasSubstr("old Excel"));
    EXPECT_THAT(look("PAR1\x15\x04"s, format), HasSubstr("Parquet"));
    EXPECT_THAT(look("SQLite format 3\0\x10"s, format), HasSubstr("SQLite"));
    EXPECT_THAT(look("MSH|^~\\&|LAB|\rPID|||\r", format), HasSubstr("HL7"));
    EXPECT_THAT(look("{\"resourceType\":\"Bundle\"}\n", format), HasSubstr("FHIR"));
    EXPECT_THAT(look(std::string(257, 'x') + "ustar", format), HasSubstr("tar"));
    EXPECT_THAT(look("a\0,\0b\0\n\0"s, format), HasSubstr("UTF-16"));
    EXPECT_THAT(look("abc\0\1\2"s, format), HasSubstr("no text"));
  }
}

TEST_F(FileLook, SeparatorsAreCounted) {
  EXPECT_THAT(look("patient;time;what;value\n7;0;HR;70\n"), EndsWith("file: the header has one column; separated by ';' it would have 4"));
  EXPECT_THAT(look("patient\ttime\r\n7\t0\r\n"), EndsWith("separated by a tab (\"\\t\") it would have 2"));
  EXPECT_THAT(look("patient\n7\n"), EndsWith("the header has one column"));
  EXPECT_EQ(look("patient,time\n7,0\n"), "") << "as the mapping says";
  mapping_.separator = ';';
  EXPECT_THAT(look("\"a;b\",c,d\n"), EndsWith("separated by ',' it would have 3")) << "quotes hold separators";
  EXPECT_THAT(look("patient,time,what\n7,0,HR\n", FileFormat::ndjson), HasSubstr("looks like CSV, 3 columns separated by ','"));
  EXPECT_THAT(look("{\"event_id\":\"e\"}\n"), HasSubstr("looks like NDJSON"));
  EXPECT_EQ(look("{\"event_id\":\"e\",\"a\":1}\n", FileFormat::ndjson), "");
  EXPECT_EQ(look_at(scratch_ / "nothing", mapping_), "");
}

TEST_F(FileLook, NamesWithoutTheirPacking) {
  EXPECT_EQ(without_packing("a.b/132539.csv.gz"), "a.b/132539.csv");
  EXPECT_EQ(without_packing("events.ndjson.zst"), "events.ndjson");
  EXPECT_EQ(without_packing("132539.csv"), "132539.csv");
  for (const char* extension : {".gz", ".xz", ".bz2"}) EXPECT_EQ(without_packing(std::string("7") + extension), "7");
  scratch_.write("132539.csv.gz", "");
  const auto files = list_files(scratch_.path());
  ASSERT_TRUE(files.ok());
  EXPECT_EQ(files->front().name, "132539.csv");
  EXPECT_EQ(files->front().stem, "132539");
}

}  // namespace
}  // namespace lacuna::streaming
