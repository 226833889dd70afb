#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "state/records/schema.h"
#include "state/records/time.h"
#include "streaming/log/event_log.h"
#include "streaming/messages/refusal.h"

namespace lacuna::soak {

/// What must become of a record. `partial` is applied, and goes to the dead letters for its bad part.
enum class Fate : std::uint8_t { applied, partial, duplicate, late, refused };
constexpr bool changes_state(Fate fate) { return fate == Fate::applied || fate == Fate::partial; }

/// One record as it was sent, and what must become of it.
struct Sent {
  std::uint64_t hash = 0;  ///< of key and value
  std::uint32_t patient = 0;
  std::uint32_t sequence = 0;
  Fate fate = Fate::applied;
  std::optional<streaming::Refusal> reason;  ///< of its dead letter
};

struct Outgoing {
  streaming::OutputRecord record;
  Sent sent;
};

std::string patient_name(std::uint32_t patient);
Time event_time(std::uint32_t sequence);
/// Each eighth event of a patient is of the modality labs, without the counter.
constexpr bool has_counter(std::uint32_t sequence) { return sequence % 8 != 0; }
/// A tombstone differs from an empty value.
std::uint64_t content_hash(const std::string& key, const std::optional<std::string>& value);

/// Makes the records of a soak from a seed. Each patient's events are numbered from 1 on, ten seconds of
/// clinical time apart; two that follow each other may be swapped. Among them: duplicates of recent ones,
/// events that are weeks late, bad ones of several kinds, and good ones with a bad part. What becomes of each
/// does not depend on how the daemon groups them in batches. One thread.
class Traffic {
 public:
  /// `schema` is soak.yaml's and must outlive it.
  Traffic(const Schema& schema, std::string topic, std::int32_t partitions, std::uint32_t patients, std::uint64_t seed);

  /// An event of each patient. Those of first() have to be applied before anything else is sent: only to a
  /// known patient can an event be late. After last() each patient's newest record is also the newest by
  /// clinical time.
  std::vector<Outgoing> one_each();
  /// One or two records of a random patient.
  std::vector<Outgoing> next();

 private:
  struct Patient {
    std::uint32_t sequence = 0;   ///< of the newest event
    std::uint32_t odd = 0;        ///< numbers what is not to change anything
    std::deque<Outgoing> recent;  ///< to send again
  };

  Outgoing good(std::uint32_t patient, std::uint32_t sequence, bool partial = false);
  Outgoing late(std::uint32_t patient);
  Outgoing bad(std::uint32_t patient);
  Event event(std::uint32_t patient, std::uint32_t sequence) const;
  Outgoing finish(std::uint32_t patient, std::uint32_t sequence, std::optional<std::string> value, Fate fate,
                  std::optional<streaming::Refusal> reason) const;

  const Schema& schema_;
  const std::string topic_;
  const std::int32_t partitions_;
  const ModalityId vitals_, labs_;
  const FeatureId counter_, hr_, k_;
  std::vector<Patient> patients_;
  std::mt19937_64 random_;
};

/// What was sent and acknowledged, by partition in order: the truth. A record's offset is its place, since an
/// idempotent producer writes each once and in order to topics of which it is the only writer; the verifier
/// holds that against the log. append() from one thread, the counts from any, the rest once nothing is sent
/// any more.
class Journal {
 public:
  explicit Journal(std::int32_t partitions);

  /// The records are on disk at the broker.
  void append(const std::vector<Outgoing>& batch);

  const std::vector<std::vector<Sent>>& partitions() const { return partitions_; }
  std::uint64_t size() const { return size_; }
  /// Offset after the newest record of the partition.
  std::int64_t end(std::int32_t partition) const { return ends_[partition].end; }
  /// Offset of its newest record that changes a patient; -1: none.
  std::int64_t newest_change(std::int32_t partition) const { return ends_[partition].newest_change; }

 private:
  struct End {
    std::atomic<std::int64_t> end{0}, newest_change{-1};
  };
  std::vector<std::vector<Sent>> partitions_;
  std::unique_ptr<End[]> ends_;
  std::atomic<std::uint64_t> size_ = 0;
};

}  // namespace lacuna::soak
