#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "state/store.h"
#include "streaming/log/event_log.h"

// Decides whether a run was exactly once, from the input alone: what a plain fold over the input says should have come out is
// compared with what a read_committed consumer sees and what the stores hold. Uses nothing of the daemon.

namespace lacuna::simulation {

/// What was left behind. Records by partition, in the order of their offsets.
struct Outcome {
  /// The store of the instance that holds an input partition.
  struct Held {
    std::map<std::string, Snapshot> patients;
    state::StoredPosition position;
  };
  std::vector<streaming::Record> input, imputations, dead_letters, changelog;
  std::map<streaming::TopicPartition, std::int64_t> ends;  ///< of each input partition
  std::map<streaming::TopicPartition, streaming::Committed> committed;
  std::map<streaming::TopicPartition, Held> held;
};

/// What is wrong; empty when nothing is.
std::vector<std::string> check(const Schema& schema, const Outcome& outcome);

}  // namespace lacuna::simulation
