#pragma once

#include <string>

#include "daemon/config/config.h"
#include "streaming/log/event_log.h"

namespace lacuna::daemon {

/// One record as a line or a few for a person, with the ending newline; by the topic it is in. What does not
/// look like that topic's message is shown as bytes.
std::string pretty_record(const Config& config, const std::string& topic, const streaming::Record& record);

}  // namespace lacuna::daemon
