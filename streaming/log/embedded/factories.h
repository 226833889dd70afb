#pragma once

#include <memory>
#include <string>

#include "streaming/log/embedded/database.h"

// What the factory of the embedded log makes.

namespace lacuna::streaming::embedded {

Result<std::unique_ptr<EventLog>> make_event_log(std::shared_ptr<Database> database, const std::string& group,
                                                 const std::string& transactional_id);

/// How many records each partition gives to one batch of `max_records`: as even as what is there allows, so that a
/// partition with a long backlog does not starve the others. `available[i]` >= 0; what does not divide goes to the
/// partitions from `first` on, in turn.
std::vector<std::size_t> fair_shares(const std::vector<std::int64_t>& available, std::size_t max_records, std::size_t first);

}  // namespace lacuna::streaming::embedded
