#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "state/records/schema.h"

// What the simulated ward measures, and how it follows from what is wrong with a patient.

namespace lacuna::daemon {

/// The schema the ward speaks (configs/simulated-ward.yaml declares the same; a test compares them).
Schema ward_schema();

/// What is wrong with a patient, each about standard normal over the ward.
enum Factor : std::uint8_t { kSeverity, kInfection, kRespiratory, kRenal, kHepatic, kPressure, kFactorCount };

/// How a feature follows from the hidden state, on its own scale (log(1 + x) for log_normal):
/// mean + sd * (load . factors + habit * (of the patient, constant) + noise * (of the moment) + daily * sin(time of day)).
struct WardFeature {
  const char* modality;
  const char* name;
  const char* unit;
  Likelihood likelihood;
  double low, high;
  double mean, sd;
  std::array<double, kFactorCount> load;
  double habit, noise;
  double daily;
  double step;   ///< what the instrument resolves, natural scale; 0: classes and counts
  double share;  ///< of the modality's events that hold it
};

inline constexpr std::size_t kWardFeatureCount = 24;
/// In the order of ward_schema()'s features.
const std::array<WardFeature, kWardFeatureCount>& ward_features();

}  // namespace lacuna::daemon
