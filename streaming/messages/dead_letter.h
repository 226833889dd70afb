#pragma once

#include <string>
#include <string_view>

#include "streaming/log/event_log.h"
#include "streaming/messages/refusal.h"

namespace lacuna::streaming {

/// The original bytes and the reason as headers (Kafka Connect's names: docs/messages.md). `part` is given when only a
/// part of the event was refused.
OutputRecord make_dead_letter(const std::string& topic, const Record& original, Refusal reason, std::string_view stage,
                              std::string_view message);

}  // namespace lacuna::streaming
