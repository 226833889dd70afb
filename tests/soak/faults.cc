#include "tests/soak/faults.h"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <thread>

namespace lacuna::soak {

namespace {

constexpr Millis kGapMin{500};                      // between two faults
constexpr Millis kAwayMax{5'000};                   // what was ended is started again after up to this
constexpr Millis kOverMin{1'500}, kOverMax{5'000};  // how far a pause goes past the time-out that it is to pass
constexpr Millis kLook{100};

}  // namespace

std::string_view to_string(Fault fault) {
  switch (fault) {
    case Fault::crash: return "instance killed (-9)";
    case Fault::stop: return "instance stopped (SIGTERM)";
    case Fault::disk_lost: return "instance killed, its disk lost";
    case Fault::zombie: return "instance stopped past its session, resumed";
    case Fault::broker_crash: return "broker killed (-9), restarted";
    case Fault::broker_paused: return "broker paused past the transactions";
    case Fault::scaled: return "instance added or removed";
  }
  return "unknown";
}

void Faults::run(const std::stop_token& stop) {
  auto rotation = kFaults;
  std::stop_token enough = interrupted_;  // in the first rotation
  Millis extra{0};
  while (!enough.stop_requested()) {
    std::shuffle(rotation.begin(), rotation.end(), random_);
    for (const Fault fault : rotation) {
      sleep_unless(enough, extra + draw(kGapMin, std::max(kGapMin, limits_.gap_max)));
      if (enough.stop_requested() || interrupted_.stop_requested()) return;
      {
        const std::lock_guard lock(mutex_);
        injected_.push_back({fault, std::chrono::steady_clock::now(), Moment::max()});
      }
      inject(fault);
      // One outage after the other would leave the instances nothing to do.
      extra = fault == Fault::broker_crash || fault == Fault::broker_paused ? limits_.gap_max : Millis(0);
      const std::lock_guard lock(mutex_);
      injected_.back().end = std::chrono::steady_clock::now();
    }
    enough = stop;
  }
}

void Faults::inject(Fault fault) {
  switch (fault) {
    case Fault::crash:
    case Fault::disk_lost: {
      const int number = pick();
      fleet_.kill(number, draw(Millis(0), kAwayMax), fault == Fault::disk_lost);
      return wait_until_running(number);
    }
    case Fault::stop: {
      const int number = pick();
      fleet_.stop(number, draw(Millis(0), kAwayMax));
      return wait_until_running(number);
    }
    case Fault::zombie: {
      const int number = pick();
      fleet_.signal(number, SIGSTOP);
      sleep(limits_.session_timeout + draw(kOverMin, kOverMax));
      return fleet_.signal(number, SIGCONT);
    }
    case Fault::broker_crash:
      broker_.kill();
      sleep(draw(Millis(0), kAwayMax));
      if (const int code = broker_.start(false); code != 0) std::printf("soak: the broker does not start: %d\n", code);
      return;
    case Fault::broker_paused:
      broker_.pause();
      sleep(limits_.transaction_timeout + draw(kOverMin, kOverMax));
      return broker_.resume();
    case Fault::scaled: return scale();
  }
}

void Faults::scale() {
  const int extra = limits_.instances;
  if (fleet_.is_running(extra)) return fleet_.stop(extra, std::nullopt);
  fleet_.add(extra);
  wait_until_running(extra);
}

int Faults::pick() {
  while (!interrupted_.stop_requested()) {
    const std::vector<int> running = fleet_.running();
    if (!running.empty()) return running[random_() % running.size()];
    std::this_thread::sleep_for(kLook);
  }
  return 0;
}

/// In pieces, so that it ends soon after `stop`.
void Faults::sleep_unless(const std::stop_token& stop, Millis duration) {
  const Moment end = std::chrono::steady_clock::now() + duration;
  while (!stop.stop_requested() && std::chrono::steady_clock::now() < end) std::this_thread::sleep_for(kLook);
}

Millis Faults::draw(Millis low, Millis high) { return low + Millis(random_() % static_cast<std::uint64_t>((high - low).count() + 1)); }

void Faults::wait_until_running(int number) {
  while (!fleet_.is_running(number) && !interrupted_.stop_requested()) std::this_thread::sleep_for(kLook);
}

std::vector<Injected> Faults::injected() const {
  const std::lock_guard lock(mutex_);
  return injected_;
}

}  // namespace lacuna::soak
