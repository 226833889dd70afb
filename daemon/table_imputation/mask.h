#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "daemon/table_imputation/held_out.h"
#include "daemon/table_imputation/patient_table.h"
#include "state/records/status.h"

// Cells that a person wants hidden: what is asked of them is compared with what they are.

namespace lacuna::daemon {

struct Mask {
  HeldOutCells cells;
  std::uint64_t unmeasured = 0;  ///< of what the file names: cells that are empty in the table
};

/// A CSV in one of two forms. Of the table's shape (wide CSV alone): its header, and its rows in its order; a cell that says anything but
/// nothing, 0, NA or false masks the table's cell, columns that are no feature's are not looked at. Or a cell a row: the columns that
/// `input` calls patient and time (else `patient` and `time`), and `feature`: a column's or parameter's name, or modality.feature.
/// `invalid` names the line of what cannot be found; never what stands in it.
Result<Mask> read_mask(const Schema& schema, const streaming::FileMapping& mapping, const std::vector<std::string>& paths,
                       const PatientTable& table, const std::string& path);

/// The table with these cells as if they had never been measured. Rows and moments stay.
PatientTable without(PatientTable table, const HeldOutCells& cells);

}  // namespace lacuna::daemon
