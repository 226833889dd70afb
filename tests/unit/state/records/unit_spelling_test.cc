// Goal: what people write for a unit is read as what they mean, or not at all. Method: the table that docs/units.md shows; each pair of
// unit columns of a hospital network's laboratory export (eICU demo 2.0, as the analyser named the unit and as the database does); and what
// must stay refused.
#include "state/records/unit_spelling.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "state/records/ucum.h"
#include "state/records/units.h"

namespace lacuna {
namespace {

/// Rows of a table of docs/units.md: what stands between backquotes in the first column, and in the second.
std::vector<std::pair<std::string, std::string>> documented() {
  std::ifstream in("docs/units.md");  // tests run at the root
  std::vector<std::pair<std::string, std::string>> out;
  bool inside = false;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("| written | ")) inside = true;
    else if (!line.starts_with('|')) inside = false;
    if (!inside) continue;
    std::vector<std::string> cells;
    std::istringstream row(line);
    for (std::string cell; std::getline(row, cell, '|');) cells.push_back(cell);
    if (cells.size() < 3) continue;
    const auto quoted = [](const std::string& cell) {
      std::vector<std::string> found;
      for (std::size_t at = 0; (at = cell.find('`', at)) != std::string::npos;) {
        const std::size_t end = cell.find('`', at + 1);
        if (end == std::string::npos) break;
        found.push_back(cell.substr(at + 1, end - at - 1));
        at = end + 1;
      }
      return found;
    };
    const std::vector<std::string> codes = quoted(cells[2]);
    if (codes.empty()) continue;
    for (const std::string& spelling : quoted(cells[1])) out.emplace_back(spelling, codes.front());
  }
  return out;
}

TEST(UnitSpelling, TheDocumentedTableHolds) {
  const auto rows = documented();
  std::set<std::string> spellings;
  for (const auto& [spelling, code] : rows) {
    spellings.insert(spelling);
    const std::vector<std::string> meant = ucum_codes_meant(spelling);
    const auto is_the_same = [&code](const std::string& one) {
      const auto found = unit_conversion("", one, code);
      return found && std::abs(found->factor - 1) < 1e-12 && found->offset == 0;
    };
    EXPECT_TRUE(std::ranges::any_of(meant, is_the_same))
        << spelling << " is read as " << (meant.empty() ? "nothing" : meant.front()) << ", documented as " << code;
  }
  EXPECT_GE(spellings.size(), 60U);
}

struct Pair {
  const char* feature;
  const char* written;
  const char* declared;
  double factor;
};

TEST(UnitSpelling, WhatALaboratoryNetworkSends) {
  const std::vector<Pair> pairs{
      {"glucose", "MG/DL", "mg/dL", 1},
      {"glucose", "mg/dl", "mg/dL", 1},
      {"wbc", "K/uL", "10*3/uL", 1},
      {"alt", "Units/L", "U/L", 1},
      {"alt", "IU/L", "U/L", 1},
      {"sodium", "MEQ/L", "mmol/L", 1},
      {"sodium", "mEq/L", "mmol/L", 1},
      {"rbc", "M/uL", "10*6/uL", 1},
      {"hemoglobin", "gm/dL", "g/dL", 1},
      {"wbc", "K/MM3", "10*9/L", 1},
      {"sodium", "MMOL/L", "mmol/L", 1},
      {"mcv", "fl", "fL", 1},
      {"hemoglobin", "G/DL", "g/L", 10},
      {"wbc", "K/CMM", "10*3/uL", 1},
      {"mcv", "FL", "fL", 1},
      {"mch", "PG", "pg", 1},
      {"wbc", "10E3/mcL", "10*3/uL", 1},
      {"alt", "unit/L", "U/L", 1},
      {"rbc", "M/MM3", "10*12/L", 1},
      {"wbc", "THS/uL", "10*3/uL", 1},
      {"hemoglobin", "GM/DL", "g/dL", 1},
      {"pt", "second(s)", "s", 1},
      {"pao2", "MMHG", "mm[Hg]", 1},
      {"pao2", "mm(hg)", "mm[Hg]", 1},
      {"pao2", "mm Hg", "kPa", 0.133322},
      {"wbc", "th/uL", "10*3/uL", 1},
      {"mch", "uug", "pg", 1},
      {"wbc", "x10 3/uL", "10*3/uL", 1},
      {"pt", "SEC", "s", 1},
      {"wbc", "thou/cumm", "10*3/uL", 1},
      {"pt", "SECONDS", "s", 1},
      {"rbc", "10E6/mcL", "10*12/L", 1},
      {"temp", "Deg C", "Cel", 1},
      {"rbc", "mill/uL", "10*6/uL", 1},
      {"mcv", "U3", "fL", 1},
      {"troponin", "NG/ML", "ng/mL", 1},
      {"wbc", "k/mm cu", "10*3/uL", 1},
      {"rbc", "x10 6/uL", "10*6/uL", 1},
      {"cao2", "vol %", "mL/dL", 1},
      {"tsh", "uIU/mL", "m[iU]/L", 1},
      {"tsh", "mcU/ml", "m[iU]/L", 1},
      {"tsh", "MICRO IU/ML", "m[iU]/L", 1},
      {"tsh", "mcUnits/mL", "m[iU]/L", 1},
      {"methb", "% total Hgb", "%", 1},
      {"wbc", "10*9/l", "10*3/uL", 1},
      {"urine", "mls", "mL", 1},
      {"urine", "ML", "mL", 1},
      {"iron", "mcg/dL", "ug/dL", 1},
      {"peep", "cm/H2O", "cm[H2O]", 1},
      {"rbc", "m/mm cu", "10*6/uL", 1},
      {"wbc", "x10(3)/mcL", "10*3/uL", 1},
      {"esr", "mm/hr", "mm/h", 1},
      {"pt", "Secs", "s", 1},
      {"temp", "degree C", "Cel", 1},
      {"osmolality", "mOsm/kg H2O", "mosm/kg", 1},
      {"urine_wbc", "/HPF", "/[HPF]", 1},
      {"wbc", "THOU/UL", "10*3/uL", 1},
      {"resp_rate", "/Min", "/min", 1},
      {"resp_rate", "Breaths", "/min", 1},
      {"rbc", "mi/cumm", "10*6/uL", 1},
      {"temp", "C.", "Cel", 1},
      {"hr", "BPM", "/min", 1},
      {"osmolality", "MOSM/KG", "mosm/kg", 1},
      {"alt", "u/l", "U/L", 1},
      {"wbc", "10(3)mcL", "10*3/uL", 1},
      {"peep", "cmH?O", "cm[H2O]", 1},
      {"temp", "Celsius", "Cel", 1},
      {"iron", "UMOL/L", "umol/L", 1},
      {"methb", "% THB", "%", 1},
      {"urine_wbc", "/(hpf)", "/[HPF]", 1},
      {"esr", "mm/hr.", "mm/h", 1},
      {"hr", "b/min", "/min", 1},
      {"pao2", "mm/hg", "mm[Hg]", 1},
      {"ammonia", "mcmol/L", "umol/L", 1},
      {"flow", "LPM", "L/min", 1},
      {"lymph", "/cu mm", "/uL", 1},
      {"temp", "&#176;C", "Cel", 1},
      {"temp", "DegC", "Cel", 1},
  };
  for (const Pair& pair : pairs) {
    const auto found = unit_conversion(pair.feature, pair.written, pair.declared);
    ASSERT_TRUE(found) << pair.feature << ": " << pair.written << " to " << pair.declared;
    EXPECT_NEAR(found->factor, pair.factor, 1e-9 * pair.factor) << pair.feature << ": " << pair.written << " to " << pair.declared;
    EXPECT_EQ(found->offset, 0) << pair.written;
  }
}

// As threads of loaders and vocabularies show them: docs/units.md names these.
TEST(UnitSpelling, WhatVocabulariesAndOtherLanguagesSend) {
  const std::vector<Pair> pairs{
      {"wbc", "#/uL", "/uL", 1},
      {"wbc", "#/uL", "10*3/uL", 1e-3},
      {"urine_wbc", "#/hpf", "/[HPF]", 1},
      {"map", "millimeter mercury column", "mm[Hg]", 1},
      {"hr", "per minute", "/min", 1},
      {"hr", "counts per minute", "/min", 1},
      {"platelets", "thousand per cubic millimeter", "10*3/uL", 1},
      {"sodium", "milliequivalent per liter", "mmol/L", 1},
      {"alt", "international unit per liter", "U/L", 1},
      {"weight", "pound (US)", "kg", 0.45359237},
      {"height", "inch (international)", "cm", 2.54},
      {"paco2", "kilopascal", "kPa", 1},
      {"map", "MM[HG]", "mm[Hg]", 1},
      {"temp", "CEL", "Cel", 1},
      {"temp", "[\u00b0C]", "Cel", 1},
      {"lactate", "[mmol/L]", "mmol/L", 1},
      {"compliance", "mL/cmH20", "mL/cm[H2O]", 1},
      {"resistance", "cmH2O/L/sec", "cm[H2O].s/L", 1},
      {"svr", "dyn/s/cm5", "dyn.s.cm-5", 1},
      {"alt", "E/l", "U/L", 1},
      {"alt", "mE/ml", "U/L", 1},
      {"insulin", "mIE/l", "m[iU]/L", 1},
      {"wbc", "Tsd./\u00b5l", "10*3/uL", 1},
      {"wbc", "Mrd/l", "10*9/L", 1},
      {"sodium", "mval/l", "mmol/L", 1},
      {"urine", "ml/uur", "mL/h", 1},
      {"egfr", "mL/min/1,73m2", "mL/min/{1.73_m2}", 1},
      {"inr", "(no units)", "{INR}", 1},
      {"gcs", "unitless", "{score}", 1},
      {"ph", "units", "[pH]", 1},
      {"ph_arterial", "Units", "", 1},
      {"mchc", "%", "g/dL", 1},
      {"mchc", "g/L", "%", 0.1},
  };
  for (const Pair& pair : pairs) {
    const auto found = unit_conversion(pair.feature, pair.written, pair.declared);
    ASSERT_TRUE(found) << pair.feature << ": " << pair.written << " to " << pair.declared;
    EXPECT_NEAR(found->factor, pair.factor, 1e-9 * pair.factor) << pair.feature << ": " << pair.written << " to " << pair.declared;
    EXPECT_EQ(found->offset, 0) << pair.written;
  }
  EXPECT_FALSE(unit_conversion("hgb", "%", "g/dL")) << "of a mean concentration alone";
  EXPECT_FALSE(unit_conversion("insulin", "units", "")) << "of pH alone";
  EXPECT_FALSE(unit_conversion("haematocrit", "none", "%")) << "0.45 or 45?";
  EXPECT_FALSE(unit_conversion("viral_load", "log10 copies/mL", "{copies}/mL"));
}

// UCUM reads a dose a kilogram and minute as micrograms a kilogram, times minutes.
TEST(UnitSpelling, APointBehindAStrokeDividesAsItIsMeant) {
  for (const char* written : {"ug/kg.min", "mcg/kg.min", "ug/kg*min", "\u00b5g/kg\u00b7min", "UG/KG.MIN"}) {
    for (const char* declared : {"ug/kg/min", "ug/(kg.min)", "ug/kg.min"}) {
      const auto found = unit_conversion("norepinephrine", written, declared);
      ASSERT_TRUE(found) << written << " to " << declared;
      EXPECT_NEAR(found->factor, 1, 1e-12) << written << " to " << declared;
    }
  }
  EXPECT_NEAR(unit_conversion("propofol", "mg/kg.h", "ug/kg/min")->factor, 1000.0 / 60, 1e-9);
  EXPECT_NEAR(unit_conversion("propofol", "mg/kg.h", "ug/kg.min")->factor, 1000.0 / 60, 1e-9) << "not as UCUM has both: 60,000";
  EXPECT_NEAR(unit_conversion("cardiac_index", "L/min.m2", "L/min/m2")->factor, 1, 1e-12);
  EXPECT_NEAR(unit_conversion("svri", "dyn.s/cm5.m2", "dyn.s.m2.cm-5")->factor, 1, 1e-12) << "what multiplies does so where it fits";
  EXPECT_EQ(unit_problem("ug/kg.min"),
            "multiplies, in UCUM, by what stands behind the point: write 'ug/kg/min' where it divides, else put it in front");
  EXPECT_FALSE(unit_problem("dyn.s.m2/cm5"));
  EXPECT_FALSE(unit_problem("mL/min/{1.73_m2}"));
}

TEST(UnitSpelling, WhatOnlyTheQuantityTellsFollowsTheSchema) {
  EXPECT_TRUE(unit_conversion("alt", "IU/L", "U/L"));
  EXPECT_TRUE(unit_conversion("insulin", "IU/L", "[iU]/L"));
  EXPECT_TRUE(unit_conversion("insulin", "units/L", "[iU]/L"));
  EXPECT_FALSE(unit_conversion("insulin", "U/L", "[iU]/L")) << "an enzyme's unit by its code";
  EXPECT_EQ(unit_conversion("platelets", "G/L", "10*9/L")->factor, 1);
  EXPECT_EQ(unit_conversion("haemoglobin", "G/L", "g/L")->factor, 1);
  EXPECT_EQ(unit_conversion("temp", "C", "Cel")->offset, 0);
  EXPECT_EQ(unit_conversion("charge", "mC", "C")->factor, 1e-3) << "coulombs where they are declared";
}

TEST(UnitSpelling, WhatIsNotCertainStaysUnread) {
  for (const char* spelling :
       {"x10 (3)", "X 10 3",   "MOSM/K",     "MIU",     "MU",     "17 umol/L", "lab",         "n/a",        "---",    "mg/",
        "units/",  "10E400/L", "K/K/K",      "g/dL mg", "/",      "x",         "\xff\xfe",    "mmol\x01/L", "MU/day", "MIU/day",
        "mil/mm3", "Cal",      "CAL/kg/day", "mM/",     "103/uL", "109/L",     "mL/min/1.73", "12345678"}) {
    EXPECT_TRUE(ucum_codes_meant(spelling).empty()) << spelling << ": " << ucum_codes_meant(spelling).front();
  }
  EXPECT_TRUE(ucum_codes_meant(std::string(200, 'm')).empty());
  EXPECT_FALSE(unit_conversion("sodium", "MM/L", "mmol/L"));
  // A superscript that was lost, a decimal point, a number: each is a code of UCUM.
  EXPECT_FALSE(unit_conversion("wbc", "103/uL", "10*3/uL"));
  EXPECT_FALSE(unit_conversion("platelets", "109/L", "10*9/L"));
  EXPECT_FALSE(unit_conversion("gfr", "mL/min/1.73", "mL/min"));
  EXPECT_FALSE(unit_conversion("score", "1234567", "1"));
  EXPECT_TRUE(unit_conversion("wbc", "/mm3", "/uL") && unit_conversion("wbc", "1000/mm3", "10*3/uL"));
  EXPECT_FALSE(unit_conversion("infusion", "gtt/min", "mL/h")) << "10, 15, 20 or 60 make a millilitre";
  EXPECT_FALSE(unit_conversion("energy", "Cal", "kcal"));
  EXPECT_FALSE(unit_conversion("wbc", "T/cmm", "10*3/uL"));
  EXPECT_FALSE(unit_conversion("volume", "ML", "L") && unit_conversion("volume", "ML", "L")->factor > 1) << "no million litres";
}

// A capital that was shouted is no million and no billiard.
TEST(UnitSpelling, CapitalsAreNoMillions) {
  for (const auto& [written, declared] : {std::pair("Mg/dL", "mg/dL"),
                                          {"Mg/Dl", "mg/dL"},
                                          {"Mmol/L", "mmol/L"},
                                          {"Meq/L", "meq/L"},
                                          {"Mosm/kg", "mosm/kg"},
                                          {"Ml", "mL"},
                                          {"Ml/hr", "mL/h"},
                                          {"ML/min", "mL/min"},
                                          {"ML/kg", "mL/kg"},
                                          {"MU/mL", "mU/mL"},
                                          {"Pmol/L", "pmol/L"},
                                          {"Pg/mL", "pg/mL"},
                                          {"Gm/dL", "g/dL"},
                                          {"MS", "ms"},
                                          {"EU/dL", "[EU]/dL"}}) {
    const auto found = unit_conversion("x", written, declared);
    ASSERT_TRUE(found) << written;
    EXPECT_NEAR(found->factor, 1, 1e-12) << written;
    EXPECT_TRUE(unit_problem(written)) << written;
  }
  EXPECT_FALSE(unit_problem("MHz"));
  EXPECT_FALSE(unit_problem("MBq"));
}

TEST(UnitSpelling, CodesStandForThemselves) {
  for (const char* code : {"/min",       "mm[Hg]",    "10*3/uL",  "mg/dL",      "mmol/L",
                           "U/L",        "m[iU]/L",   "[pH]",     "%",          "Cel",
                           "[degF]",     "K",         "a",        "mo",         "mL/min/{1.73_m2}",
                           "ng{FEU}/mL", "/[HPF]",    "[CFU]/mL", "{score}",    "1",
                           "",           "mL/(kg.h)", "mg%",      "dyn.s.cm-5", "meq/L",
                           "10*6/L",     "mV",        "m",        "kPa"}) {
    EXPECT_TRUE(ucum_codes_meant(code).empty()) << code << ": " << ucum_codes_meant(code).front();
    EXPECT_FALSE(unit_problem(code)) << code << ": " << *unit_problem(code);
  }
}

TEST(UnitSpelling, AProblemNamesTheCodeThatIsMeant) {
  EXPECT_EQ(unit_problem("bpm"), "is no UCUM code; meant is '/min'");
  EXPECT_EQ(unit_problem("K/uL"), "is another unit in UCUM; meant is '10*3/uL'");
  EXPECT_EQ(unit_problem("IU/L"), "is no UCUM code; meant is '[iU]/L' or 'U/L'");
  EXPECT_EQ(unit_problem("apples"), "is no UCUM code (docs/units.md); what has none is counted in braces, as {score}");
}

TEST(UnitSpelling, ARefusalNamesBothUnitsAndNothingElse) {
  EXPECT_EQ(unit_refusal("mmHg", "Cel"), "its unit 'mmHg' (in UCUM 'mm[Hg]') cannot be converted to 'Cel'");
  EXPECT_EQ(unit_refusal("10*3/uL", "g/L"), "its unit '10*3/uL' cannot be converted to 'g/L'");
  EXPECT_EQ(unit_refusal("{Jane}/min", "g"), "its unit '{...}/min' cannot be converted to 'g'");
  EXPECT_EQ(unit_refusal("kg", ""), "its unit 'kg' cannot be converted to '1'");
  for (const std::string& other : {std::string("Mustermann"), std::string("17 mg"), std::string("12345678"), std::string("12.05.1960"),
                                   std::string("a\nb"), std::string(5000, 'x')}) {
    EXPECT_EQ(unit_refusal(other, "g"), "its unit is no UCUM code, nor a known spelling of one; 'g' is declared");
  }
}

}  // namespace
}  // namespace lacuna
