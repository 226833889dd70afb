#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tests/simulation/checker.h"
#include "tests/support/simulated_log.h"

namespace lacuna::simulation {

/// What the test does to the instances, beside the faults of the log.
enum class Deed : std::uint8_t {
  death,         ///< at a point of the loop; the client leaves the group
  silent_death,  ///< the same, and the group learns of it by silence
  stop,          ///< as on SIGTERM
  disk_lost,
  power_lost,    ///< the folder as it was when the instance was down before
  id_taken,      ///< another client with the same transactional id
  name_doubled,  ///< for a time, with a folder of its own
  long_sleep,    ///< longer than store.rebuild_after
  compaction,
  instance_added,
  instance_removed,
};
inline constexpr std::size_t kDeedCount = 11;
std::string_view to_string(Deed deed);

struct Statistics {
  std::uint64_t seeds = 0, records = 0, turns = 0, starts = 0, exits = 0;
  std::uint64_t rejoins = 0, restored = 0, wiped = 0, reviewed = 0;  ///< as the daemon counts them
  std::uint64_t digest = 0;                                          ///< of all that was done and went wrong: the same seeds give the same
  std::array<std::uint64_t, streaming::kFaultCount> faults{};
  std::array<std::uint64_t, kDeedCount> deeds{};
  std::map<std::string, std::uint64_t> points;  ///< passed
  std::map<std::string, std::uint64_t> deaths;  ///< by point
  std::map<std::string, std::uint64_t> poisoned;
};

struct Report {
  std::vector<std::string> problems;  ///< empty: exactly once
  std::vector<std::string> schedule;  ///< what was done, and what went wrong in the log
  Outcome outcome;
};

/// One schedule: instances of the whole daemon loop over a simulated log, on one thread, in an order drawn from the seed, with
/// everything that can happen to them; then a calm time, and the check. The same seed is the same run. With `aloud` the
/// schedule goes to standard error as it happens.
Report simulate(std::uint64_t seed, Statistics& statistics, bool aloud);

}  // namespace lacuna::simulation
