#pragma once

#include <string>
#include <vector>

#include "daemon/guessing/grouping.h"
#include "daemon/guessing/roles.h"
#include "daemon/guessing/survey.h"
#include "daemon/guessing/variable_guess.h"

namespace lacuna::daemon {

/// A whole configuration, before it is written down.
struct Plan {
  struct PlannedFeature {
    std::size_t variable = 0;  ///< in `variables`
    Millis stale_after{0};     ///< 0: the modality's
  };
  struct PlannedModality {
    std::string name;
    std::vector<PlannedFeature> features;
    Millis stale_after{0};
    bool stale_is_guessed = true;  ///< false: nothing is measured again
  };
  struct PlannedVariable {
    std::string column;  ///< as the data have it
    VariableGuess guess;
    double share = 0;  ///< of the moments that have it
    std::string to;    ///< "vitals.hr", "age"
  };
  Roles roles;
  bool events = false;  ///< NDJSON
  std::vector<PlannedVariable> variables;
  std::vector<PlannedModality> modalities;
  std::map<std::string, PayloadSeen> payloads;
  std::vector<std::string> missing;  ///< words that mean it everywhere
  std::vector<LeftOut> left_out;     ///< columns and parameters
  std::vector<std::string> doubts;   ///< the weightiest first

  std::uint64_t rows = 0, patients = 0;
  double moments = 0;
  Time start{};  ///< of relative times
  Millis stagger{0};
  Millis future_max{0};  ///< 0: the default will do
  Millis past_max{0};
  bool shift_to_now = false;  ///< times lie further in the future than a daemon takes

  int epochs = 1;  ///< passes that are proposed
  struct Training {
    int batch_size = 256, examples_per_step = 64;
  } train;
};

/// From what was read, nothing is read again. `now`: for times that lie in the future. `invalid`: nothing is left to learn from.
Result<Plan> make_plan(Roles roles, Survey survey, bool events, Time now);

/// Up to the next of 1m, 2m, 5m, ... 1h, 2h, ... 1d, 2d, ... 3650d.
Millis round_up(double milliseconds);

}  // namespace lacuna::daemon
