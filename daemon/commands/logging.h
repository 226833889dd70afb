#pragma once

#include <string>

#include "daemon/config/config.h"

namespace lacuna::daemon {

/// Sets spdlog's default logger up as `logging.level` and `logging.format` say: one line a message on
/// standard error, `text` for people (coloured on a terminal), `json` for collectors:
/// {"time","level","message"}, times in UTC. The streaming libraries' own lines go the same way. False, with
/// the reason on standard error, for an unknown level or format. Call it before threads start; a second call
/// replaces the first.
bool set_up_logging(const Config& config);

/// `text` as the inside of a JSON string; bytes that are not UTF-8 become U+FFFD.
std::string json_escape(const std::string& text);

}  // namespace lacuna::daemon
