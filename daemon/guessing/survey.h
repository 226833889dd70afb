#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "daemon/guessing/column_profile.h"
#include "daemon/guessing/roles.h"
#include "daemon/guessing/table_sample.h"
#include "state/records/payload.h"
#include "state/records/time.h"

namespace lacuna::daemon {

/// A column of a wide table, a parameter of a long one, or a feature or attribute of events.
struct Variable {
  static constexpr std::size_t kUnitsMax = 50;  ///< different ones that are counted

  std::string name;
  std::string modality;    ///< of events; empty: not told
  bool attribute = false;  ///< events say so
  ColumnProfile profile;
  std::map<std::string, std::uint64_t, std::less<>> units{};  ///< that rows say
  /// Where rows have a second column of units: how often it says what beside the first; either may be empty.
  std::map<std::pair<std::string, std::string>, std::uint64_t> unit_pairs{};
  // Where cells have a unit behind their number: these units, and the profile without them. `profile` has such cells as words.
  std::map<std::string, std::uint64_t, std::less<>> cell_units{};
  std::optional<ColumnProfile> without_units{};
};

/// A value that was measured: who, what, when (ms since 1970 or since the stay's start), and a hash of what it says.
struct MeasuredCell {
  std::uint32_t patient = 0, variable = 0;
  std::int64_t time = 0;
  std::uint32_t value = 0;
};
std::uint32_t value_hash(double number);
std::uint32_t value_hash(std::string_view word);

/// A payload modality of events.
struct PayloadSeen {
  ModalityKind kind = ModalityKind::text;
  std::vector<std::int64_t> shape;
  bool bytes = false;     ///< uint8
  std::size_t words = 0;  ///< of the longest text
};

/// A whole table, read once in bounded memory.
struct Survey {
  static constexpr std::size_t kCellsMax = 3'000'000;  ///< kept of the first patients; then no further patient is followed

  std::vector<Variable> variables;
  std::map<std::string, PayloadSeen> payloads;
  std::vector<MeasuredCell> cells;
  std::uint64_t rows = 0, unreadable_times = 0, patients = 0;
  double moments = 0;                     ///< about how many different times of patients
  std::int64_t earliest = 0, latest = 0;  ///< as MeasuredCell::time; both 0 where there is none
};

/// Cells that mean "not measured" in most exports, whatever the column: "NA", "?", ".", "null", ...
bool is_missing_word(std::string_view text);

/// `progress` gets bytes done and bytes in all.
using Progress = std::function<void(std::uint64_t, std::uint64_t)>;

/// Reads all rows as `roles` says. `invalid`: a file has another header.
Result<Survey> survey_csv(const TableSample& table, const Roles& roles, const Progress& progress);

/// Fills a survey, one cell at a time. Shared by the readers of tables and of events.
class SurveyBuilder {
 public:
  /// `units_in_cells`: whoever reads the cells reads a unit behind a number.
  explicit SurveyBuilder(char decimal, bool units_in_cells = false) : decimal_(decimal), units_in_cells_(units_in_cells) {}
  /// The number of a variable; new ones are added, up to the features that a schema can have.
  std::uint32_t variable(std::string_view name, std::string_view modality = {}, bool attribute = false);
  std::uint32_t patient(std::string_view id);
  void moment(std::uint32_t patient, std::int64_t time);
  void add(std::uint32_t variable, std::uint32_t patient, std::int64_t time, std::string_view text, std::string_view unit);
  /// What the two columns of units say in one row.
  void add_units(std::uint32_t variable, std::string_view unit, std::string_view second);
  Survey& survey() { return survey_; }
  Survey finish();

 private:
  void profile(Variable& variable, std::string_view text) const;

  char decimal_;
  bool units_in_cells_;
  Survey survey_;
  std::map<std::string, std::uint32_t, std::less<>> variables_;
  std::unordered_map<std::uint64_t, std::uint32_t> patients_;
  DistinctSketch moments_;
  std::uint32_t followed_ = UINT32_MAX;  // patients below are
  bool any_time_ = false;
};

}  // namespace lacuna::daemon
