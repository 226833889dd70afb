#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "daemon/config/finish.h"
#include "daemon/config/keys.h"

namespace lacuna::daemon {

/// The keys under "hl7": what the messages of a hospital mean (docs/hospital-feeds.md).
void add_feed_keys(std::vector<Key>& keys);
/// As named_sections() of schema_keys.h.
std::vector<std::pair<std::string, std::function<void(Draft&, const Captures&)>>> feed_sections();

/// Reads hl7.codes_file and holds the map against the schema.
void finish_feed(Draft& draft, const Schema& schema, const ComplainAt& complain);

}  // namespace lacuna::daemon
