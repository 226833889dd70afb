#pragma once

#include <string>

#include "daemon/config/config.h"
#include "streaming/log/event_log.h"

// Records as lines of JSON, for programs. Each ends with a newline and has no other.

namespace lacuna::daemon {

/// The value as it is. What is no text, and a tombstone, is {"key", "partition", "offset"} with what can be said of it: "bytes" or
/// "tombstone"; of the changelog "position", "snapshot", "person" or "schema", of the
/// model "checkpoint", of what is known of a merged person "merged".
std::string json_record(const Config& config, const std::string& topic, const streaming::Record& record);

/// All that a record holds: {"topic", "partition", "offset", "time", "key", "headers": [{"name", "value"}], "value"}. A value is the text,
/// or null for a tombstone; where bytes are no UTF-8, the member is called "..._base64" instead.
std::string whole_record(const std::string& topic, const streaming::Record& record);

/// Its values are no text: the changelog, checkpoints, what is known of a merged person.
bool is_binary(const Config& config, const std::string& topic, const streaming::Record& record);

}  // namespace lacuna::daemon
