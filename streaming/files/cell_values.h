#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "state/records/units.h"
#include "streaming/files/input_files.h"
#include "streaming/messages/schema_index.h"

// The text of a CSV's cell as a value of the schema. Private to streaming/files.

namespace lacuna::streaming {

/// A value as a row tells it, without blanks around it.
struct CellText {
  std::string_view text, unit{}, second_unit{}, comparator{};
};

/// Where it goes. All borrowed for the call, the field for longer than CellValues.
struct CellTarget {
  const SchemaField& field;
  const ColumnTarget& column;
  bool is_attribute = false;
};

/// A number as it is taken, or why it is not.
struct CellValue {
  double number = 0;
  enum class Outcome : std::uint8_t { taken, unreadable, out_of_range, unit } outcome = Outcome::taken;
  std::string why{};
  Comparator comparator{};
};

/// Reads cells as a mapping says, and remembers what units convert to. One thread.
class CellValues {
 public:
  /// `mapping` must outlive it.
  explicit CellValues(const FileMapping& mapping) : mapping_(mapping) {}
  /// Of a cell that does not mean "not measured".
  CellValue read(const CellTarget& target, CellText told);

 private:
  CellValue read_class(const CellTarget& target, std::string_view text) const;
  CellValue read_number(const CellTarget& target, const CellText& told);
  std::string_view named_unit(std::string_view text) const;
  std::string_view unit_of(const CellText& told, std::string_view inside, const CellTarget& target, std::string& problem);
  bool is_same_unit(const CellTarget& target, std::string_view a, std::string_view b);
  const std::optional<UnitConversion>& conversion(const CellTarget& target, std::string_view unit);

  const FileMapping& mapping_;
  std::map<std::pair<const SchemaField*, std::string>, std::optional<UnitConversion>, std::less<>> conversions_;
};

}  // namespace lacuna::streaming
