#include "model/drift/evidence.h"

#include <algorithm>
#include <cmath>

namespace lacuna::drift {
namespace {

constexpr double kStakeMax = 1e250;
constexpr double kGainMin = 1e-250;

}  // namespace

double Evidence::update(std::span<const double> gains) {
  double before = 0, grown = 0;
  for (std::size_t k = 0; k < stakes_.size(); ++k) {
    const double gain = gains[k] > kGainMin ? gains[k] : kGainMin;  // NaN loses
    const double staked = weights_[k] * (1 + stakes_[k]);
    before += staked;
    grown += staked * gain;
    stakes_[k] = std::min((1 + stakes_[k]) * gain, kStakeMax);
  }
  return std::log(grown / before);
}

double Evidence::value() const {
  double sum = 0;
  for (std::size_t k = 0; k < stakes_.size(); ++k) sum += share(k);
  return sum;
}

double Evidence::log_value() const { return std::log(std::max(value(), kGainMin)); }

void Evidence::reset() { std::fill(stakes_.begin(), stakes_.end(), 0.0); }

void Evidence::reorder(std::span<const std::size_t> from) { stakes_ = reordered(stakes_, from); }

void Evidence::save(ByteWriter& out) const {
  for (const double stake : stakes_) out.put(stake);
}

void Evidence::load(ByteReader& in) {
  for (double& stake : stakes_) {
    const double read = in.get<double>();
    stake = read >= 0 && read <= kStakeMax ? read : 0;  // false for NaN
  }
}

}  // namespace lacuna::drift
