#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "state/records/time.h"

namespace lacuna::soak {

/// The instances of one consumer group, and what systemd or Kubernetes is to them: who ends is started again.
/// tick() from the thread that made it, often; the rest from any thread. Destroying it kills them all.
class Fleet {
 public:
  struct Options {
    std::string binary;
    std::string config;
    std::vector<std::string> overrides;  ///< --set of each instance
    std::string folder;                  ///< of each instance: <folder>/<name>/ its data, <folder>/<name>.log
    Millis shutdown_timeout{0};          ///< what the configuration gives an instance that is to stop
  };
  /// An instance that ended though nobody asked it to.
  struct Exit {
    std::string instance;
    int code = 0;
    std::string last_lines;
  };

  explicit Fleet(Options options) : options_(std::move(options)) {}
  ~Fleet();
  Fleet(const Fleet&) = delete;
  Fleet& operator=(const Fleet&) = delete;

  void tick();

  void add(int number);
  /// SIGKILL, and started again after `pause`; `wipe`: its local state is gone by then.
  void kill(int number, Millis pause, bool wipe);
  /// SIGTERM; it must leave with 0 in time, or die of the signal before its first line. Started again after `pause`, or never.
  void stop(int number, std::optional<Millis> pause);
  void stop_all();
  void signal(int number, int signal);

  /// Those that run, by number, and are not about to end.
  std::vector<int> running() const;
  bool is_running(int number) const;
  bool all_gone() const;

  std::vector<Exit> exits() const;
  /// Stops that took too long or left with another code than 0.
  std::vector<std::string> bad_stops() const;

 private:
  using Clock = std::chrono::steady_clock;
  enum class Expect { to_run, death, leave };
  struct Instance {
    pid_t pid = 0;  ///< 0: does not run
    Expect expect = Expect::to_run;
    Clock::time_point deadline{};            ///< with Expect::leave
    std::optional<Clock::time_point> start;  ///< when it is to be started; with pid 0
    std::optional<Millis> pause{0};          ///< between its end and its start; absent: it stays away
    bool wipe = false;
    std::uintmax_t log_size = 0;  ///< bytes that its log held when it was started: more means that it has begun
  };

  std::string name(int number) const { return "soak-" + std::to_string(number); }
  std::string log_of(int number) const { return options_.folder + "/" + name(number) + ".log"; }
  void reap(int number, Instance& instance);
  void start(int number, Instance& instance);

  const Options options_;
  mutable std::mutex mutex_;  ///< guards all below
  std::map<int, Instance> instances_;
  std::vector<Exit> exits_;
  std::vector<std::string> bad_stops_;
};

}  // namespace lacuna::soak
