#include "daemon/commands/logging.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "streaming/log/log_sink.h"

namespace lacuna::daemon {

namespace {

/// %* in a pattern: the message, escaped for JSON, so that no message can break or forge a line.
class EscapedMessage final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&, spdlog::memory_buf_t& out) override {
    const std::string escaped = json_escape(std::string(message.payload.data(), message.payload.size()));
    out.append(escaped.data(), escaped.data() + escaped.size());
  }
  std::unique_ptr<custom_flag_formatter> clone() const override { return std::make_unique<EscapedMessage>(); }
};

spdlog::level::level_enum from_syslog(int level) {
  if (level <= 2) return spdlog::level::critical;
  if (level == 3) return spdlog::level::err;
  if (level == 4) return spdlog::level::warn;
  if (level <= 6) return spdlog::level::info;
  return spdlog::level::debug;
}

}  // namespace

std::string json_escape(const std::string& text) {
  std::string quoted = nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return quoted.substr(1, quoted.size() - 2);
}

bool set_up_logging(const Config& config) {
  // from_str() gives `off` for what it does not know.
  const spdlog::level::level_enum level = spdlog::level::from_str(config.logging.level);
  if (level == spdlog::level::off && config.logging.level != "off") {
    std::fprintf(stderr, "logging.level: not one of trace, debug, info, warn, error\n");
    return false;
  }
  std::shared_ptr<spdlog::logger> logger;
  if (config.logging.format == "json") {
    auto formatter = std::make_unique<spdlog::pattern_formatter>(spdlog::pattern_time_type::utc);
    formatter->add_flag<EscapedMessage>('*').set_pattern(R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l","message":"%*"})");
    logger = std::make_shared<spdlog::logger>("lacuna", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    logger->set_formatter(std::move(formatter));
  } else if (config.logging.format == "text") {
    logger = std::make_shared<spdlog::logger>("lacuna", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
    logger->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %^%-5l%$ %v", spdlog::pattern_time_type::utc);
  } else {
    std::fprintf(stderr, "logging.format: neither text nor json\n");
    return false;
  }
  logger->set_level(level);
  spdlog::set_default_logger(std::move(logger));
  streaming::set_log_sink([](int severity, const std::string& line) { spdlog::log(from_syslog(severity), "{}", line); });
  return true;
}

}  // namespace lacuna::daemon
