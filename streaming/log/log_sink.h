#pragma once

#include <functional>
#include <string>
#include <string_view>

// Where the libraries under streaming/ send their own log lines.

namespace lacuna::streaming {

/// Syslog levels, as librdkafka uses them: 3 error, 4 warning, 6 info, 7 debug.
using LogSink = std::function<void(int level, const std::string& line)>;

/// Replaces the sink (default: warnings and worse to stderr). The sink is called from any thread, those of librdkafka
/// included: it must be thread-safe, quick, must not throw, and must not call back into the log. Lines name topics,
/// groups and hosts, never a key or a value. An empty function restores the default.
void set_log_sink(LogSink sink);

/// Writes one line to the sink.
void log_line(int level, std::string_view line);

}  // namespace lacuna::streaming
