#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "state/records/time.h"

namespace lacuna::drift {

/// The families of subjects. Each has a share of the budget, which its subjects divide evenly.
enum class Kind : std::uint8_t {
  missingness,   ///< did an event of the modality arrive in this patient-hour?
  measured,      ///< was the feature in the panel that arrived?
  pattern,       ///< which modalities arrive together, given how often each arrives
  value,         ///< a value, given the rest of the patient: its normal score under the prediction
  distribution,  ///< a feature's first value of a stay, over all patients
  error,         ///< how far predictions are off
  coverage,      ///< do the model's own intervals hold?
  latent,        ///< the code of a patient, against a fixed reference of patients
  mix,           ///< which patients come, and which classes are observed
  stream,        ///< late, duplicate and refused records
  subgroup,      ///< is the error or coverage of one group worse than everybody's?
};
inline constexpr std::size_t kKinds = 11;
std::string_view to_string(Kind kind);

struct MonitorOptions {
  double false_per_month = 1.0;                                           ///< over all subjects together; thresholds follow
  std::array<double, kKinds> weights{4, 1, 1, 2, 1, 2, 4, 1, 1, 0.5, 1};  ///< of the kinds in the budget, relative; 0: not watched
  Millis learning{std::chrono::hours(24)};                                ///< clinical time before a subject can be armed
  std::uint64_t learning_updates_min = 200;                               ///< and updates
  double coverage_level = 0.9;                                            ///< nominal: misses are expected at 1 - level
  std::size_t latent_dimensions = 0;                                      ///< of the model's codes; 0: they are not watched
};

}  // namespace lacuna::drift
