#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "state/records/records.h"

// A simulated ward with known truth: correlated modalities, realistic missingness, drift and outages at given times.
// Deterministic for a seed. Used by `lacuna simulate`, `lacuna demo` and tests.

namespace lacuna::daemon {

struct WardOptions {
  std::size_t beds = 120;  ///< patients present at a time; a discharged one is followed by a new one
  Millis duration{std::chrono::hours(96)};
  Time start{};
  std::uint64_t seed = 1;
  struct Outage {  ///< no events of this modality from `from` to `until`
    std::string modality;
    Millis from{0}, until{0};
  };
  struct Shift {  ///< reported value = factor * value + amount (natural units) from `from` to `until`
    std::string modality, feature;
    double amount = 0;
    Millis from{0}, until{0};
    double factor = 1;  ///< another unit
  };
  std::vector<Outage> outages;
  std::vector<Shift> shifts;
};

/// What the ward would have measured, had it measured everything: for scoring imputations.
/// `truth[f]`: the true value of every feature of this patient at this time, without drift or sensor shift.
struct WardTruth {
  std::string patient_id;
  Time time{};
  std::vector<double> truth;
};

/// Calls `sink` for each event in time order (ties by patient), together with the truth at that moment. Stops early when it
/// returns false.
void simulate_ward(const WardOptions& options, const std::function<bool(const Event&, const WardTruth&)>& sink);

}  // namespace lacuna::daemon
