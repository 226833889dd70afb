#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "daemon/guessing/survey.h"
#include "state/records/status.h"
#include "state/records/time.h"

// `lacuna init`: from a table to a configuration.

namespace lacuna::daemon {

struct GuessedConfiguration {
  std::string yaml;                 ///< a configuration that `lacuna check` accepts
  std::vector<std::string> doubts;  ///< what a person should look at, the weightiest first; tells counts and names, no patient's value
  std::uint64_t rows = 0, patients = 0, values = 0;
  std::size_t features = 0, modalities = 0, attributes = 0;
  int epochs = 1;             ///< passes that are proposed
  bool shift_to_now = false;  ///< the files have to be replayed with this option
  bool lossless = true;       ///< whether reading all of it under this configuration loses nothing
};

/// Reads files or folders, in any form that `lacuna replay` reads, three times: their beginning, all of them, and all of them once more as
/// the configuration says. `invalid`: they are no table of patients, and what they are; `internal`: they cannot be read to their end.
/// `progress` gets bytes done and bytes in all, twice. One thread; memory is bounded but for a number a patient.
Result<GuessedConfiguration> guess_configuration(const std::vector<std::string>& paths, Time now, const Progress& progress);

}  // namespace lacuna::daemon
