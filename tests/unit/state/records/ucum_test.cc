// Goal: what UCUM is, and nothing else. Method: codes of its specification and of its table of examples, and texts that break its grammar.
#include "state/records/ucum.h"

#include <gtest/gtest.h>

namespace lacuna {
namespace {

TEST(Ucum, ReadsItsCodes) {
  for (const char* code : {"",
                           "1",
                           "m",
                           "km",
                           "mol",
                           "m[Hg]",
                           "mm[Hg]",
                           "[in_i'Hg]",
                           "/m[H2O]",
                           "10*3/uL",
                           "10^9/L",
                           "10*-3",
                           "10*+2",
                           "kg.m/s2",
                           "kg.m.s-2",
                           "mL/(min.kg)",
                           "(mg/dL)/h",
                           "{cells}",
                           "/{OIF}",
                           "[arb'U]/mL",
                           "[CFU]",
                           "[drp]/min",
                           "dB[SPL]",
                           "B[10.nV]",
                           "[m/s2/Hz^(1/2)]",
                           "%[slope]",
                           "[hp'_X]",
                           "cal_[15]",
                           "da",
                           "dam",
                           "zmol",
                           "YBq",
                           "u",
                           "ku",
                           "a_t",
                           "mo_s",
                           "'",
                           "''",
                           "[Amb'a'1'U]",
                           "[car_Au]",
                           "g%",
                           "mg%",
                           "eq",
                           "meq/L",
                           "Ohm",
                           "mOhm",
                           "2.a",
                           "/60.s"}) {
    const bool none = std::string_view(code) == "da";  // a prefix alone
    EXPECT_EQ(read_ucum(code).has_value(), !none) << code;
  }
}

TEST(Ucum, RefusesWhatIsNone) {
  for (const char* code : {"mmHg",
                           "bpm",
                           "IU",
                           "mcg",
                           "cc",
                           "(",
                           ")",
                           "(m",
                           "m)",
                           "m..s",
                           "m/",
                           "/",
                           "//m",
                           "m//s",
                           "m.",
                           ".m",
                           "{",
                           "}",
                           "{a{b}}",
                           "m{",
                           "[pH",
                           "pH]",
                           "ml/min/1.73m2/",
                           "10*",
                           "m2.",
                           "m+",
                           "m-",
                           "m100",
                           "0",
                           "mg dL",
                           "kkg",
                           "m[in_i]",
                           "mdeg",
                           "k%",
                           "\xc2\xb5g",
                           "Cel/h",
                           "Cel.m",
                           "m.Cel",
                           "Cel2",
                           "()",
                           "(m)2",
                           "s.s.s.s.s.s.s.s.s"}) {
    const bool ten = std::string_view(code) == "10*";  // the number ten, by itself
    EXPECT_EQ(read_ucum(code).has_value(), ten) << code;
  }
}

TEST(Ucum, WhatNobodyMeansIsMarked) {
  for (const char* code : {"ML", "MU/L", "Mg/dL", "Pg", "EU", "Mmol/L", "103/uL", "mL/min/1.73", "1.73.m2", "2.a", "Gm"}) {
    ASSERT_TRUE(read_ucum(code)) << code;
    EXPECT_TRUE(read_ucum(code)->improbable) << code;
  }
  for (const char* code : {"mL", "MHz", "MPa", "GBq", "MJ", "1000/mm3", "100.mL", "mg/(24.h)", "/60.s", "10*3/uL"})
    EXPECT_FALSE(read_ucum(code)->improbable) << code;
}

TEST(Ucum, KindsAreToldApart) {
  const auto kinds = [](const char* code) { return read_ucum(code)->kinds; };
  EXPECT_EQ(kinds("ng{FEU}/mL"), std::vector<std::string>{"{FEU}"});
  EXPECT_EQ(kinds("/[HPF]"), std::vector<std::string>{"[HPF]-1"});
  EXPECT_EQ(kinds("{cells}/uL"), std::vector<std::string>{});
  EXPECT_EQ(kinds("10*3/uL{Cells}"), std::vector<std::string>{});
  EXPECT_EQ(kinds("mL/min/{1.73_m2}"), std::vector<std::string>{"{1.73_m2}"});
  EXPECT_TRUE(read_ucum("mmol/mol")->has_moles);
  EXPECT_FALSE(read_ucum("%")->has_moles);
}

}  // namespace
}  // namespace lacuna
