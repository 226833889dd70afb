#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "state/records/records.h"

// One simulated patient: a hidden state that drifts, and what the instruments would read at any moment.

namespace lacuna::daemon {

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

/// Uniform and normal draws from a counter: no state but two numbers, the same on every machine.
class WardRandom {
 public:
  explicit WardRandom(std::uint64_t seed) : seed_(seed) {}
  double uniform();  ///< in (0, 1)
  double normal();
  /// Exponential with this mean.
  double exponential(double mean);
  int poisson(double mean);

 private:
  std::uint64_t seed_;
  std::uint64_t count_ = 0;
};

class WardPatient {
 public:
  /// `stay` hours long from `admitted`.
  WardPatient(std::string id, std::string site, std::uint64_t seed, Time admitted, double stay);

  const std::string& id() const { return id_; }
  const std::string& site() const { return site_; }
  Time discharged() const { return discharged_; }
  double factor(Factor f) const { return factors_[f]; }
  bool liver_watched() const { return liver_watched_; }
  const std::vector<AttributeValue>& attributes() const { return attributes_; }
  /// The stream of order times and of panels' gaps: apart from the one behind the values.
  WardRandom& orders() { return orders_; }

  /// Moves the hidden state on to `time` (not before the last) and reads every instrument: one value per feature, the same
  /// again for the same time. Valid until the next call.
  const std::vector<double>& measure(Time time);

 private:
  double read(std::size_t feature, double daily_phase);

  std::string id_, site_;
  WardRandom values_, orders_;
  Time admitted_, discharged_, now_;
  std::array<double, kFactorCount> trait_{}, drift_{}, factors_{};
  std::array<double, kWardFeatureCount> habit_{};
  std::vector<double> measured_;  ///< at now_; empty before the first time
  bool liver_watched_ = false;
  std::vector<AttributeValue> attributes_;
};

}  // namespace lacuna::daemon
