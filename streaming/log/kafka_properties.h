#pragma once

#include <optional>
#include <string>

// What may be passed through to librdkafka, as librdkafka itself tells.

namespace lacuna::streaming {

/// What is wrong with a property: librdkafka has none of that name (with the nearest that it has), the log sets it itself, or librdkafka
/// does not take the value. Without the value, since passwords are among them; nothing is connected to, and nothing loaded.
std::optional<std::string> kafka_property_problem(const std::string& name, const std::string& value);

}  // namespace lacuna::streaming
