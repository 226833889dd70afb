#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "state/records/schema.h"
#include "state/store.h"
#include "streaming/log/event_log.h"
#include "tests/soak/traffic.h"

namespace lacuna::soak {

/// What a soak comes to. Lost: an effect that should be there and is not; duplicated: one that is there more
/// than once.
struct Verdict {
  state::RecordCounts expected;  ///< from the journal
  std::uint64_t lost = 0, duplicated = 0;
  std::uint64_t wrong = 0;  ///< neither: an effect that nothing explains
  std::uint64_t imputations = 0, dead_letters = 0, snapshots = 0;
  std::vector<std::string> examples;  ///< of what is not as it should be, the first of them
  bool clean() const { return lost == 0 && duplicated == 0 && wrong == 0; }
};

/// Holds what a read_committed consumer finds against the journal, with a model of its own: it shares no code
/// with the daemon but the decoders of what is stored. Give it every record of each topic, each partition in
/// order, then ask for the verdict.
class Verifier {
 public:
  Verifier(const Schema& schema, const Journal& journal, std::string events);

  /// The input itself: that what was acknowledged is what the log holds.
  void input(const streaming::Record& record);
  void dead_letter(const streaming::Record& record);
  void imputation(const streaming::Record& record);
  /// Snapshots of patients, and positions with their counts.
  void changelog(const streaming::Record& record);
  /// What the group has committed of an input partition.
  void committed(std::int32_t partition, std::int64_t next_offset);

  Verdict verdict();

 private:
  using Position = std::pair<std::int32_t, std::int64_t>;  // of the input
  struct Patient {
    std::uint64_t applied = 0;
    std::uint32_t counters = 0, counter_last = 0;
    std::uint32_t sequence = 0;           // the newest by clinical time
    Position newest{-1, -1};              // the newest record applied
    std::optional<std::int64_t> imputed;  // source of the newest imputation
    std::optional<Snapshot> snapshot;
  };

  const Sent* sent(const Position& position) const;
  void lose(std::uint64_t count, const std::string& what);
  void repeat(std::uint64_t count, const std::string& what);
  void blame(const std::string& what);
  void note(const std::string& what);
  void compare(std::uint64_t found, std::uint64_t expected, const std::string& what);
  void check_patient(const std::string& name, const Patient& patient);
  void check_counts(std::int32_t partition, const state::RecordCounts& found, const state::RecordCounts& expected);

  const Schema& schema_;
  const Journal& journal_;
  const std::string events_;
  std::map<std::string, Patient> patients_;
  std::vector<state::RecordCounts> counts_;  // expected, by partition
  std::map<Position, int> letters_;          // expected, and how many were found
  std::vector<std::int64_t> input_next_;
  std::map<std::int32_t, state::StoredPosition> positions_;
  std::map<std::int32_t, std::int64_t> committed_;
  Verdict verdict_;
};

/// Every record of a topic that a read_committed consumer finds.
Status read_all(streaming::TopicReader& reader, const std::string& topic, const std::function<void(const streaming::Record&)>& visit);

}  // namespace lacuna::soak
