#include <gmock/gmock.h>

#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "daemon/commands/replay.h"
#include "daemon/commands/tail.h"
#include "tests/support/scratch_folder.h"
#include "tests/unit/daemon/http/fixtures.h"

// Replay writes and tail reads the same embedded log, through nothing but its interface: what one sends the
// other shows.

namespace lacuna::daemon {
namespace {

using ::testing::HasSubstr;

TEST(LogOnDisk, tail_shows_what_replay_sent) {
  const lacuna::testing::ScratchFolder scratch;
  const Config config = testing::small_config();
  std::string file;
  for (int i = 0; i < 300; ++i) {
    const Time time = testing::at("2026-01-01T00:00:00Z") + std::chrono::minutes(i);
    file += testing::event_line("p" + std::to_string(i % 17), format_rfc3339(time), 60 + i % 40) + "\n";
  }
  streaming::EmbeddedOptions where;
  where.path = scratch / "log";
  {
    auto log = streaming::make_embedded_log(where);
    ASSERT_TRUE(log.ok()) << log.status().to_string();
    ASSERT_TRUE((*log)->ensure_topics({{"lacuna.events", 3, {}}}).ok());
    auto appender = (*log)->appender();
    ASSERT_TRUE(appender.ok());
    ReplayOptions options;
    options.topic = "lacuna.events";
    options.paths = {scratch.write("events.ndjson", file)};
    ReplayReport report;
    const Status done = replay(*config.schema, options, appender->get(), real_replay_world(), report);
    ASSERT_TRUE(done.ok()) << done.to_string();
    ASSERT_EQ(report.sent, 300u);
  }
  where.read_only = true;
  auto log = streaming::make_embedded_log(where);
  ASSERT_TRUE(log.ok()) << log.status().to_string();
  auto reader = (*log)->reader();
  ASSERT_TRUE(reader.ok());
  TailOptions options;
  options.topic = "lacuna.events";
  options.from = TailOptions::From::beginning;
  options.format = TailOptions::Format::json;
  std::ostringstream out;
  ASSERT_TRUE(tail(
                  config, options, **reader, [] { return false; }, out)
                  .ok());
  std::istringstream lines(out.str());
  std::map<std::string, std::string> newest;
  std::size_t count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    const nlohmann::json event = nlohmann::json::parse(line);
    std::string& before = newest[event.at("patient_id")];
    EXPECT_LT(before, event.at("time").get<std::string>()) << "a patient's events are out of order";
    before = event.at("time");
  }
  EXPECT_EQ(count, 300u);
  EXPECT_EQ(newest.size(), 17u);
  // One patient's newest, as a person asks for it.
  options = {};
  options.topic = "lacuna.events";
  options.key = "p3";
  options.count = 1;
  std::ostringstream one;
  ASSERT_TRUE(tail(
                  config, options, **reader, [] { return false; }, one)
                  .ok());
  const std::string line = one.str();
  EXPECT_THAT(line, ::testing::StartsWith("p3 " + newest["p3"] + " vitals: hr "));
  EXPECT_EQ(line.find('\n'), line.size() - 1);
}

}  // namespace
}  // namespace lacuna::daemon
