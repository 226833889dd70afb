#pragma once

#include <optional>
#include <string>

// What librdkafka tells of itself: what may be passed through to it, and which it is.

namespace lacuna::streaming {

/// What is wrong with a property: librdkafka has none of that name (with the nearest that it has), the log sets it itself, or librdkafka
/// does not take the value. Without the value, since passwords are among them; nothing is connected to, and nothing loaded.
std::optional<std::string> kafka_property_problem(const std::string& name, const std::string& value);

/// Of the library that is loaded: "2.0.2".
std::string librdkafka_version();

}  // namespace lacuna::streaming
