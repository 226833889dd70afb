#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/config/config.h"
#include "state/person_records.h"
#include "state/store.h"
#include "streaming/log/event_log.h"

// How a person is forgotten on topics that are compacted (docs/identity.md).

namespace lacuna::daemon {

/// Of a patient's snapshot in the changelog. A record without value under such a key forgets the patient, with all of theirs before it.
inline constexpr std::string_view kSnapshotKeySuffix = "/tabular";
/// Header of such a record: a number that the person's first record (state::PersonState::begun) is not above.
inline constexpr std::string_view kForgottenAtHeader = "lacuna.forgotten_at";

/// Makes the learner and its checkpoints forget these patients. Before the store does: where the process ends in between, the changelog
/// says it again.
using Forget = std::function<Status(const std::vector<std::string>& patient_ids)>;

/// Whom a batch forgets. One a batch, one thread.
class Forgetting {
 public:
  /// `at`: where the record was read that says so. `before`: null, or the change of the batch whose commit is under way.
  Status add(const std::string& patient, const SourcePosition& at, const state::Store& store, const state::StateChange* before);
  /// The tombstones: before all that the batch tells of new persons with these ids.
  void encode(const Config& config, streaming::Transaction& out) const;
  std::vector<std::string> patients() const;

 private:
  struct Forgotten {
    std::set<std::int32_t> partitions;  ///< where it was said
    std::uint64_t number =
        0;  ///< the newest offset, and not below that of the person's first record, which may have come through another topic
    std::set<std::string> keys;  ///< in the changelog, of what is kept beside the snapshot
  };
  std::map<std::string, Forgotten> patients_;
};

/// What a record of the input without value says: that the person whose id its key is is forgotten. Empty where the key is no id, or where
/// persons are told apart by the site, which it does not name. Its patient_id is the plain id yet.
std::optional<Event> forgetting_event(const Config& config, const streaming::Record& tombstone);

/// The patient whom a record of the changelog forgets; empty for any other record.
std::optional<std::string_view> forgotten_by(const streaming::Record& record);
/// Whether the person of whom `known` tells began after that record. One that somebody else has put there forgets whoever is known.
bool began_after(const streaming::Record& tombstone, const state::PersonState& known);

}  // namespace lacuna::daemon
