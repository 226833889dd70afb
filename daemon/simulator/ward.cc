#include "daemon/simulator/ward.h"
#include "daemon/simulator/ward_schema.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <queue>
#include <tuple>

#include "daemon/simulator/ward_patient.h"
#include "state/records/counter_random.h"
#include "state/records/hash.h"

namespace lacuna::daemon {

namespace {

using std::chrono::days;
using std::chrono::hours;

/// What can happen next at a bed. The orders are in the schema's order of modalities.
enum Kind : std::uint8_t { kVitals, kBloodGas, kChemistry, kHaematology, kLiver, kNeuro, kSupport, kOrderKinds, kAdmission = kOrderKinds };

constexpr double kStayMedianHours = 58, kStaySpread = 0.5, kStayMinHours = 24, kStayMaxHours = 120;
constexpr double kEmptyHoursMin = 0.5, kEmptyHoursMean = 2;  ///< between two patients of a bed
constexpr std::size_t kSites = 4;

Millis from_hours(double h) { return Millis(static_cast<std::int64_t>(h * 3.6e6)); }
/// Charts are kept by the minute.
Time to_minute(Time t) { return std::chrono::floor<std::chrono::minutes>(t); }

struct Bed {
  std::optional<WardPatient> patient;
  std::size_t stay = 0;
  std::uint64_t events = 0;
};

struct Entry {
  Time time;
  std::size_t bed;
  Kind kind;
  std::size_t stay;  ///< entries of an earlier patient of the bed mean nothing
  friend bool operator>(const Entry& a, const Entry& b) { return std::tie(a.time, a.bed, a.kind) > std::tie(b.time, b.bed, b.kind); }
};

/// The next morning round (06:00 UTC) after `time`, as this bed keeps it.
Time next_morning(Time time, CounterRandom& random) {
  const Time six = std::chrono::floor<days>(time) + hours(6);
  const Time next = six > time + hours(3) ? six : six + days(1);
  return next + from_hours(std::clamp(0.35 * random.normal(), -1.0, 1.0));
}

/// When the next observation of a kind is made after one at `time`: charts by the clock, gases by need, laboratories in the
/// morning and now and then between.
Time next_order(Kind kind, Time time, WardPatient& patient) {
  CounterRandom& random = patient.orders();
  const double spread = random.normal();
  switch (kind) {
    case kVitals: return time + from_hours(std::clamp(1 + 0.08 * spread, 0.75, 1.25));
    case kNeuro: return time + from_hours(std::clamp(4 + 0.4 * spread, 2.5, 5.5));
    case kSupport: return time + from_hours(std::clamp(6 + 0.5 * spread, 4.0, 8.0));
    case kBloodGas: {
      const double need = 0.25 * patient.factor(kSeverity) + 0.25 * patient.factor(kRespiratory);
      return time + from_hours(std::clamp(5.5 * std::exp(0.2 * spread - need), 2.0, 9.0));
    }
    case kChemistry: {
      const double urgency = std::exp(0.4 * patient.factor(kSeverity) + 0.4 * patient.factor(kRenal));
      return std::min(next_morning(time, random), time + hours(1) + from_hours(random.exponential(30 / urgency)));
    }
    default: return next_morning(time, random);
  }
}

class Ward {
 public:
  Ward(const WardOptions& options, const std::function<bool(const Event&, const WardTruth&)>& sink)
      : options_(options), sink_(sink), schema_(ward_schema()), beds_(options.beds), end_(options.start + options.duration) {
    for (const WardOptions::Outage& o : options.outages) outage_modalities_.push_back(schema_.find_modality(o.modality));
    for (const WardOptions::Shift& s : options.shifts) {
      shift_features_.push_back(schema_.find_feature(schema_.find_modality(s.modality), s.feature));
    }
  }

  void run() {
    for (std::size_t bed = 0; bed < beds_.size(); ++bed) {
      CounterRandom random(bed_seed(bed, 0));
      push({options_.start + from_hours(random.open_unit()), bed, kAdmission, 0});
    }
    while (!queue_.empty()) {
      const Entry entry = queue_.top();
      queue_.pop();
      if (!handle(entry)) return;
    }
  }

 private:
  std::uint64_t bed_seed(std::size_t bed, std::size_t stay) const {
    return mix64(options_.seed ^ mix64((static_cast<std::uint64_t>(bed) << 24) + stay));
  }
  void push(Entry entry) {
    entry.time = to_minute(entry.time);
    if (entry.time >= options_.start && entry.time < end_) queue_.push(entry);
  }

  bool handle(const Entry& entry) {
    Bed& bed = beds_[entry.bed];
    if (entry.kind == kAdmission) return admit(entry);
    if (entry.stay != bed.stay || entry.time >= bed.patient->discharged()) return true;
    truth_.truth = bed.patient->measure(entry.time);
    const bool go_on = observe(entry, bed);
    push({next_order(entry.kind, entry.time, *bed.patient), entry.bed, entry.kind, entry.stay});
    return go_on;
  }

  bool admit(const Entry& entry) {
    Bed& bed = beds_[entry.bed];
    bed.stay = entry.stay;
    bed.events = 0;
    CounterRandom random(bed_seed(entry.bed, entry.stay) ^ 0x73746179ULL);
    double stay = std::clamp(kStayMedianHours * std::exp(kStaySpread * random.normal()), kStayMinHours, kStayMaxHours);
    // At the beginning the ward is full of patients who came at different times: not all of them leave together.
    if (entry.stay == 0) stay *= 0.15 + 0.85 * random.open_unit();
    bed.patient.emplace(fmt::format("w{:05}-{:02}", entry.bed + 1, entry.stay + 1), fmt::format("icu-{}", entry.bed % kSites + 1),
                        bed_seed(entry.bed, entry.stay), entry.time, stay);
    WardPatient& patient = *bed.patient;
    truth_.truth = patient.measure(entry.time);
    const bool go_on = observe(entry, bed);

    CounterRandom& orders = patient.orders();
    const std::array<double, kOrderKinds> first_after{0.1, 0.5, 0.4, 0.45, 0.6, 0.3, 1.0};  // hours: the admission's work-up
    for (std::uint8_t k = 0; k < kOrderKinds; ++k) {
      const Kind kind = static_cast<Kind>(k);
      const double wait = first_after[kind] * (0.7 + 0.6 * orders.open_unit());
      if (kind == kLiver && !patient.liver_watched()) continue;  // not ordered where nobody suspects it
      push({entry.time + from_hours(wait), entry.bed, kind, entry.stay});
    }
    const double empty = kEmptyHoursMin + random.exponential(kEmptyHoursMean);
    push({patient.discharged() + from_hours(empty), entry.bed, kAdmission, entry.stay + 1});
    return go_on;
  }

  /// Makes the event and gives it to the sink. The gaps of a panel, outages and shifts take no part in what comes after: the
  /// same seed gives the same patients whatever goes wrong with the instruments.
  bool observe(const Entry& entry, Bed& bed) {
    WardPatient& patient = *bed.patient;
    event_.event_id = fmt::format("{}-{:04}", patient.id(), bed.events++);
    event_.patient_id = patient.id();
    event_.site = patient.site();
    event_.time = entry.time;
    event_.values.clear();
    event_.attributes.clear();
    truth_.patient_id = patient.id();
    truth_.time = entry.time;
    if (entry.kind == kAdmission) {
      event_.modality = kNoModality;
      event_.attributes = patient.attributes();
      return sink_(event_, truth_);
    }
    event_.modality = entry.kind;
    const Modality& modality = schema_.modalities()[event_.modality];
    for (FeatureId f = modality.first_feature; f < modality.first_feature + modality.feature_count; ++f) {
      if (patient.orders().open_unit() < ward_features()[f].share) event_.values.push_back({f, reported(f, entry.time)});
    }
    if (event_.values.empty() || silent(event_.modality, entry.time)) return true;
    return sink_(event_, truth_);
  }

  bool within(Time time, Millis from, Millis until) const { return time >= options_.start + from && time < options_.start + until; }
  bool silent(ModalityId modality, Time time) const {
    for (std::size_t i = 0; i < options_.outages.size(); ++i) {
      const WardOptions::Outage& o = options_.outages[i];
      if (outage_modalities_[i] == modality && within(time, o.from, o.until)) return true;
    }
    return false;
  }
  double reported(FeatureId feature, Time time) const {
    double value = truth_.truth[feature];
    bool shifted = false;
    for (std::size_t i = 0; i < options_.shifts.size(); ++i) {
      const WardOptions::Shift& s = options_.shifts[i];
      if (shift_features_[i] != feature || !within(time, s.from, s.until)) continue;
      value = s.factor * value + s.amount;
      shifted = true;
    }
    if (!shifted) return value;
    const WardFeature& f = ward_features()[feature];
    value = std::clamp(value, f.low, f.high);  // the instrument's scale ends somewhere
    return f.step > 0 ? std::round(value * 1e6) / 1e6 : std::round(value);
  }

  const WardOptions& options_;
  const std::function<bool(const Event&, const WardTruth&)>& sink_;
  const Schema schema_;
  std::vector<Bed> beds_;
  const Time end_;
  std::vector<ModalityId> outage_modalities_;
  std::vector<std::optional<FeatureId>> shift_features_;
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> queue_;
  Event event_;
  WardTruth truth_;
};

}  // namespace

void simulate_ward(const WardOptions& options, const std::function<bool(const Event&, const WardTruth&)>& sink) {
  Ward(options, sink).run();
}

}  // namespace lacuna::daemon
