// Goal: names lead to quantities, and to names that a schema takes. Method: spellings of public data sets.
#include "daemon/guessing/known_names.h"

#include <gtest/gtest.h>

#include "state/records/units.h"

namespace lacuna::daemon {
namespace {

TEST(KnownNames, SpellingsOfOneQuantity) {
  for (const char* name : {"HR", "heart_rate", "Heart Rate", "hrt"}) EXPECT_EQ(find_known(name)->units[0].code, "/min") << name;
  for (const char* name : {"alk.phos", "ALP", "Alkaline Phosphatase"}) EXPECT_EQ(find_known(name)->group, "liver") << name;
  EXPECT_EQ(find_known("frobnication"), nullptr);
  EXPECT_EQ(find_known(""), nullptr);
  EXPECT_TRUE(is_among("Subject_ID", "id subjectid"));
  EXPECT_FALSE(is_among("", "id subjectid"));
}

TEST(KnownNames, UnitsAreCodesWithinTheirRanges) {
  for (const char* name :
       {"hr",  "temp", "sbp",        "spo2",    "weight", "height",    "bmi",     "ph",   "paco2", "pao2", "lactate", "na",  "mg",
        "ca",  "bun",  "creatinine", "glucose", "chol",   "crp",       "albumin", "alp",  "bili",  "hct",  "hgb",     "plt", "wbc",
        "mcv", "mch",  "neut",       "ptt",     "fgn",    "troponini", "ck",      "ckmb", "urine", "age",  "rbc",     "mchc"}) {
    const KnownName* known = find_known(name);
    ASSERT_NE(known, nullptr) << name;
    for (const KnownUnit& unit : known->units) {
      if (unit.high <= 0) continue;
      EXPECT_TRUE(unit.code.empty() || !unit_problem(unit.code)) << name << " " << unit.code;
      EXPECT_LE(unit.low, unit.typical_low) << name;
      EXPECT_LT(unit.typical_low, unit.typical_high) << name;
      EXPECT_LE(unit.typical_high, unit.high) << name;
    }
  }
}

TEST(SchemaName, IsSnakeCaseAsASchemaTakesIt) {
  EXPECT_EQ(schema_name("NIDiasABP"), "ni_dias_abp");
  EXPECT_EQ(schema_name("RespRate"), "resp_rate");
  EXPECT_EQ(schema_name("pH"), "ph");
  EXPECT_EQ(schema_name("PaCO2"), "paco2");
  EXPECT_EQ(schema_name("alk.phos"), "alk_phos");
  EXPECT_EQ(schema_name(" Größe "), "groesse");
  EXPECT_EQ(schema_name("6MWT"), "x_6mwt");
  EXPECT_EQ(schema_name("日本"), "unnamed");
  EXPECT_EQ(schema_name(std::string(200, 'a')).size(), 48u);
}

}  // namespace
}  // namespace lacuna::daemon
