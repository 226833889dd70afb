#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "streaming/log/event_log.h"
#include "tests/soak/traffic.h"

namespace lacuna::soak {

using Moment = std::chrono::steady_clock::time_point;

/// A time in which a read_committed consumer saw nothing new of an input partition though something waited.
struct Stall {
  std::int32_t partition = 0;
  Moment begin{}, end{};
  std::chrono::duration<double> length() const { return end - begin; }
};

/// Follows the imputations as a read_committed consumer and holds them against the journal: how far each
/// input partition has been consumed, and how long it stood. run() on one thread, the rest from any.
class Observer {
 public:
  Observer(streaming::TopicReader& reader, const Journal& journal, std::string imputations, std::int32_t partitions);

  void run(const std::stop_token& stop);

  /// Records acknowledged and not yet consumed; those that change no patient count as consumed with the next
  /// that does.
  std::int64_t lag() const;
  /// Every record that changes a patient has been consumed.
  bool caught_up() const;
  std::uint64_t imputations() const { return imputations_seen_; }
  /// Those of half a second or more that are over, and the one under way of each partition.
  std::vector<Stall> stalls() const;

 private:
  struct Progress {
    std::atomic<std::int64_t> consumed{-1};  ///< newest source offset seen
    std::int64_t next = 0;                   ///< to read of the imputations
    Moment moved{};                          ///< when it last moved, or had nothing to do
  };
  void read(std::int32_t partition);
  bool has_lag(std::int32_t partition) const;

  streaming::TopicReader& reader_;
  const Journal& journal_;
  const std::string topic_;
  const std::int32_t count_;
  std::unique_ptr<Progress[]> partitions_;
  std::atomic<std::uint64_t> imputations_seen_ = 0;
  mutable std::mutex mutex_;  ///< guards stalls_, Progress::moved
  std::vector<Stall> stalls_;
};

/// Where an imputation message says that it comes from; empty: not an imputation.
std::optional<SourcePosition> source_of(const std::string& imputation);

}  // namespace lacuna::soak
