#include "daemon/simulator/ward_patient.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "state/records/hash.h"
#include "state/records/scale.h"

namespace lacuna::daemon {

namespace {

using std::chrono::hours;

/// Share of a factor's variance that is the patient's own and stays; the rest drifts.
constexpr double kTraitShare = 0.55;
/// Hours in which the drifting part forgets itself, by factor.
constexpr std::array<double, kFactorCount> kMemoryHours{30, 24, 18, 48, 72, 10};
/// How much of each illness comes with severity.
constexpr std::array<double, kFactorCount> kWithSeverity{0, .40, .40, .40, .35, -.20};
/// Most leave better than they came: severity falls by this over the stay.
constexpr double kRecovery = 0.6;
/// Above these on the latent scale: voice, pain, unresponsive; ventilated.
constexpr std::array<double, 3> kConsciousnessCuts{0.5, 1.1, 1.7};
constexpr double kVentilatedCut = 0.45;

double loaded(const WardFeature& f, const std::array<double, kFactorCount>& factors) {
  double sum = 0;
  for (std::size_t k = 0; k < kFactorCount; ++k) sum += f.load[k] * factors[k];
  return sum;
}

double resolve(const WardFeature& f, double natural) {
  const double read = std::clamp(natural, f.low, f.high);
  // Multiplying by 1/0.1 would leave a tail of digits in the messages; the rounding to 1e-6 takes it off.
  return f.step > 0 ? std::clamp(std::round(std::round(read / f.step) * f.step * 1e6) / 1e6, f.low, f.high) : read;
}

}  // namespace

WardPatient::WardPatient(std::string id, std::string site, std::uint64_t seed, Time admitted, double stay)
    : id_(std::move(id)),
      site_(std::move(site)),
      values_(mix64(seed)),
      orders_(mix64(seed ^ 0x6f7264657273ULL)),
      admitted_(admitted),
      discharged_(admitted + Millis(static_cast<std::int64_t>(stay * 3.6e6))),
      now_(admitted) {
  for (std::size_t k = 0; k < kFactorCount; ++k) {
    trait_[k] = values_.normal() * std::sqrt(kTraitShare);
    drift_[k] = values_.normal() * std::sqrt(1 - kTraitShare);
  }
  for (double& habit : habit_) habit = values_.normal();
  liver_watched_ = trait_[kHepatic] + kWithSeverity[kHepatic] * trait_[kSeverity] + 0.4 * values_.normal() > 0;

  const double age = std::round(std::clamp(63 + 15 * values_.normal() + 4 * trait_[kRenal], 18.0, 99.0));
  const double sex = values_.open_unit() < 0.56 ? 1 : 0;
  const double ward = std::floor(values_.open_unit() * 4);
  attributes_.push_back({0, age});
  attributes_.push_back({1, sex});
  attributes_.push_back({2, ward});
  // The old have worse kidneys and higher pressure; men more haemoglobin and creatinine.
  trait_[kRenal] += 0.25 * (age - 63) / 15;
  trait_[kPressure] += 0.20 * (age - 63) / 15;
  for (std::size_t f = 0; f < kWardFeatureCount; ++f) {
    const std::string_view name = ward_features()[f].name;
    if (name == "hb" || name == "creatinine") habit_[f] += sex == 1 ? 0.5 : -0.5;
  }
}

const std::vector<double>& WardPatient::measure(Time time) {
  if (time == now_ && !measured_.empty()) return measured_;
  const double passed = hours_between(now_, time);
  now_ = time;
  for (std::size_t k = 0; k < kFactorCount; ++k) {
    // The exact transition of an Ornstein-Uhlenbeck process: the state does not depend on how often one looks but in law.
    const double kept = std::exp(-passed / kMemoryHours[k]);
    drift_[k] = kept * drift_[k] + std::sqrt((1 - kTraitShare) * (1 - kept * kept)) * values_.normal();
  }
  const double stay = std::max(1.0, hours_between(admitted_, discharged_));
  const double progress = std::clamp(hours_between(admitted_, time) / stay, 0.0, 1.0);
  factors_[kSeverity] = trait_[kSeverity] + drift_[kSeverity] + kRecovery * (0.5 - progress);
  for (std::size_t k = kSeverity + 1; k < kFactorCount; ++k) {
    const double own = std::sqrt(1 - kWithSeverity[k] * kWithSeverity[k]);
    factors_[k] = own * (trait_[k] + drift_[k]) + kWithSeverity[k] * factors_[kSeverity];
  }
  // Temperature and pulse are lowest around 5 and highest around 17 o'clock.
  const double day_hours = static_cast<double>((time.time_since_epoch() % hours(24)).count()) / 3.6e6;
  const double phase = std::sin(2 * std::numbers::pi * (day_hours - 11) / 24);
  measured_.resize(kWardFeatureCount);
  for (std::size_t f = 0; f < kWardFeatureCount; ++f) measured_[f] = read(f, phase);
  return measured_;
}

double WardPatient::read(std::size_t index, double daily_phase) {
  const WardFeature& f = ward_features()[index];
  const double score = loaded(f, factors_) + f.habit * habit_[index] + f.noise * values_.normal() + f.daily * daily_phase;
  switch (f.likelihood) {
    case Likelihood::normal:
    case Likelihood::student_t: return resolve(f, f.mean + f.sd * score);
    case Likelihood::log_normal: return resolve(f, from_scale(f.likelihood, f.mean + f.sd * score));
    case Likelihood::bernoulli: return score > kVentilatedCut ? 1 : 0;
    case Likelihood::categorical:
    case Likelihood::ordinal:
      return static_cast<double>(std::upper_bound(kConsciousnessCuts.begin(), kConsciousnessCuts.end(), score) -
                                 kConsciousnessCuts.begin());
    case Likelihood::negative_binomial: {
      // A Poisson count whose mean varies from moment to moment: more spread than a Poisson has.
      constexpr double kMeanMax = 40;
      return std::clamp<double>(values_.poisson(std::min(kMeanMax, std::exp(f.mean + f.sd * score))), f.low, f.high);
    }
  }
  return 0;
}

}  // namespace lacuna::daemon
