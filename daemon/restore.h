#pragma once

#include <cstdint>
#include <functional>

#include "daemon/config.h"
#include "state/store.h"
#include "streaming/event_log.h"

namespace lacuna::daemon {

/// Brings the local store of one input partition to what the log has committed for it: replays the changelog from the
/// stored position up to "chg" (DESIGN: not to the high watermark). Does nothing when they agree. `progress` gets records
/// done and in all. `corrupt`: the store is ahead of the log, which was re-created or belongs to another group.
Status restore_partition(const Config& config, const streaming::TopicPartition& partition,
                         const streaming::Committed& committed, streaming::TopicReader& reader, state::Store& store,
                         const std::function<void(std::int64_t, std::int64_t)>& progress);

}  // namespace lacuna::daemon
