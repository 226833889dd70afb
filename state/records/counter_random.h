#pragma once

#include <cstdint>
#include <span>

namespace lacuna {

/// Counter-based random numbers: the n-th draw of a stream depends on its seed and n alone, on every machine. The streams never
/// change: what a seed gave is part of stored data and of tests.
class CounterRandom {
 public:
  explicit CounterRandom(std::uint64_t seed) : seed_(seed) {}
  std::uint64_t bits();
  double unit();                             ///< uniform in [0, 1)
  double open_unit();                        ///< uniform in (0, 1]: its logarithm exists
  std::uint64_t below(std::uint64_t bound);  ///< uniform in [0, bound), bound > 0
  double normal();                           ///< standard normal (Box and Muller 1958), from two draws
  void normals(std::span<float> out);        ///< standard normals, two from each draw
  double exponential(double mean);
  std::int64_t poisson(double mean);  ///< takes time in proportion to the mean

 private:
  std::uint64_t seed_;
  std::uint64_t count_ = 0;
};

}  // namespace lacuna
