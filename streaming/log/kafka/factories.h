#pragma once

#include <memory>
#include <string>

#include "streaming/log/event_log.h"

// What the Kafka factory makes.

namespace lacuna::streaming::kafka {

Result<std::unique_ptr<EventLog>> make_event_log(const KafkaOptions& options, const std::string& group,
                                                 const std::string& transactional_id);
Result<std::unique_ptr<TopicReader>> make_reader(const KafkaOptions& options);
Result<std::unique_ptr<Appender>> make_appender(const KafkaOptions& options);

}  // namespace lacuna::streaming::kafka
