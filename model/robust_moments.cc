#include "model/robust_moments.h"

#include <algorithm>
#include <cmath>

namespace lacuna::model {

namespace {

/// Values of a patient that count in full.
constexpr double kFirst = 4;
constexpr double kHoursPerValue = 24 * 7;
/// Larger ones have no square.
constexpr double kValueMax = 1e100;
/// From the median absolute deviation of a normal to its standard deviation.
constexpr double kOfMedianDeviation = 1.4826;

double median(std::vector<double> values) {
  const std::size_t half = values.size() / 2;
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(half), values.end());
  const double upper = values[half];
  if (values.size() % 2 == 1) return upper;
  return (upper + *std::max_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(half))) / 2;
}

/// Of what is left without the outermost eighth on either side.
double trimmed_sd(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t off = values.size() < 3 ? 0 : (values.size() + 7) / 8;
  double n = 0, mean = 0, squares = 0;
  for (std::size_t i = off; i + off < values.size(); ++i) {
    const double before = values[i] - mean;
    mean += before / ++n;
    squares += before * (values[i] - mean);
  }
  return n > 0 ? std::sqrt(squares / n) : 0;
}

}  // namespace

double RobustMoments::reach(double spread) const {
  switch (tails_) {
    case Tails::whole: return kValueMax;
    case Tails::counts: return kReach * std::max(spread, 1 + std::sqrt(std::max(mean_, 0.0)));
    case Tails::reached: break;
  }
  return kReach * spread;
}

void RobustMoments::settle() {
  sd_ = begun_ || start_.size() > 1 ? std::max(std::sqrt(std::max(squares_ / std::max(count_, 1e-12), 0.0)), kSdMin) : 1.0;
}

/// Moments of the observations so far, those far from the median as if they were at arm's length.
void RobustMoments::begin() {
  std::vector<double> values, off, within;
  for (const Observation& o : start_) values.push_back(o.value), within.push_back(o.within);
  const double middle = median(values);
  for (const double v : values) off.push_back(std::abs(v - middle));
  const double deviation = kOfMedianDeviation * median(off), inner = median(within);
  double spread = std::sqrt(inner + deviation * deviation);
  if (spread == 0) spread = trimmed_sd(values);  // most are the same
  mean_ = middle;
  const double far = reach(spread);
  count_ = mean_ = squares_ = 0;
  for (const Observation& o : start_) {
    const double y = std::clamp(o.value, middle - far, middle + far), before = y - mean_;
    count_ += o.weight;
    mean_ += o.weight * before / count_;
    squares_ += o.weight * (std::min(o.within, far * far) + before * (y - mean_));
  }
}

void RobustMoments::forget(std::uint64_t patient) {
  if (std::erase_if(start_, [patient](const Observation& o) { return o.patient == patient; }) == 0) return;
  count_ = mean_ = squares_ = 0;
  if (!start_.empty()) begin();
  settle();
}

void RobustMoments::add(double value, double within, double weight, std::uint64_t patient) {
  if (std::isnan(value) || std::isnan(within) || weight <= 0) return;
  value = std::clamp(value, -kValueMax, kValueMax);
  within = std::clamp(within, 0.0, kValueMax * kValueMax);
  if (!begun_) {
    start_.push_back({value, within, weight, patient});
    begin();
    begun_ = start_.size() >= kStart;
    if (begun_) start_ = {};
    return settle();
  }
  const double far = reach(sd_), y = std::clamp(value, mean_ - far, mean_ + far), before = y - mean_;
  count_ += weight;
  mean_ += weight * before / count_;
  squares_ += weight * (std::min(within, far * far) + before * (y - mean_));
  // What never varied may begin to: then the past is no guide to how far.
  const double most = sd_ > kSdMin ? kMemory : kStart;
  if (count_ > most) {
    squares_ *= most / count_;
    count_ = most;
  }
  settle();
}

void RobustMoments::save(ByteWriter& out) const {
  for (const double v : {count_, mean_, squares_}) out.put(v);
}

void RobustMoments::load(ByteReader& in) {
  for (double* v : {&count_, &mean_, &squares_}) *v = in.get<double>();
  if (count_ > kMemory) {
    squares_ *= kMemory / count_;
    count_ = kMemory;
  }
  start_.clear();
  begun_ = count_ > 0;
  settle();
}

void RobustMoments::save_start(ByteWriter& out) const {
  out.put<std::uint32_t>(static_cast<std::uint32_t>(start_.size()));
  for (const Observation& o : start_) {
    for (const double v : {o.value, o.within, o.weight}) out.put(v);
    out.put(o.patient);
  }
}

void RobustMoments::load_start(ByteReader& in) {
  const auto waiting = in.get<std::uint32_t>();
  for (std::uint32_t i = 0; i < waiting && in.ok(); ++i) {
    Observation& o = start_.emplace_back();
    for (double* v : {&o.value, &o.within, &o.weight}) *v = in.get<double>();
    o.patient = in.get<std::uint64_t>();
  }
  begun_ = begun_ && waiting == 0;
  settle();
}

double patient_weight(std::uint64_t count, Millis since) {
  const double rank = static_cast<double>(count) + 1;
  const double of_rank = rank <= kFirst ? 1 : kFirst * kFirst / (rank * rank);
  const double of_time = std::max(std::chrono::duration<double, std::ratio<3600>>(since).count(), 0.0) / kHoursPerValue;
  return std::min(1.0, of_rank + of_time);
}

}  // namespace lacuna::model
