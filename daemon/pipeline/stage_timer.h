#pragma once

#include <chrono>
#include <map>
#include <string>

namespace lacuna::daemon {

inline double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Adds the time of a stage to its sum when it goes out of scope.
class StageTimer {
 public:
  StageTimer(std::map<std::string, double>& sums, const char* stage) : sum_(sums[stage]) {}
  ~StageTimer() { sum_ += seconds_since(start_); }
  StageTimer(const StageTimer&) = delete;
  StageTimer& operator=(const StageTimer&) = delete;

 private:
  double& sum_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace lacuna::daemon
