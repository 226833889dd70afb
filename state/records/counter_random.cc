#include "state/records/counter_random.h"

#include <cmath>
#include <numbers>

#include "state/records/hash.h"

namespace lacuna {

std::uint64_t CounterRandom::bits() { return mix64(seed_ ^ mix64(++count_)); }

double CounterRandom::unit() { return to_unit(bits()); }

double CounterRandom::open_unit() { return unit() + 0x1.0p-54; }  // half a step up

std::uint64_t CounterRandom::below(std::uint64_t bound) { return static_cast<std::uint64_t>(unit() * static_cast<double>(bound)); }

double CounterRandom::normal() {
  const double radius = std::sqrt(-2 * std::log(open_unit()));
  return radius * std::cos(2 * std::numbers::pi * open_unit());
}

void CounterRandom::normals(std::span<float> out) {
  for (std::size_t i = 0; i < out.size(); i += 2) {
    const std::uint64_t b = bits();
    // 32 bits each for radius and angle; the radius' half step keeps the logarithm finite.
    const float u = (static_cast<float>(b >> 40) + 0.5F) * 0x1.0p-24F;
    const float angle = static_cast<float>(b & 0xffffff) * (0x1.0p-24F * 2.0F * std::numbers::pi_v<float>);
    const float radius = std::sqrt(-2.0F * std::log(u));
    out[i] = radius * std::cos(angle);
    if (i + 1 < out.size()) out[i + 1] = radius * std::sin(angle);
  }
}

double CounterRandom::exponential(double mean) { return -mean * std::log(open_unit()); }

std::int64_t CounterRandom::poisson(double mean) {
  // Knuth's product of uniforms, in logarithms: exp(-mean) would vanish.
  std::int64_t count = 0;
  while ((mean += std::log(open_unit())) > 0) ++count;
  return count;
}

}  // namespace lacuna
