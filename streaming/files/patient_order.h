#pragma once

#include <functional>
#include <string>
#include <vector>

#include "streaming/files/csv_files.h"
#include "streaming/files/file_list.h"

// CSV files whose rows of a patient do not stand together. Private to streaming/.

namespace lacuna::streaming {

/// Which rows are meant: of these files, in this order, by the patient that this column names.
struct PatientColumn {
  const std::vector<InputFile>& files;
  const std::string& name;
  char separator;
};

/// Told now and then how many bytes were looked through; false: nobody waits for the rest.
using GoOn = std::function<bool(std::uint64_t bytes)>;

/// False where the rows of a patient come again after another's. Looks at the patients alone; what cannot be read, or read twice (a pipe),
/// is left to whoever reads, and so is the rest where `go_on` says so. Memory: a number a patient.
bool patients_stand_together(const PatientColumn& column, const GoOn& go_on = {});

/// Gives `reader` all rows as if they lay by patient, the one that appears first first, and those of one in the order of the files and of
/// the rows. Lines keep their numbers. `limit_patients` as in read_patients. A file that ends before its end is an error after what was
/// read of it. `go_on` is of the sorting, which comes first, and `progress` of the reading. `aborted`: `go_on` said no. Memory: that of a
/// RowSort, and a number a patient.
Status read_by_patient(const PatientColumn& column, std::size_t limit_patients, CsvPatients& reader,
                       const std::function<void(std::uint64_t)>& progress, const GoOn& go_on = {});

}  // namespace lacuna::streaming
