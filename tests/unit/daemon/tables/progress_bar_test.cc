#include "daemon/tables/progress_bar.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <sstream>

namespace lacuna::daemon {
namespace {

using ::testing::HasSubstr;
using Seconds = ProgressBar::Seconds;

struct Fake {
  std::ostringstream out;
  double now = 100;
  ProgressBar::Screen screen(bool terminal) {
    return {&out, terminal, [this] { return Seconds(now); }};
  }
  long count(char c) const {
    const std::string text = out.str();
    return std::count(text.begin(), text.end(), c);
  }
};

// A million updates must not become a million writes: at most ten redraws a second, on one line.
TEST(ProgressBar, redraws_a_terminal_at_most_ten_times_a_second) {
  Fake fake;
  ProgressBar bar("sending", "events", fake.screen(true));
  for (int i = 0; i < 10'000; ++i) {
    fake.now += 0.001;
    bar.update(static_cast<std::uint64_t>(i), 20'000);
  }
  EXPECT_LE(fake.count('\r'), 101);
  EXPECT_GE(fake.count('\r'), 80);
  EXPECT_EQ(fake.count('\n'), 0);
  bar.finish();
  EXPECT_EQ(fake.count('\n'), 1);
}

// Log files get whole lines, few of them, and nothing that only a terminal understands.
TEST(ProgressBar, writes_plain_lines_elsewhere) {
  Fake fake;
  {
    ProgressBar bar("reading", "bytes", fake.screen(false));
    for (int i = 0; i <= 600; ++i) {
      fake.now += 0.1;
      bar.update(static_cast<std::uint64_t>(i) * 500'000, 300'000'000);
    }
  }
  EXPECT_EQ(fake.count('\r'), 0);
  EXPECT_EQ(fake.count('\033'), 0);
  EXPECT_GE(fake.count('\n'), 12);
  EXPECT_LE(fake.count('\n'), 13);
  EXPECT_EQ(fake.out.str().back(), '\n');
  EXPECT_THAT(fake.out.str(), HasSubstr("MB/s"));
}

// Percent, rate and time left are what a person plans by: at a constant pace they must be right, at any pace
// and total.
TEST(ProgressBar, tells_percent_rate_and_time_left_of_a_steady_pace) {
  for (const double rate : {10.0, 3000.0, 250'000.0}) {
    Fake fake;
    const double total = rate * 400;
    ProgressBar bar("sending", "events", fake.screen(false));
    for (int i = 1; i <= 100; ++i) {
      fake.now += 1;
      bar.update(static_cast<std::uint64_t>(rate * i), static_cast<std::uint64_t>(total));
    }
    EXPECT_THAT(fake.out.str(), HasSubstr(" 25 %")) << fake.out.str();
    EXPECT_THAT(fake.out.str(), HasSubstr("5m00s left")) << fake.out.str();
  }
}

// The estimate follows the pace of now: after a stall the old rate would promise an end that does not come.
TEST(ProgressBar, time_left_follows_a_change_of_pace) {
  Fake fake;
  ProgressBar bar("sending", "events", fake.screen(false));
  std::uint64_t done = 0;
  for (int i = 0; i < 60; ++i) {
    fake.now += 1;
    bar.update(done += 1000, 1'000'000);
  }
  for (int i = 0; i < 60; ++i) {
    fake.now += 1;
    bar.update(done += 10, 1'000'000);
  }
  const std::string text = fake.out.str();
  EXPECT_THAT(text.substr(text.rfind("sending")), HasSubstr("h")) << text;
}

// 100 % is a promise that it is over, also when what is counted passes the total or it never was known.
TEST(ProgressBar, reaches_a_hundred_percent_only_at_the_end) {
  Fake fake;
  ProgressBar bar("sending", "events", fake.screen(true));
  for (std::uint64_t done : {999u, 999'499u, 999'999u}) {
    fake.now += 1;
    bar.update(done, 1'000'000);
  }
  EXPECT_THAT(fake.out.str(), ::testing::Not(HasSubstr("100 %")));
  bar.update(1'000'100, 1'000'000);
  bar.finish();
  EXPECT_THAT(fake.out.str(), HasSubstr("100 %"));
  Fake unknown;
  ProgressBar open("reading", "events", unknown.screen(true));
  unknown.now += 1;
  open.update(1'234'567, 0);
  EXPECT_THAT(unknown.out.str(), HasSubstr("1,234,567 events"));
  EXPECT_THAT(unknown.out.str(), ::testing::Not(HasSubstr("%")));
}

// Short work says nothing: the output of a script stays clean.
TEST(ProgressBar, is_silent_when_it_is_over_at_once) {
  Fake fake;
  {
    ProgressBar bar("reading", "bytes", fake.screen(true));
    bar.update(10, 10);
    fake.now += 0.05;
    bar.update(10, 10);
  }
  EXPECT_EQ(fake.out.str(), "");
}

// The text of a duration, over its three forms and at their borders.
TEST(ProgressBar, formats_durations) {
  EXPECT_EQ(format_time_left(0.4), "0s");
  EXPECT_EQ(format_time_left(59.4), "59s");
  EXPECT_EQ(format_time_left(59.6), "1m00s");
  EXPECT_EQ(format_time_left(3599.6), "1h00m");
  EXPECT_EQ(format_time_left(3725), "1h02m");
  EXPECT_EQ(format_time_left(-5), "0s");
}

}  // namespace
}  // namespace lacuna::daemon
