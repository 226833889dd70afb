#include "daemon/alignment.h"

#include <algorithm>

namespace lacuna::daemon {

Alignment::Change Alignment::observe(const std::map<streaming::TopicPartition, Time>& newest) {
  Time slowest = Time::max(), fastest = Time::min();
  for (auto& [partition, state] : partitions_) {
    if (const auto found = newest.find(partition); found != newest.end()) {
      state.newest = std::max(state.newest, found->second);
      state.empty_polls = 0;
    } else if (!state.paused) {
      state.empty_polls += 1;
    }
    fastest = std::max(fastest, state.newest);
    // A paused one waits for the others: it is not what they wait for.
    if (!state.paused && state.empty_polls < kIdlePolls) slowest = std::min(slowest, state.newest);
  }
  if (slowest == Time::max()) {
    // Only idle and paused ones are left: the slowest of the paused goes on.
    for (const auto& [partition, state] : partitions_) {
      if (state.paused) slowest = std::min(slowest, state.newest);
    }
    if (slowest == Time::max()) slowest = fastest;
  }
  watermark_ = std::max(watermark_, slowest);
  Change change;
  for (auto& [partition, state] : partitions_) {
    const bool ahead = state.newest != Time::min() && slowest != Time::min() && state.newest - slowest > kWindow;
    if (ahead != state.paused) (ahead ? change.pause : change.resume).push_back(partition);
    state.paused = ahead;
  }
  return change;
}

std::vector<streaming::TopicPartition> Alignment::going() const {
  std::vector<streaming::TopicPartition> out;
  for (const auto& [partition, state] : partitions_) {
    if (!state.paused) out.push_back(partition);
  }
  return out;
}

}  // namespace lacuna::daemon
