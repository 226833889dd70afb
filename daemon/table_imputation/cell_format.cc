#include "daemon/table_imputation/cell_format.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace lacuna::daemon {

std::string csv_cell(std::string_view text, char separator) {
  const bool plain = text.find_first_of("\"\r\n") == std::string_view::npos && text.find(separator) == std::string_view::npos;
  if (plain) return std::string(text);
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + '"';
}

CellFormat::CellFormat(const Feature& feature, char separator) : feature_(feature), separator_(separator), unit_(feature.unit) {}

Result<CellFormat> CellFormat::make(const Feature& feature, const streaming::FileMapping& mapping, const streaming::ColumnTarget& column) {
  CellFormat out(feature, mapping.separator);
  out.decimal_ = mapping.decimal;
  out.to_schema_ = {column.scale, column.offset};
  if (column.scale != 1 || column.offset != 0) out.unit_.clear();
  if (!column.unit.empty()) {
    const auto conversion = unit_conversion(feature.name, column.unit, feature.unit);
    if (!conversion) return Status(Code::invalid, unit_refusal(column.unit, feature.unit));
    out.to_schema_ = *conversion;
    out.unit_ = column.unit;
  }
  for (const auto& [mark, name] : column.categories) out.marks_.try_emplace(name == "false" ? "0" : name == "true" ? "1" : name, mark);
  return out;
}

std::string CellFormat::number(double value) const {
  std::string out = fmt::format("{:.6g}", value);
  if (decimal_ == ',') std::ranges::replace(out, '.', decimal_);
  return csv_cell(out, separator_);
}

std::string CellFormat::in_unit(double natural) const { return number(to_column(natural)); }

std::string CellFormat::value(double natural) const {
  if (!is_discrete(feature_.likelihood)) return in_unit(natural);
  const auto index = static_cast<std::size_t>(std::llround(natural));
  const std::string name = has_categories(feature_.likelihood) ? feature_.categories.at(index) : std::to_string(index);
  const auto mark = marks_.find(name);
  return csv_cell(mark == marks_.end() ? name : mark->second, separator_);
}

std::string CellFormat::probability(double share) const { return number(std::clamp(share, 0.0, 1.0)); }

std::string CellFormat::mean(double natural) const {
  return feature_.likelihood == Likelihood::bernoulli ? probability(natural) : in_unit(natural);
}

}  // namespace lacuna::daemon
