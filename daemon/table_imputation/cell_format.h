#pragma once

#include <string>
#include <string_view>

#include "state/records/schema.h"
#include "state/records/units.h"
#include "streaming/files/input_files.h"

// Values as cells of a CSV.

namespace lacuna::daemon {

/// Quoted where it must be (RFC 4180).
std::string csv_cell(std::string_view text, char separator);

/// How one column, or parameter, of a table writes what the schema holds: in its unit, its marks for classes, its decimal mark.
class CellFormat {
 public:
  /// As the schema has it.
  CellFormat(const Feature& feature, char separator);
  /// As `column` of `mapping` has it. `invalid` where its unit does not convert.
  static Result<CellFormat> make(const Feature& feature, const streaming::FileMapping& mapping, const streaming::ColumnTarget& column);

  const Feature& feature() const { return feature_; }
  /// Of the column's numbers; empty: none, or one that the mapping does not name.
  const std::string& unit() const { return unit_; }
  /// A number of the schema's as the column has it.
  double to_column(double natural) const { return (natural - to_schema_.offset) / to_schema_.factor; }
  /// A number in six digits, a class by its mark. Of a drawn or imputed median: natural scale.
  std::string value(double natural) const;
  std::string probability(double share) const;
  /// Of a mean, which no class has; of bernoulli the share of 1.
  std::string mean(double natural) const;

 private:
  std::string number(double value) const;
  std::string in_unit(double natural) const;

  const Feature& feature_;
  char separator_ = ',', decimal_ = '.';
  std::string unit_;
  UnitConversion to_schema_{};                  ///< from the column's numbers
  std::map<std::string, std::string> marks_{};  ///< category name, "0" or "1" -> what the column writes
};

}  // namespace lacuna::daemon
