#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/config/config.h"
#include "daemon/pipeline/degradation.h"
#include "state/records/records.h"
#include "streaming/log/event_log.h"

// Whose events they are: the person that an event means, and whether its record came with the right key, and lies where that
// belongs (docs/identity.md).

namespace lacuna::daemon {

/// What was noticed of a topic's records.
struct IdentityCounts {
  std::uint64_t wrong_keys = 0;        ///< the key is not the event's patient_id
  std::uint64_t wrong_partitions = 0;  ///< the record does not lie in the partition that the id's hash gives
  std::uint64_t site_changes = 0;      ///< see changes_site()
  IdentityCounts& operator+=(const IdentityCounts& other);
  friend bool operator==(const IdentityCounts&, const IdentityCounts&) = default;
};
/// By input topic.
using IdentityFindings = std::map<std::string, IdentityCounts>;

/// How many partitions each input topic has.
using PartitionCounts = std::map<std::string, std::int32_t>;

/// The record does not lie in the partition that this id's hash gives. Of a topic that is not in `partitions` it is not told.
bool is_misplaced(const streaming::Record& record, std::string_view patient_id, const PartitionCounts& partitions);
/// Counts the record where its key is not `patient_id`, and where it is misplaced. Returns the latter.
bool check_placement(const streaming::Record& record, std::string_view patient_id, const PartitionCounts& partitions,
                     IdentityFindings& findings);

/// Gives the event's persons (patient_id, merged_into) their keys (state/records/person_key.h) in the configured namespace. What it
/// returns is why that cannot be.
std::optional<std::string> name_person(NamespaceSource source, const std::string& topic, Event& event);

/// The event is of another site than the one at which its person, as known before, was last: two persons share an id, or nobody told of a
/// transfer. What comes late is not asked.
bool changes_site(const Snapshot& before, const Event& event);

/// Adds up what batches noticed, warns of it once, and says for how long it has been so. One thread.
class IdentityWatch {
 public:
  /// Of a batch that is durable. `now`: wall clock.
  void add(const IdentityFindings& found, Time now);
  /// Since the process started.
  const IdentityFindings& counts() const { return counts_; }
  std::vector<Degradation> degraded(Time now) const { return wrong_.degraded(now); }

 private:
  IdentityFindings counts_;
  std::set<std::string> warned_;  ///< topics
  bool warned_of_sites_ = false;
  DegradedSpell wrong_{kDegradedReasons[0]};  ///< records with a wrong key or partition
};

}  // namespace lacuna::daemon
