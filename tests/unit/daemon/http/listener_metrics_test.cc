#include "daemon/http/listener_metrics.h"

#include <gtest/gtest.h>

#include <regex>
#include <set>

#include "tests/unit/daemon/http/exposition.h"

// What a scraper of `lacuna feed --mllp` relies on: each message is in one outcome, every series is there from the start, names are of one
// form.

namespace lacuna::daemon {
namespace {

using streaming::mllp::ListenerCounts;
using testing::parse_exposition;
using testing::Sample;

TEST(ListenerMetrics, EachMessageIsInOneOutcomeOrWaits) {
  ListenerCounts counts;
  counts.messages = 21;
  counts.written = 8;
  counts.duplicates = 1;
  counts.ignored = 2;
  counts.failed = 3;
  counts.refused[0] = 4;
  counts.refused[1] = 1;
  counts.in_flight = 2;
  const auto out = parse_exposition(listener_prometheus_text(counts, {}));
  EXPECT_EQ(out.sum("lacuna_mllp_outcomes_total") + out.sum("lacuna_mllp_waiting_messages"), out.sum("lacuna_mllp_messages_total"));
  EXPECT_EQ(out.sum("lacuna_mllp_refused_total"), 5);
  EXPECT_EQ(out.sum("lacuna_mllp_log_available"), 1);
  EXPECT_EQ(parse_exposition(listener_prometheus_text(counts, {Code::unavailable, "x"})).sum("lacuna_mllp_log_available"), 0);
}

TEST(ListenerMetrics, EverySeriesIsThereFromTheStartAndWellFormed) {
  const auto out = parse_exposition(listener_prometheus_text({}, {}));
  EXPECT_EQ(out.of("lacuna_mllp_answers_total").size(), 6u);
  EXPECT_EQ(out.of("lacuna_mllp_closed_connections_total").size(), 6u);
  EXPECT_EQ(out.of("lacuna_mllp_refused_total").size(), streaming::kRefusalCount);
  const std::regex form("lacuna_mllp_[a-z][a-z0-9_]+");
  std::set<std::pair<std::string, std::map<std::string, std::string>>> seen;
  for (const Sample& s : out.samples) {
    EXPECT_TRUE(std::regex_match(s.name, form)) << s.name;
    EXPECT_TRUE(seen.emplace(s.name, s.labels).second) << s.name << " twice";
    for (const auto& [label, value] : s.labels)
      EXPECT_TRUE(label == "reason" || label == "outcome" || label == "code" || label == "le") << label;
  }
}

TEST(ListenerMetrics, AnswersFormAHistogram) {
  ListenerCounts counts;
  for (const double seconds : {0.0005, 0.003, 0.003, 0.5, 1000.0}) counts.durations.add(seconds);
  const auto out = parse_exposition(listener_prometheus_text(counts, {}));
  EXPECT_EQ(out.sum("lacuna_mllp_answer_seconds_count"), 5);
  EXPECT_NEAR(out.sum("lacuna_mllp_answer_seconds_sum"), 1000.5065, 1e-9);
  double last = 0;
  for (const Sample& s : out.of("lacuna_mllp_answer_seconds_bucket")) {
    EXPECT_GE(s.value, last) << s.labels.at("le");
    last = s.value;
  }
  EXPECT_EQ(last, 5);
}

}  // namespace
}  // namespace lacuna::daemon
