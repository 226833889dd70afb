// Protects that what is imputed stands in the table's own words: its unit, its decimal mark, its marks for classes.
#include "daemon/table_imputation/cell_format.h"

#include <gtest/gtest.h>

#include "tests/unit/daemon/table_imputation/made_up_ward.h"

namespace lacuna::daemon {
namespace {

Feature feature_of(Likelihood likelihood, std::string unit = {}, std::vector<std::string> categories = {}) {
  Feature f;
  f.name = "f";
  f.unit = std::move(unit);
  f.likelihood = likelihood;
  f.categories = std::move(categories);
  return f;
}

streaming::ColumnTarget column_of(double scale = 1, double offset = 0) { return {"m", "f", scale, offset, {}}; }

CellFormat format_of(const Feature& feature, const streaming::FileMapping& mapping, const streaming::ColumnTarget& column) {
  const auto made = CellFormat::make(feature, mapping, column);
  EXPECT_TRUE(made.ok()) << made.status().to_string();
  return *made;
}

TEST(CellFormat, NumbersAreInTheColumnsUnitAndDecimalMark) {
  const Feature grams = feature_of(Likelihood::normal, "g/L");
  streaming::FileMapping mapping;
  streaming::ColumnTarget column = column_of();
  column.unit = "mg/L";
  EXPECT_EQ(format_of(grams, mapping, column).value(1.5), "1500");
  column = column_of(0.5, 32);
  EXPECT_EQ(format_of(grams, mapping, column).value(33.25), "2.5") << "0.5 * 2.5 + 32";
  mapping.decimal = ',';
  EXPECT_EQ(format_of(grams, mapping, column).value(33.25), "\"2,5\"") << "quoted, since the comma separates";
  mapping.separator = ';';
  EXPECT_EQ(format_of(grams, mapping, column).value(33.25), "2,5");
  column.unit = "K";
  EXPECT_EQ(CellFormat::make(grams, mapping, column).code(), Code::invalid);
}

TEST(CellFormat, ClassesAreMarkedAsInTheColumn) {
  const Feature sex = feature_of(Likelihood::categorical, {}, {"female", "male"}), there = feature_of(Likelihood::bernoulli);
  streaming::ColumnTarget column = column_of();
  EXPECT_EQ(format_of(sex, {}, column).value(1), "male");
  column.categories = {{"1", "male"}};
  EXPECT_EQ(format_of(sex, {}, column).value(1), "1");
  EXPECT_EQ(format_of(sex, {}, column).value(0), "female");
  EXPECT_EQ(format_of(there, {}, column_of()).value(1), "1");
  column.categories = {{"yes", "true"}, {"no", "0"}};
  EXPECT_EQ(format_of(there, {}, column).value(1), "yes");
  EXPECT_EQ(format_of(there, {}, column).value(0), "no");
  EXPECT_EQ(format_of(there, {}, column).mean(0.25), "0.25") << "a share stays a share";
}

TEST(CsvCell, IsQuotedWhereItMustBe) {
  EXPECT_EQ(csv_cell("a b", ','), "a b");
  EXPECT_EQ(csv_cell("a,b", ','), "\"a,b\"");
  EXPECT_EQ(csv_cell("a,b", ';'), "a,b");
  EXPECT_EQ(csv_cell("say \"a\"", ','), "\"say \"\"a\"\"\"");
}

}  // namespace
}  // namespace lacuna::daemon
