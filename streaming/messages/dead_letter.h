#pragma once

#include <string>
#include <string_view>

#include "streaming/log/event_log.h"
#include "streaming/messages/refusal.h"

namespace lacuna::streaming {

/// Who writes letters, as Connect names a connector and its task.
struct LetterSender {
  std::string group;
  std::string instance;
};

/// The original bytes and time stamp, and the reason as headers (Kafka Connect's names: docs/messages.md).
OutputRecord make_dead_letter(const std::string& topic, const LetterSender& sender, const Record& original, Refusal reason,
                              std::string_view stage, std::string_view message);

}  // namespace lacuna::streaming
