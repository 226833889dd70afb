#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "state/records/schema.h"
#include "state/records/time.h"
#include "streaming/log/event_log.h"

// What is sent in a simulation. The daemon orders the events of a batch by clinical time before it applies them, so what comes
// out could depend on where a batch ends. This stream leaves no room for that:
//   - no two events of a patient have the same time;
//   - an event is late by far or not at all, and one that is late is sent only when something newer by more than the limit has
//     been committed: in one batch with its elders it would be applied before them;
//   - a patient has fewer events than the daemon remembers ids of;
//   - a patient's last event is its newest, so that the source of the final state is known; or there is none, after one who was forgotten.

namespace lacuna::simulation {

inline constexpr Millis kLateMax{std::chrono::hours(72)};
/// A record whose text holds this and the name of a point makes the daemon fail there.
inline constexpr const char* kPoison = "poison-";
/// A dead letter with the original bytes of the largest records is larger than its topic takes.
inline constexpr std::size_t kDeadLetterBytesMax = 3000;

Schema small_schema();

class Stream {
 public:
  /// All are borrowed. `group`: whose committed positions say what may be sent late.
  Stream(std::mt19937_64& random, streaming::LogFactory& log, std::vector<std::string> topics, std::int32_t partitions, std::string group);

  void send(int records);
  /// Each patient's last event, or that they are forgotten.
  void close();

 private:
  struct Sent {
    Time time{};
    std::string text;
    std::int64_t offset = 0;
  };
  struct Patient {
    std::string id;
    streaming::TopicPartition partition;
    Time newest{};
    std::vector<Sent> accepted;
  };

  std::size_t below(std::size_t bound) { return static_cast<std::size_t>(random_() % bound); }
  std::int64_t append(const Patient& patient, std::optional<std::string> text);
  void send_event(Patient& patient, Time time);
  void send_late(Patient& patient);
  void send_refused(Patient& patient);
  void send_forgetting(Patient& patient);
  std::string event(const std::string& id, const Patient& patient, Time time, bool partial);
  Time later(const Patient& patient);

  std::mt19937_64& random_;
  std::unique_ptr<streaming::Appender> appender_;
  std::unique_ptr<streaming::EventLog> observer_;
  std::vector<Patient> patients_;
  std::map<streaming::TopicPartition, std::int64_t> ends_;
  std::uint64_t number_ = 0;
};

}  // namespace lacuna::simulation
