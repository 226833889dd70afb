#include "daemon/commands/logging.h"

#include <gmock/gmock.h>
#include <spdlog/spdlog.h>

#include <nlohmann/json.hpp>
#include <random>
#include <regex>
#include <sstream>

#include "streaming/log/log_sink.h"
#include "tests/unit/daemon/http/fixtures.h"

namespace lacuna::daemon {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class Logging : public ::testing::Test {
 protected:
  ~Logging() override {
    streaming::set_log_sink({});
    spdlog::set_default_logger(std::make_shared<spdlog::logger>("after-test"));
  }
  bool set_up(const char* level, const char* format) {
    Config config = testing::small_config();
    config.logging = {level, format};
    return set_up_logging(config);
  }
};

// A collector reads one JSON object a line, whatever a message holds: quotes, line breaks, bytes that are no
// UTF-8.
TEST_F(Logging, json_lines_survive_any_message) {
  std::mt19937 random(std::random_device{}());
  const unsigned seed = random();
  SCOPED_TRACE("seed " + std::to_string(seed));
  random.seed(seed);
  std::vector<std::string> messages{"plain", "\"quoted\" {brace} %v", "line\nbreak\r\ttab", "\x1b[31m", "\xff\xfe broken"};
  for (int i = 0; i < 100; ++i) {
    std::string text(random() % 40, ' ');
    for (char& c : text) c = static_cast<char>(random() % 127 + 1);
    messages.push_back(text);
  }
  ::testing::internal::CaptureStderr();
  ASSERT_TRUE(set_up("info", "json"));
  for (const std::string& m : messages) spdlog::warn("{}", m);
  std::istringstream lines(::testing::internal::GetCapturedStderr());
  std::size_t i = 0;
  for (std::string line; std::getline(lines, line); ++i) {
    const nlohmann::json parsed = nlohmann::json::parse(line, nullptr, false);
    ASSERT_TRUE(parsed.is_object()) << line;
    EXPECT_EQ(parsed.at("level"), "warning");
    EXPECT_TRUE(parse_rfc3339(parsed.at("time").get<std::string>())) << line;
    if (i == 4) {
      EXPECT_THAT(parsed.at("message").get<std::string>(), HasSubstr("broken"));
    } else {
      EXPECT_EQ(parsed.at("message"), messages[i]);
    }
  }
  EXPECT_EQ(i, messages.size());
}

// The level is the operator's: what is below it is not written, in either format.
TEST_F(Logging, the_level_is_kept) {
  for (const char* format : {"text", "json"}) {
    ::testing::internal::CaptureStderr();
    ASSERT_TRUE(set_up("warn", format));
    spdlog::info("unwanted");
    spdlog::warn("wanted");
    const std::string out = ::testing::internal::GetCapturedStderr();
    EXPECT_THAT(out, Not(HasSubstr("unwanted")));
    EXPECT_THAT(out, HasSubstr("wanted"));
  }
}

// A misspelt level must not turn all logs off in silence.
TEST_F(Logging, unknown_levels_and_formats_are_refused) {
  ::testing::internal::CaptureStderr();
  EXPECT_FALSE(set_up("wran", "text"));
  EXPECT_FALSE(set_up("info", "yaml"));
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("logging.level"));
}

// What the streaming libraries say goes through the same logger, with its severity.
TEST_F(Logging, library_lines_go_the_same_way) {
  ::testing::internal::CaptureStderr();
  ASSERT_TRUE(set_up("warn", "json"));
  streaming::log_line(3, "broker down");
  streaming::log_line(4, "broker slow");
  streaming::log_line(7, "broker chatter");
  const std::string out = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(out, HasSubstr(R"("level":"error","message":"broker down")"));
  EXPECT_THAT(out, HasSubstr(R"("level":"warning","message":"broker slow")"));
  EXPECT_THAT(out, Not(HasSubstr("chatter")));
}

}  // namespace
}  // namespace lacuna::daemon
