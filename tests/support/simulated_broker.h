#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "tests/support/simulated_log.h"

// Inside the simulated log: what the brokers keep and decide. simulated_client.cc is what a client knows of it.

namespace lacuna::streaming::simulated {

struct Partition {
  std::vector<Record> visible;  ///< by offset
  std::int64_t next = 0;
};
struct Topic {
  std::vector<Partition> partitions;
  std::size_t record_bytes_max = std::size_t{16} << 20;
};
std::size_t index_of(const Partition& partition, std::int64_t offset);  ///< of the first visible record from there on
bool wants(const std::vector<std::string>& subscription, const std::string& topic);

struct Member {
  std::string transactional_id;
  std::vector<std::string> subscription;
  Time seen{};
  std::uint64_t generation = 0;
};

struct Group {
  std::map<TopicPartition, Committed> committed;
  std::map<std::uint64_t, Member> members;
  std::map<TopicPartition, std::uint64_t> target;  ///< who should have it
  std::map<TopicPartition, std::uint64_t> owner;   ///< who may commit it
  std::set<TopicPartition> bounced;                ///< its owner has to give it up, even to get it back
  std::uint64_t generation = 0;
};

/// A client, as the broker sees it.
class Participant {
 public:
  virtual ~Participant() = default;
  /// A step that reached the broker and moves this partition is decided before anybody may read its position.
  virtual void decide(const TopicPartition& partition) = 0;
  /// Another client with this id begins: what reached the broker is decided, what did not never will be.
  virtual void taken_over() = 0;
};

struct Broker {
  Broker(SimulatedClock& c, std::mt19937_64& r) : clock(c), random(r) {}

  SimulatedClock& clock;
  std::mt19937_64& random;
  /// Recursive: a listener calls its client from inside poll().
  mutable std::recursive_mutex mutex;
  std::map<std::string, Topic> topics;
  std::map<std::string, Group> groups;
  std::map<std::string, std::uint64_t> producers;  ///< the newest client of each transactional id
  std::map<std::uint64_t, Participant*> clients;
  std::uint64_t clients_made = 0;
  bool crashing = false;
  std::array<double, kFaultCount> probability{};
  std::array<std::uint64_t, kFaultCount> counts{};
  std::uint64_t failed_commits = 0;
  std::function<void(const std::string&)> trace;

  void happened(Fault fault, const std::string& to = "") {
    counts[static_cast<std::size_t>(fault)] += 1;
    if (trace) trace(std::string(to_string(fault)) + (to.empty() ? "" : " " + to));
  }
  bool draw(Fault fault, const std::string& to = "") {
    const double p = probability[static_cast<std::size_t>(fault)];
    if (p <= 0 || static_cast<double>(random() >> 11) * 0x1.0p-53 >= p) return false;
    happened(fault, to);
    return true;
  }
  std::size_t below(std::size_t bound) { return static_cast<std::size_t>(random() % bound); }
  void take_time() {
    if (draw(Fault::slow_call)) clock.advance(Millis(1 + static_cast<Millis::rep>(below(SimulatedLog::kSlowMax.count()))));
  }

  Partition* find(const TopicPartition& p);                               ///< null when there is none
  std::optional<TopicPartition> place(const OutputRecord& record) const;  ///< empty when there is none
  std::int64_t append(const OutputRecord& record, const TopicPartition& to, bool visible);

  /// Decides anew who should have which partition: those who have one keep it, as far as that is even.
  void retarget(Group& group);
  void remove(Group& group, std::uint64_t id);
  void end_sessions(Group& group);
  /// After deciding whatever is on its way there.
  Committed committed(Group& group, const TopicPartition& partition);
};

std::unique_ptr<EventLog> make_client(Broker& broker, std::string group, std::string transactional_id);

}  // namespace lacuna::streaming::simulated
