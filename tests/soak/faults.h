#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <random>
#include <stop_token>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/soak/broker.h"
#include "tests/soak/fleet.h"
#include "tests/soak/observer.h"

namespace lacuna::soak {

enum class Fault : std::uint8_t { crash, stop, disk_lost, zombie, broker_crash, broker_paused, scaled };
inline constexpr std::array kFaults{Fault::crash,        Fault::stop,          Fault::disk_lost, Fault::zombie,
                                    Fault::broker_crash, Fault::broker_paused, Fault::scaled};
std::string_view to_string(Fault fault);

/// From the moment something was done until what it was done to runs again.
struct Injected {
  Fault fault;
  Moment begin{}, end{};  ///< end: the clock's largest while it lasts
};

/// Injects every kind of fault in turn, in an order and at moments drawn from the seed. run() on one thread,
/// the rest from any.
class Faults {
 public:
  struct Limits {
    Millis session_timeout{0};  ///< of the group's members
    Millis transaction_timeout{0};
    Millis gap_max{0};  ///< between two faults
    int instances = 3;  ///< numbered from 0; one more is added and removed
  };
  /// `interrupted`: whoever runs the soak gave up; then nothing is waited for.
  Faults(Fleet& fleet, Broker& broker, Limits limits, std::uint64_t seed, std::stop_token interrupted)
      : fleet_(fleet), broker_(broker), limits_(limits), random_(seed), interrupted_(std::move(interrupted)) {}

  /// Until told to stop and each kind was there once; what it disturbed last runs again when it returns.
  void run(const std::stop_token& stop);

  std::vector<Injected> injected() const;

 private:
  void inject(Fault fault);
  void scale();
  int pick();
  Millis draw(Millis low, Millis high);
  void sleep(Millis duration) const { sleep_unless(interrupted_, duration); }
  static void sleep_unless(const std::stop_token& stop, Millis duration);
  void wait_until_running(int number);

  Fleet& fleet_;
  Broker& broker_;
  const Limits limits_;
  std::mt19937_64 random_;
  const std::stop_token interrupted_;
  mutable std::mutex mutex_;  ///< guards injected_
  std::vector<Injected> injected_;
};

}  // namespace lacuna::soak
