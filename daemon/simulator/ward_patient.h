#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "daemon/simulator/ward_schema.h"
#include "state/records/counter_random.h"
#include "state/records/records.h"

// One simulated patient: a hidden state that drifts, and what the instruments would read at any moment.

namespace lacuna::daemon {

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
  CounterRandom& orders() { return orders_; }

  /// Moves the hidden state on to `time` (not before the last) and reads every instrument: one value per feature, the same
  /// again for the same time. Valid until the next call.
  const std::vector<double>& measure(Time time);

 private:
  double read(std::size_t feature, double daily_phase);

  std::string id_, site_;
  CounterRandom values_, orders_;
  Time admitted_, discharged_, now_;
  std::array<double, kFactorCount> trait_{}, drift_{}, factors_{};
  std::array<double, kWardFeatureCount> habit_{};
  std::vector<double> measured_;  ///< at now_; empty before the first time
  bool liver_watched_ = false;
  std::vector<AttributeValue> attributes_;
};

}  // namespace lacuna::daemon
