#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace lacuna {

/// value x factor + offset takes a value in `from` to `to`; empty when the conversion is not known. `from` and `to` are UCUM codes, or
/// spellings of laboratories where the other one leaves only one meaning (ucum_codes_meant()). What depends on the substance (amount to
/// mass, equivalents, HbA1c) is known for named features only (`feature` is e.g. "glucose"); what reads alike and is another quantity (a
/// ratio in percent) is refused for those that it may harm.
struct UnitConversion {
  double factor = 1;
  double offset = 0;
};
std::optional<UnitConversion> unit_conversion(std::string_view feature, std::string_view from, std::string_view to);

/// What is wrong with a declared unit, with the code that is meant; empty where it is a UCUM code that means what it says.
std::optional<std::string> unit_problem(std::string_view unit);

/// Why a value in `from` is not taken where `to` is declared. Names `from` with its UCUM spelling; but not what is no unit, which may be
/// anything: a name in the wrong column.
std::string unit_refusal(std::string_view from, std::string_view to);

}  // namespace lacuna
