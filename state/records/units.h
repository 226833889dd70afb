#pragma once

#include <optional>
#include <string_view>

namespace lacuna {

/// value x factor + offset takes a value in `from` to `to`; empty when the conversion is not known. UCUM codes,
/// case-sensitive. Amount-to-mass conversions depend on the substance and are known for named features only
/// (`feature` is e.g. "glucose").
struct UnitConversion {
  double factor = 1;
  double offset = 0;
};
std::optional<UnitConversion> unit_conversion(std::string_view feature, std::string_view from, std::string_view to);

}  // namespace lacuna
