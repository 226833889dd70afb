#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <string>
#include <vector>

#include "daemon/table_imputation/patient_table.h"
#include "daemon/table_imputation/table_imputer.h"
#include "state/records/status.h"

// An imputed table as text. docs/impute.md describes the forms.

namespace lacuna::daemon {

enum class TableForm : std::uint8_t {
  wide,      ///< the table's own rows and columns, and beside each feature's column what is imputed
  long_csv,  ///< a cell a row
  ndjson,    ///< a moment a line
};

struct OutputCounts {
  std::uint64_t rows = 0;                    ///< of the table, or moments
  std::uint64_t unplaced = 0;                ///< wide: rows whose patient or time cannot be read; they are written as they are
  std::uint64_t broken = 0;                  ///< wide: rows that are no rows of the table; they are left out
  std::vector<std::uint64_t> gaps, imputed;  ///< by FeatureId
};

struct TableOutput {
  const Schema& schema;
  const streaming::FileMapping& mapping;
  const std::vector<std::string>& paths;
  const PatientTable& table;
  const TableImputer& imputer;
  TableForm form = TableForm::wide;
  std::size_t draws = 0;  ///< 0: what is imputed; else so many completed copies, each row once a copy
  double level = 0.9;
  std::string model_version;
};

/// `progress` gets rows (moments) done and in all. `invalid`: what cannot be written in this form, before anything is; `unavailable`: `out`
/// takes no more. Else as TableImputer::impute.
Status write_table(const TableOutput& what, std::ostream& out, const std::function<void(std::uint64_t, std::uint64_t)>& progress,
                   OutputCounts& counts);

}  // namespace lacuna::daemon
