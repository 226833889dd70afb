#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <string_view>

#include "streaming/log/event_log.h"

// An event log in memory that behaves as Kafka does for a read_committed consumer, and fails as Kafka does.
//
// What it keeps of Kafka. Offsets have gaps: each committed or aborted transaction takes one offset (its marker) in every
// partition that it wrote to, and the records of an aborted one take theirs too. A group has any number of members;
// partitions move one by one: the old owner gives one up in its poll(), the new one gets it in a later poll() of its own. A
// commit needs the group's current generation and the partitions it moves. A member that does not poll for
// kSessionTimeout of the simulated time is put out of the group and hears of it in its next poll(). open() with the id of
// an older client fences it; the older one stays a member of the group until it is destroyed or its time is over. A step
// that was started may reach the broker at once, at any time until it is finished, or never. Not finish_commit() puts the
// read positions back after one that failed but the next poll(): until then no step that moves a position is made, and what a
// poll() gives in which the listener finished that step comes again.
//
// What can go wrong, each with its own probability, drawn from the one generator that the test owns:
//   commits    refused by the broker; torn (some outputs lie in the log, the transaction is aborted); of unknown outcome,
//              applied or not (`internal`, and the client is dead); the client fenced; an output too large for its topic
//   the group  a partition moves to another member or comes back to the same one; a member is put out and not told before
//              its next poll(), or a later one; a client that dies without leaving (set_crashing) keeps its partitions until its time is
//              over
//   calls      `unavailable` from poll, also the one that was to put the read positions back, committed, read, bounds, open,
//              ensure_topics; polls and reads that give less than there is or nothing; calls that take so long that the clock moves
//   the log    compact(): of each key the newest visible record stays
//
// What cannot: lost or changed committed records, records out of order, offsets that go back. All of that would be the
// broker's fault, and no client could make up for it.

namespace lacuna::streaming {

namespace simulated {
struct Broker;
}

class SimulatedClock {
 public:
  explicit SimulatedClock(Time start) : now_(start.time_since_epoch().count()) {}
  Time now() const { return Time(Millis(now_.load())); }
  void advance(Millis by) { now_ += by.count(); }
  /// Each reading takes its time, so that what works until a time is over does not go on for ever.
  std::chrono::steady_clock::time_point steady() {
    advance(kReading);
    return std::chrono::steady_clock::time_point(now().time_since_epoch());
  }

 private:
  static constexpr Millis kReading{20};
  std::atomic<Millis::rep> now_;
};

enum class Fault : std::uint8_t {
  commit_aborted,
  commit_torn,
  commit_unknown_applied,
  commit_unknown_lost,
  commit_delayed,  ///< no failure: the step is on its way until somebody asks for its outcome
  fenced,
  partition_moved,
  member_put_out,
  poll_unavailable,
  committed_unavailable,
  read_unavailable,
  bounds_unavailable,
  open_unavailable,
  topics_unavailable,
  short_poll,
  short_read,
  slow_call,
  rewind_refused,  ///< the read positions cannot be put back yet
  news_delayed,    ///< a member that has lost partitions, or is to give them up, goes on for one more poll()
  // Not drawn: they follow from what the test does.
  output_too_large,
  stale_commit,  ///< by a member whose partitions or generation are gone
  taken_over,    ///< by a client with the same id
  session_over,
  failed_in_poll,         ///< a step, finished by the listener
  failed_in_paused_poll,  ///< the same, while every partition was paused
};
inline constexpr std::size_t kFaultCount = 25;
std::string_view to_string(Fault fault);

class SimulatedLog final : public LogFactory {
 public:
  static constexpr Millis kSessionTimeout{5'000};
  static constexpr Millis kSlowMax{3'000};

  /// Both are borrowed; whoever drives the log may draw from `random` too, on the same thread. Without faults any thread may
  /// use the log.
  SimulatedLog(SimulatedClock& clock, std::mt19937_64& random);
  ~SimulatedLog() override;

  Status ensure_topics(const std::vector<TopicSpec>& topics) override;
  Result<std::unique_ptr<EventLog>> open(const std::string& group, const std::string& transactional_id) override;
  Result<std::unique_ptr<TopicReader>> reader() override;
  Result<std::unique_ptr<Appender>> appender() override;

  void set_probability(Fault fault, double probability);
  void calm();  ///< no faults from here on
  /// While on, a client that is destroyed does not leave its group.
  void set_crashing(bool crashing);
  void limit_records(const std::string& topic, std::size_t bytes_max);
  void compact(const std::string& topic);
  /// Told of each fault.
  void set_trace(std::function<void(const std::string&)> trace);

  /// How often each fault happened.
  const std::array<std::uint64_t, kFaultCount>& counts() const;
  /// Steps whose finish_commit() was not ok.
  std::uint64_t failed_commits() const;
  /// The transactional id of the group's member that holds the partition; empty when there is none.
  std::string owner(const std::string& group, const TopicPartition& partition) const;

 private:
  std::unique_ptr<simulated::Broker> broker_;
};

}  // namespace lacuna::streaming
