#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "daemon/config/config.h"
#include "daemon/table_imputation/patient_table.h"
#include "daemon/table_imputation/table_imputer.h"
#include "daemon/table_imputation/table_output.h"
#include "state/records/status.h"
#include "streaming/files/input_files.h"

// `lacuna impute --plot`: patients' courses as pictures.

namespace lacuna::daemon {

/// So many patients are drawn unless some are named; of each so many moments and features at most. A picture says what is left out of it.
inline constexpr std::size_t kCoursesDrawn = 12, kMomentsDrawn = 2000, kPanelsDrawn = 90;

struct CoursesWanted {
  const Config& config;
  const streaming::FileMapping& mapping;
  const PatientTable& table;
  const TableImputer& imputer;
  TableForm form = TableForm::wide;  ///< wide: in the columns' units, by the columns' names; else in the schema's
};

/// Places in the table of the patients with these ids. `invalid`: which of them, by its number, is none of the table's.
Result<std::vector<std::size_t>> find_patients(const PatientTable& table, const std::vector<std::string>& ids);

/// `patient-N.svg` in `folder`, N being the patient's place in the table, from 1; others of such a name, of an earlier run, are removed.
/// `patients` empty: the first kCoursesDrawn of which something was measured and something is imputed; with several moments, where the
/// table has such. Gives their places.
Result<std::vector<std::size_t>> write_courses(const CoursesWanted& what, std::vector<std::size_t> patients, const std::string& folder);

}  // namespace lacuna::daemon
