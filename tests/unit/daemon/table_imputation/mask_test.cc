// Protects that exactly the cells that a person names are hidden, in both forms of a mask, and that what cannot be found is said without
// telling it.
#include "daemon/table_imputation/mask.h"

#include <gmock/gmock.h>

#include "tests/unit/daemon/table_imputation/made_up_ward.h"

namespace lacuna::daemon {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class MaskFile : public ::testing::Test {
 protected:
  Result<Mask> read(const std::string& text) {
    return read_mask(*config_.schema, *config_.mapping, {path_}, table_, files_.write("mask.csv", text));
  }
  testing::TableFiles files_;
  const Config config_ = testing::make_config(testing::kVisits);
  const std::string path_ = files_.write("t.csv", "row,id,day,x,y,z,group\n0,a,0,1,2,3,1\n1,b,0,4,,6,0\n2,a,10,7,8,9,1\n");
  const PatientTable table_ = testing::table_of(config_, {path_});
  const FeatureId x_ = testing::feature(config_, "first", "x"), y_ = testing::feature(config_, "second", "y");
};

TEST_F(MaskFile, OfTheTablesShape) {
  const auto mask = read("row,id,day,x,y,z,group\nTrue,True,True,True,False,False,\n0,0,0,0,1,0,0\n,,,NA,1,,\n");
  ASSERT_TRUE(mask.ok()) << mask.status().to_string();
  EXPECT_THAT(mask->cells[0], ::testing::ElementsAre(CellPlace{0, x_}, CellPlace{1, y_}));
  EXPECT_TRUE(mask->cells[1].empty());
  EXPECT_EQ(mask->unmeasured, 1u) << "y of b";
  EXPECT_EQ(read("row,id,day,x,y,z,group\n0,0,0,1,0,0,0\n").code(), Code::invalid) << "fewer rows";
  EXPECT_EQ(read("row,id,day,x,y,z,group\n1,,,,,,\n,,,,,,1\n1,,,,,,\n1,,,,,,\n").code(), Code::invalid) << "more rows";
}

TEST_F(MaskFile, OfACellARow) {
  const auto mask = read("id,day,feature\na,10,y\na,0,first.x\nb,0,y\na,0,x\n");
  ASSERT_TRUE(mask.ok()) << mask.status().to_string();
  EXPECT_THAT(mask->cells[0], ::testing::ElementsAre(CellPlace{0, x_}, CellPlace{1, y_}));
  EXPECT_EQ(mask->unmeasured, 1u);
  EXPECT_TRUE(read("patient,time,feature\na,2001-01-11T00:00:00Z,y\n").ok()) << "as the stream has it";
}

TEST_F(MaskFile, SaysWhatCannotBeFoundWithoutTellingIt) {
  for (const std::string row : {"zebra,0,x", "a,4711,x", "a,0,zebra"}) {
    const auto mask = read("id,day,feature\na,0,x\n" + row + "\n");
    ASSERT_EQ(mask.code(), Code::invalid) << row;
    EXPECT_THAT(mask.status().message(), HasSubstr("mask.csv:3: "));
    EXPECT_THAT(mask.status().message(), Not(HasSubstr("zebra")));
    EXPECT_THAT(mask.status().message(), Not(HasSubstr("4711")));
  }
  EXPECT_THAT(read("who,when,what\na,0,x\n").status().message(), HasSubstr("`feature`"));
}

TEST_F(MaskFile, WithoutThemTheRestStays) {
  const auto mask = read("id,day,feature\na,0,x\n");
  const PatientTable rest = without(table_, mask->cells);
  std::size_t values = 0, before = 0;
  for (const TablePatient& p : rest.patients) {
    for (const Event& e : p.events) values += e.values.size();
  }
  for (const TablePatient& p : table_.patients) {
    for (const Event& e : p.events) before += e.values.size();
  }
  EXPECT_EQ(values + 1, before);
  EXPECT_EQ(rest.patients[0].moments, table_.patients[0].moments);
}

}  // namespace
}  // namespace lacuna::daemon
