#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "daemon/guessing/courses.h"
#include "daemon/guessing/known_names.h"
#include "daemon/guessing/marks.h"
#include "daemon/guessing/survey.h"
#include "state/records/schema.h"

namespace lacuna::daemon {

/// What a variable is taken for.
struct VariableGuess {
  enum class Kind : std::uint8_t { feature, attribute, left_out } kind = Kind::feature;
  std::string why;                             ///< of one that is left out
  std::string name;                            ///< in the schema
  std::string unit;                            ///< UCUM; empty: none is known
  bool unit_is_guessed = false;                ///< from name and values; else the data say it
  Likelihood likelihood = Likelihood::normal;  ///< of an attribute: categorical or normal
  std::vector<std::string> categories;
  bool has_range = false;
  double low = 0, high = 0;
  Marks marks;
  bool subgroup = false;    ///< of an attribute
  bool afterwards = false;  ///< an outcome by its name: known only when all is over
  std::string group;        ///< what it is usually looked at with; empty: unknown
  std::vector<std::string> doubts;
};

/// Of fewer patients little can be learned.
inline constexpr std::uint32_t kFewPatients = 30;

/// Makes numbers of a variable whose cells have their unit behind them, and its units those of the rows. Nothing happens where it has none,
/// where a tenth of the cells is no number all the same, and where the units do not convert to the most frequent one.
void take_cell_units(Variable& variable);

/// Whether the second column of units never names another unit than the first.
bool units_agree(const Variable& variable);

/// The unit of a variable and what it can be in it.
struct UnitGuess {
  std::string code;
  bool guessed = true;
  Limits limits;
};
/// From what the rows say, from the name ("Glucose (mg/dL)", "Glucose"), and from the middle of its values.
UnitGuess guess_unit(const Variable& variable);

/// What surrounds the variable.
struct TableFacts {
  bool events = false;  ///< of NDJSON: there are no marks for missing
  bool is_long = false;
  bool one_moment = false;  ///< each patient is one moment
  char decimal = '.';
  std::uint32_t patients = 0;  ///< that were followed
};
/// `marks` as guess_marks says under this unit's limits; `course` without these.
VariableGuess guess_variable(const Variable& variable, const UnitGuess& unit, const Marks& marks, const Course& course,
                             const TableFacts& facts);

/// Positive and skewed: log_normal; heavy tails: student_t; else normal. `sorted` is not empty.
Likelihood guess_scale(const std::vector<double>& sorted);

}  // namespace lacuna::daemon
