#include "daemon/pipeline/partition_alignment.h"

#include <algorithm>

namespace lacuna::daemon {

PartitionAlignment::Change PartitionAlignment::observe(const std::map<streaming::TopicPartition, Time>& newest,
                                                       const std::function<bool(const streaming::TopicPartition&)>& has_more,
                                                       std::chrono::steady_clock::time_point now) {
  Time slowest = Time::max(), fastest = Time::min();
  for (auto& [partition, state] : partitions_) {
    if (const auto found = newest.find(partition); found != newest.end()) {
      state.newest = std::max(state.newest, found->second);
      state.empty_polls = 0;
      state.gave = now;
    } else if (!state.paused) {
      state.empty_polls += 1;
    }
    fastest = std::max(fastest, state.newest);
    const bool idle = state.empty_polls >= kIdlePolls && (!has_more(partition) || now - state.gave > kSilenceMax);
    // Paused ones count too: one run of another can leap over them.
    if (!idle) slowest = std::min(slowest, state.newest);
  }
  if (slowest == Time::max()) slowest = fastest;  // all are idle
  watermark_ = std::max(watermark_, slowest);
  Change change;
  for (auto& [partition, state] : partitions_) {
    const bool ahead = state.newest != Time::min() && slowest != Time::min() && state.newest - slowest > kWindow;
    if (ahead != state.paused) (ahead ? change.pause : change.resume).push_back(partition);
    if (state.paused && !ahead) state.gave = now;
    state.paused = ahead;
  }
  return change;
}

std::vector<streaming::TopicPartition> PartitionAlignment::runnable(const std::vector<streaming::TopicPartition>& assigned) const {
  std::vector<streaming::TopicPartition> out;
  for (const streaming::TopicPartition& partition : assigned) {
    const auto found = partitions_.find(partition);
    if (found != partitions_.end() && !found->second.paused) out.push_back(partition);
  }
  return out;
}

}  // namespace lacuna::daemon
