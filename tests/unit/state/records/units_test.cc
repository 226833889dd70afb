// Goal: a value never enters under a wrong scale. Method: pairs checked against published factors, then the laws that
// hold for all pairs: there and back is where one was, and a detour ends where the straight way ends.
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "state/records/units.h"

namespace lacuna {
namespace {

double convert(const char* feature, double value, const char* from, const char* to) {
  const auto c = unit_conversion(feature, from, to);
  if (!c) {
    ADD_FAILURE() << feature << ": " << from << " to " << to << " is not known";
    return std::nan("");
  }
  return value * c->factor + c->offset;
}

struct Known {
  const char* feature;
  double value;
  const char* from;
  double expected;
  const char* to;
  double tolerance;  // relative
};

TEST(Units, PublishedFactors) {
  const std::vector<Known> cases{
      {"temp", 37, "Cel", 98.6, "[degF]", 1e-12},
      {"temp", 98.6, "[degF]", 37, "Cel", 1e-12},
      {"temp", 0, "K", -273.15, "Cel", 1e-12},
      {"map", 1, "kPa", 7.50062, "mm[Hg]", 1e-5},
      {"map", 1, "mm[Hg]", 1.35951, "cm[H2O]", 1e-5},
      {"map", 1, "atm", 760, "mm[Hg]", 1e-5},
      {"weight", 1, "[lb_av]", 0.45359237, "kg", 1e-12},
      {"height", 70, "[in_i]", 177.8, "cm", 1e-12},
      {"height", 1.778, "m", 177.8, "cm", 1e-12},
      {"urine", 1.5, "L", 1500, "mL", 1e-12},
      {"albumin", 40, "g/L", 4, "g/dL", 1e-12},
      {"crp", 12, "mg/L", 12, "ug/mL", 1e-12},
      {"alt", 1, "ukat/L", 60, "U/L", 1e-12},
      {"alt", 60, "U/L", 1, "ukat/L", 1e-12},
      {"resp_rate", 0.3, "/s", 18, "/min", 1e-12},
      {"resp_rate", 18, "{breaths}/min", 18, "/min", 1e-12},
      {"resp_rate", 0.5, "Hz", 30, "/min", 1e-12},
      {"fio2", 40, "%", 0.4, "1", 1e-12},
      {"fio2", 40, "%", 0.4, "", 1e-12},
      {"platelets", 250, "10*3/uL", 250, "10*9/L", 1e-12},
      {"wbc", 5, "10^6/mL", 5, "10*9/L", 1e-12},
      {"age", 90, "min", 1.5, "h", 1e-12},
      {"age", 2, "wk", 14, "d", 1e-12},
      {"ph", 7.4, "[pH]", 7.4, "", 0},
      {"insulin", 1, "m[IU]/L", 1, "u[iU]/mL", 1e-12},
      {"glucose", 5.5, "mmol/L", 99.09, "mg/dL", 1e-4},
      {"glucose", 100, "mg/dL", 5.55, "mmol/L", 1e-3},
      {"creatinine", 88.4, "umol/L", 1.0, "mg/dL", 1e-4},
      {"bun", 1, "mmol/L", 2.8014, "mg/dL", 1e-12},
      {"bilirubin", 17.1, "umol/L", 1, "mg/dL", 1e-3},
      {"cholesterol", 1, "mmol/L", 38.665, "mg/dL", 1e-12},
      {"lactate", 1, "mmol/L", 9.008, "mg/dL", 1e-12},
      {"calcium", 2.5, "mmol/L", 10.02, "mg/dL", 1e-3},
      {"calcium", 2.5, "mmol/L", 5, "meq/L", 1e-12},
      {"sodium", 140, "meq/L", 140, "mmol/L", 1e-12},
      {"k", 4, "mmol/L", 4, "meq/L", 1e-12},
      {"magnesium", 1, "mmol/L", 2.4305, "mg/dL", 1e-12},
      {"haemoglobin", 10, "mmol/L", 16.1145, "g/dL", 1e-12},
      {"anything", 3, "made-up", 3, "made-up", 0},
      // The master equation of HbA1c, with the pairs that its table prints to one digit.
      {"hba1c", 48, "mmol/mol", 6.5, "%", 0.007},
      {"hba1c", 53, "mmol/mol", 7.0, "%", 0.002},
      {"hba1c", 20, "mmol/mol", 3.98, "%", 0.001},
      {"hba1c", 6.5, "%", 47.5, "mmol/mol", 0.001},
      {"haemoglobin_a1c", 0.07, "1", 53, "mmol/mol", 0.001},
      {"hba1c", 7, "%", 0.07, "1", 1e-12},
      {"hba1c_poc", 48, "mmol/mol", 6.5, "%", 0.007},
      {"inr", 1.2, "{INR}", 1.2, "1", 0},
      {"inr", 1.2, "{ratio}", 1.2, "", 0},
      {"base_excess", -3, "meq/L", -3, "mmol/L", 1e-12},
      {"anion_gap", 12, "mmol/L", 12, "meq/L", 1e-12},
      {"tco2", 25, "meq/L", 25, "mmol/L", 1e-12},
      {"acr", 3, "mg/mmol", 26.52, "mg/g", 1e-3},
      {"uacr", 30, "mg/g", 3.394, "mg/mmol", 1e-3},
      {"acr", 300, "ug/mg", 300, "mg/g{creat}", 1e-12},
      {"age", 18, "mo", 1.5, "a", 1e-12},
      {"age", 2, "a", 24, "mo", 1e-12},
      {"wbc", 7, "10*3/uL{cells}", 7, "10*9/L", 1e-12},
      {"spo2", 97, "%{SpO2}", 97, "%", 0},
      {"albumin", 4000, "mg%", 4, "g/dL", 1e-12},
      {"svr", 1000, "dyn.s.cm-5", 12.5, "[wood'U]", 1e-3},
      {"dose", 3, "mL/(kg.h)", 3, "mL/kg/h", 1e-12},
      {"culture", 3, "[CFU]/mL", 3000, "[CFU]/L", 1e-12},
  };
  for (const Known& c : cases) {
    EXPECT_NEAR(convert(c.feature, c.value, c.from, c.to), c.expected, std::abs(c.expected) * c.tolerance)
        << c.feature << ": " << c.from << " to " << c.to;
  }
}

TEST(Units, WhatIsNotCertainIsRefused) {
  const std::vector<std::vector<const char*>> cases{
      {"albumin", "mmol/L", "g/L"},  // the substance is not in the table
      {"alt", "mmol/L", "mg/dL"},
      {"glucose", "kg", "Cel"},
      {"glucose", "meq/L", "mmol/L"},  // glucose carries no charge
      {"calcium", "m[iU]/L", "mmol/L"},
      {"base_excess", "mg/dL", "mmol/L"},  // a sum of bases weighs nothing
      {"inr", "%", "1"},                   // Quick's value in percent is another quantity
      {"inr", "%", "{INR}"},
      {"quick", "%", "1"},
      {"aptt_ratio", "%", ""},
      {"hba1c", "mmol/mol", "mg/dL"},
      {"share", "mmol/mol", "%"},  // of molecules, or of what?
      {"inr_poc", "%", "1"},
      {"infusion", "[drp]/min", "mL/h"},
      {"ddimer", "{FEU}.ug/L", "ug/L"},
      {"glucose", "mmol/L{blood}", "mmol/L{plasma}"},
      {"egfr", "mL/min/{1.73_m2}", "mL/min"},  // per surface, or as it is
      {"urine_wbc", "/[HPF]", "/[LPF]"},
      {"culture", "[CFU]/mL", "/mL"},
      {"acr", "mg/mmol", "mg/L"},
      {"albumin", "mg/mmol", "mg/g"},  // over creatinine only where the name says so
      {"sodium", "mmol/L", "mol/L/s"},
      {"ddimer", "ug{FEU}/L", "ug/L"},  // twice the number, same dimension
      {"ddimer", "ug{FEU}/L", "ug{DDU}/L"},
      {"ph", "[pH]", "%"},
      {"ph", "[pH]", "mol/L"},
      {"temp", "Cel/h", "K/h"},  // a difference or a temperature?
      {"temp", "mCel", "Cel"},
      {"insulin", "[iU]/L", "U/L"},  // international and enzyme units
      {"hr", "mg/", "mg"},
      {"hr", "/", "1"},
      {"hr", "{open", "1"},
      {"hr", "m+", "m"},
      {"hr", "0", "1"},
      {"hr", "10*99", "1"},
      {"hr", "kg6.kg6.kg6.kg6.kg6.kg6.kg6.kg6", "fg6.fg6.fg6.fg6.fg6.fg6.fg6.fg6"},
      {"hr", "s.s.s.s.s.s.s.s.s", "s9"},  // more terms than are read
  };
  for (const auto& c : cases) {
    EXPECT_FALSE(unit_conversion(c[0], c[1], c[2])) << c[0] << ": " << c[1] << " to " << c[2];
    EXPECT_FALSE(unit_conversion(c[0], c[2], c[1])) << c[0] << ": " << c[2] << " to " << c[1];
  }
}

TEST(Units, ThereAndBackAndByAnyDetour) {
  const std::vector<std::pair<const char*, std::vector<const char*>>> families{
      {"temp", {"Cel", "K", "[degF]", "mK"}},
      {"map", {"mm[Hg]", "kPa", "cm[H2O]", "hPa", "bar", "mbar", "[psi]", "Pa", "N/m2"}},
      {"weight", {"kg", "g", "[lb_av]", "[oz_av]", "t", "ug"}},
      {"glucose", {"mg/dL", "mmol/L", "g/L", "umol/mL", "ug/mL", "kg/m3"}},
      {"calcium", {"mg/dL", "mmol/L", "meq/L", "umol/dL"}},
      {"alt", {"U/L", "ukat/L", "nkat/mL", "mU/mL", "umol/min/L", "mol/s/m3"}},
      {"platelets", {"10*3/uL", "10*9/L", "/L", "10*6/mL", "1000/mm3"}},
      {"urine", {"mL/h", "L/d", "mL/min", "dL/h", "cm3/h"}},
      {"fio2", {"%", "1", "", "[ppth]", "10*-2", "{ratio}"}},
      {"hba1c", {"%", "1", "mmol/mol", "mol/mol"}},
      {"acr", {"mg/g", "mg/mmol", "g/mol", "ug/mg"}},
      {"dose", {"ug/kg/min", "mg/kg/h", "mg.kg-1.h-1", "ng/g/s"}},
  };
  for (const auto& [feature, units] : families) {
    for (const char* a : units) {
      for (const char* b : units) {
        const double there = convert(feature, 37.5, a, b);
        EXPECT_NEAR(convert(feature, there, b, a), 37.5, 1e-9) << feature << ": " << a << " to " << b << " and back";
        for (const char* c : units) {
          const double straight = convert(feature, 37.5, a, c);
          EXPECT_NEAR(convert(feature, there, b, c), straight, 1e-9 * std::max(1.0, std::abs(straight)))
              << feature << ": " << a << " by " << b << " to " << c;
        }
      }
    }
  }
}

}  // namespace
}  // namespace lacuna
