#include "state/records/units.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <span>
#include <vector>

#include "state/records/schema.h"
#include "state/records/ucum.h"
#include "state/records/unit_spelling.h"

// Two units convert when their dimensions agree. Only what is certain is in the tables; everything else is refused rather than guessed.

namespace lacuna {

namespace {

// Grams per mole, and charges per molecule where electrolytes are reported in equivalents. A name is listed only where
// laboratories agree on what is weighed; the conventions are spelled out in docs/units.md.
struct Substance {
  std::string_view feature;
  double grams_per_mole;  // 0: not weighed
  double charges = 0;     // 0: not reported in equivalents
};
constexpr std::array kSubstances{
    Substance{"glucose", 180.156},
    Substance{"creatinine", 113.12},
    Substance{"bun", 28.014},
    Substance{"urea_nitrogen", 28.014},
    Substance{"urea", 60.056},
    Substance{"bilirubin", 584.66},
    Substance{"bilirubin_total", 584.66},
    Substance{"bilirubin_direct", 584.66},
    Substance{"cholesterol", 386.65},
    Substance{"cholesterol_hdl", 386.65},
    Substance{"cholesterol_ldl", 386.65},
    Substance{"triglycerides", 885.7},
    Substance{"lactate", 90.08},
    Substance{"uric_acid", 168.11},
    Substance{"iron", 55.845},
    Substance{"ammonia", 17.031},
    Substance{"phosphate", 30.974},
    Substance{"phosphorus", 30.974},
    Substance{"hemoglobin", 16114.5},
    Substance{"haemoglobin", 16114.5},
    Substance{"calcium", 40.078, 2},
    Substance{"calcium_ionized", 40.078, 2},
    Substance{"magnesium", 24.305, 2},
    Substance{"sodium", 22.990, 1},
    Substance{"potassium", 39.098, 1},
    Substance{"chloride", 35.45, 1},
    Substance{"bicarbonate", 61.017, 1},
    Substance{"hco3", 61.017, 1},
    Substance{"mg", 24.305, 2},
    Substance{"na", 22.990, 1},
    Substance{"k", 39.098, 1},
    Substance{"cl", 35.45, 1},
    Substance{"ca", 40.078, 2},
    // Sums of electrolytes and bases: by agreement a mole of them is an equivalent.
    Substance{"base_excess", 0, 1},
    Substance{"anion_gap", 0, 1},
    Substance{"tco2", 0, 1},
    Substance{"total_co2", 0, 1},
};

// Glycated haemoglobin is a share of haemoglobin that two reference systems tell differently: IFCC's as a ratio of amounts (mmol/mol),
// NGSP's in percent. The master equation is NGSP = 0.09148 x IFCC + 2.152 (ngsp.org, "IFCC standardization of HbA1c"); back it is solved,
// so that a value returns to where it was.
constexpr long double kNgspPerIfcc = 0.09148L, kNgspAtZero = 2.152L;

bool is_glycated(std::string_view feature) {
  return feature.find("a1c") != std::string_view::npos || feature.find("glycated") != std::string_view::npos ||
         feature.find("glycohemoglobin") != std::string_view::npos || feature.find("glycohaemoglobin") != std::string_view::npos;
}

/// Whether a part of the name, between underscores, is one of these.
bool has_word(std::string_view feature, std::span<const std::string_view> words) {
  while (true) {
    const std::size_t end = std::min(feature.find('_'), feature.size());
    if (std::ranges::find(words, feature.substr(0, end)) != words.end()) return true;
    if (end == feature.size()) return false;
    feature.remove_prefix(end + 1);
  }
}

// Ratios of times, or activities read off a curve: in percent they are another quantity (Quick's), which no factor leads to.
constexpr std::string_view kRatios[] = {"inr", "quick", "pt", "ptt", "aptt", "prothrombin", "thrombin", "thromboplastin"};

// Over creatinine: a mole of it is 113.12 g, so 1 mg/mmol is 8.84 mg/g.
constexpr std::string_view kOverCreatinine[] = {"acr", "uacr", "upcr"};
bool is_over_creatinine(std::string_view feature) {
  return has_word(feature, kOverCreatinine) || feature.find("creatinine_ratio") != std::string_view::npos ||
         feature.find("to_creatinine") != std::string_view::npos;
}
constexpr long double kCreatinineGramsPerMole = 113.12L;

// Rewrites mass and equivalents of a known substance as amount, so that its units share one dimension.
void to_amount(const Substance& substance, UcumUnit& unit) {
  auto& d = unit.dimension;
  // Only a plain quantity of the substance: its mass may not be confused with the kilograms inside a pascal.
  if (d[kGram] == 1 && d[kMole] == 0 && d[kEquivalent] == 0 && substance.grams_per_mole > 0) {
    unit.factor /= static_cast<long double>(substance.grams_per_mole);
    d[kGram] = 0;
    d[kMole] = 1;
  } else if (d[kEquivalent] == 1 && d[kMole] == 0 && d[kGram] == 0 && substance.charges > 0) {
    unit.factor /= static_cast<long double>(substance.charges);
    d[kEquivalent] = 0;
    d[kMole] = 1;
  }
}

/// Grams per mole of creatinine as grams per gram.
void over_creatinine(UcumUnit& unit) {
  UnitDimension grams_per_mole{};
  grams_per_mole[kGram] = 1;
  grams_per_mole[kMole] = -1;
  if (unit.dimension != grams_per_mole) return;
  unit.factor /= kCreatinineGramsPerMole;
  unit.dimension = {};
  unit.has_moles = false;
}

// A mean concentration of haemoglobin in percent is grams in 100 mL.
void as_concentration(UcumUnit& unit) {
  if (unit.dimension != UnitDimension{} || unit.has_moles) return;
  unit.factor *= 1e6L;  // grams in a cubic metre that is all haemoglobin, by that agreement
  unit.dimension = {{-3, 1}};
}
constexpr std::string_view kMeanConcentration[] = {"mchc"};

// What stands in a unit's place where there is none.
constexpr std::string_view kNoUnit[] = {"none", "unitless", "no units", "(no units)", "dimensionless"};
constexpr std::string_view kPhUnit[] = {"units", "unit"};
constexpr std::string_view kPh[] = {"ph"};

/// Says that the value has no unit, and `to` is the number itself (not a share in percent: 0.4 or 40?).
bool is_the_number(std::string_view feature, std::string_view from, std::string_view to) {
  std::string low(from);
  std::ranges::transform(low, low.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (has_word(feature, kPh) && (to.empty() || to == "1" || to == "[pH]")) {
    if (std::ranges::find(kPhUnit, low) != std::end(kPhUnit)) return true;
  }
  if (std::ranges::find(kNoUnit, low) == std::end(kNoUnit)) return false;
  const std::optional<UcumUnit> target = read_ucum(to);
  return to == "[pH]" || (target && target->dimension == UnitDimension{} && target->factor == 1 && target->kinds.empty());
}

bool is_ph(std::string_view unit) { return unit == "[pH]" || unit.empty() || unit == "1"; }

std::optional<UnitConversion> affine(long double factor, long double offset) {
  const UnitConversion conversion{static_cast<double>(factor), static_cast<double>(offset)};
  if (!std::isnormal(conversion.factor)) return std::nullopt;  // "kg6.kg6.kg6" to "ng6.ng6.ng6"
  return conversion;
}

std::optional<UnitConversion> glycated(const UcumUnit& from, const UcumUnit& to) {
  if (from.has_moles == to.has_moles) return affine(from.factor / to.factor, 0);
  // In mmol/mol, and in percent.
  const long double ifcc = (from.has_moles ? from : to).factor * 1e3L, ngsp = (from.has_moles ? to : from).factor * 1e2L;
  if (from.has_moles) return affine(kNgspPerIfcc * ifcc / ngsp, kNgspAtZero / ngsp);
  return affine(ngsp / (kNgspPerIfcc * ifcc), -kNgspAtZero / (kNgspPerIfcc * ifcc));
}

/// Of two codes of UCUM.
std::optional<UnitConversion> convert(std::string_view feature, std::string_view from, std::string_view to) {
  if (from == to) return UnitConversion{};
  // Many declare pH as a pure number. As a logarithm it converts to nothing but itself: no percent, no ratio.
  if (is_ph(from) && is_ph(to)) return UnitConversion{};
  std::optional<UcumUnit> source = read_ucum(from), target = read_ucum(to);
  if (!source || !target || source->kinds != target->kinds) return std::nullopt;
  for (UcumUnit* unit : {&*source, &*target}) {
    if (is_over_creatinine(feature)) over_creatinine(*unit);
  }
  if (source->dimension != target->dimension && has_word(feature, kMeanConcentration)) {
    as_concentration(*source);
    as_concentration(*target);
  }
  if (source->dimension != target->dimension) {
    for (const Substance& substance : kSubstances) {
      if (substance.feature != feature) continue;
      to_amount(substance, *source);
      to_amount(substance, *target);
    }
  }
  if (source->dimension != target->dimension) return std::nullopt;
  if (source->dimension == UnitDimension{}) {
    if (is_glycated(feature)) return glycated(*source, *target);
    // A share of molecules is not one of mass, of volume or of cells.
    if (source->has_moles != target->has_moles) return std::nullopt;
    if (has_word(feature, kRatios) && source->factor != target->factor) return std::nullopt;
  }
  return affine(source->factor / target->factor, (source->offset - target->offset) / target->factor);
}

/// The code itself, unless it says what nobody means, and what else it may be.
std::vector<std::string> readings(std::string_view unit, bool as_it_stands) {
  std::vector<std::string> out = ucum_codes_meant(unit);
  if (as_it_stands && !is_improbable(unit)) out.insert(out.begin(), std::string(unit));
  return out;
}

/// What stands in braces may be anything.
std::string without_notes(std::string unit) {
  for (std::size_t at = 0; (at = unit.find('{', at)) != std::string::npos; ++at) {
    const std::size_t end = std::min(unit.find('}', at), unit.size());
    const std::string_view note = std::string_view(unit).substr(at + 1, end - at - 1);
    if (note != "FEU" && note != "DDU" && note != "1.73_m2" && note != "cells") unit.replace(at + 1, end - at - 1, "...");
  }
  return unit;
}

}  // namespace

std::optional<UnitConversion> unit_conversion(std::string_view feature, std::string_view from, std::string_view to) {
  if (from == to) return UnitConversion{};
  if (from.size() > kNameBytesMax || to.size() > kNameBytesMax) return std::nullopt;
  if (is_the_number(feature, from, to)) return UnitConversion{};
  // Of two that are mixed neither tells which way the other is meant: as people mean them, both.
  const bool as_they_stand = !is_mixed(from) || !is_mixed(to);
  if (as_they_stand && !is_improbable(from) && !is_improbable(to)) {
    if (const auto exact = convert(feature, from, to)) return exact;
  }
  for (const std::string& target : readings(to, as_they_stand)) {
    for (const std::string& source : readings(from, as_they_stand)) {
      if (const auto found = convert(feature, source, target)) return found;
    }
  }
  return std::nullopt;
}

std::optional<std::string> unit_problem(std::string_view unit) {
  const bool is_code = read_ucum(unit).has_value();
  const std::vector<std::string> meant = ucum_codes_meant(unit);
  if (is_code && meant.empty()) return std::nullopt;
  if (meant.empty()) return "is no UCUM code (docs/units.md); what has none is counted in braces, as {score}";
  if (is_code && is_mixed(unit)) {
    return "multiplies, in UCUM, by what stands behind the point: write '" + meant.front() + "' where it divides, else put it in front";
  }
  std::string out = is_code ? "is another unit in UCUM; meant is '" : "is no UCUM code; meant is '";
  for (std::size_t i = 0; i < meant.size(); ++i) out += (i == 0 ? "" : "' or '") + meant[i];
  return out + "'";
}

std::string unit_refusal(std::string_view from, std::string_view to) {
  constexpr std::size_t kShownMax = 32;
  const std::string target = to.empty() ? "1" : std::string(to);
  const std::vector<std::string> meant = ucum_codes_meant(from);
  const auto code = read_ucum(from);
  const bool is_unit = from.size() <= kShownMax && ((code && !code->improbable) || !meant.empty());
  if (!is_unit) return "its unit is no UCUM code, nor a known spelling of one; '" + target + "' is declared";
  const std::string spelled = meant.empty() ? "" : " (in UCUM '" + without_notes(meant.front()) + "')";
  return "its unit '" + without_notes(std::string(from)) + "'" + spelled + " cannot be converted to '" + target + "'";
}

}  // namespace lacuna
