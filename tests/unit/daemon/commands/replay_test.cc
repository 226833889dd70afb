#include "daemon/commands/replay.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tests/support/scratch_folder.h"
#include "tests/unit/daemon/http/fixtures.h"

// Files on disk, an appender that remembers, and a time that moves only when the replay sleeps.

namespace lacuna::daemon {
namespace {

using ::testing::HasSubstr;
using namespace std::string_literals;
using Seconds = ReplayWorld::Seconds;
using testing::event_line;

struct Sent {
  streaming::OutputRecord record;
  double at = 0;
  Time time() const { return parse_rfc3339(nlohmann::json::parse(*record.value).at("time").get<std::string>()).value(); }
};

class Fake final : public streaming::Appender {
 public:
  Status append(streaming::OutputRecord record) override {
    if (sent.size() >= fails_after) return {Code::unavailable, "the log is out of reach"};
    sent.push_back({std::move(record), now});
    unflushed += 1;
    return {};
  }
  Status flush() override {
    unflushed = 0;
    return {};
  }
  ReplayWorld world() {
    ReplayWorld w = real_replay_world();
    w.now = [this] { return Seconds(now); };
    w.sleep = [this](Seconds duration) {
      EXPECT_EQ(unflushed, 0u) << "events wait in a buffer while the replay sleeps";
      EXPECT_LE(duration.count(), 0.1 + 1e-9) << "Ctrl-C would not be heard";
      now += duration.count();
    };
    w.clock = [] { return testing::at("2026-06-01T12:00:00Z"); };
    w.stopped = [this] { return sent.size() >= stops_after; };
    return w;
  }
  std::vector<Sent> sent;
  double now = 1000;
  std::size_t unflushed = 0, fails_after = SIZE_MAX, stops_after = SIZE_MAX;
};

class Replay : public ::testing::Test {
 protected:
  Status run() { return replay(*config_.schema, options_, &appender_, appender_.world(), report_); }
  /// `patients` patients with an event each `minutes`, patient after patient, as files come.
  std::string ward(int patients, int events, int minutes) {
    std::string out;
    for (int p = 0; p < patients; ++p) {
      for (int e = 0; e < events; ++e) {
        const Time time = testing::at("2026-01-01T00:00:00Z") + std::chrono::minutes(e * minutes + p);
        out += event_line("p" + std::to_string(p), format_rfc3339(time), 60 + e) + "\n";
      }
    }
    return scratch_.write("ward.ndjson", out);
  }
  void SetUp() override { options_.topic = "lacuna.events"; }

  lacuna::testing::ScratchFolder scratch_;
  Config config_ = testing::small_config();
  ReplayOptions options_;
  Fake appender_;
  ReplayReport report_;
};

// By clinical time, over patients; each patient's events keep their order; every event once, with its patient
// as key.
TEST_F(Replay, merges_patients_by_clinical_time) {
  options_.paths = {ward(20, 30, 7)};
  ASSERT_TRUE(run().ok());
  ASSERT_EQ(appender_.sent.size(), 600u);
  std::map<std::string, int> events;
  for (std::size_t i = 0; i < appender_.sent.size(); ++i) {
    const Sent& s = appender_.sent[i];
    EXPECT_LE(appender_.sent[i == 0 ? 0 : i - 1].time(), s.time());
    const nlohmann::json message = nlohmann::json::parse(*s.record.value);
    EXPECT_EQ(s.record.key, message.at("patient_id"));
    EXPECT_EQ(message.at("values").at("hr"), 60 + events[s.record.key]++);
    EXPECT_EQ(s.record.topic, "lacuna.events");
  }
  EXPECT_EQ(report_.patients, 20u);
  EXPECT_EQ(report_.events, 600u);
  EXPECT_EQ(report_.sent, 600u);
  EXPECT_EQ(appender_.unflushed, 0u);
}

TEST_F(Replay, keeps_the_files_order_by_patient) {
  options_.paths = {ward(3, 4, 7)};
  options_.by_patient = true;
  ASSERT_TRUE(run().ok());
  ASSERT_EQ(appender_.sent.size(), 12u);
  for (std::size_t i = 0; i < 12; ++i) EXPECT_EQ(appender_.sent[i].record.key, "p" + std::to_string(i / 4));
}

// A stream's own order, patients mixed: what was recorded live is sent as it came.
TEST_F(Replay, keeps_the_order_of_mixed_lines) {
  std::string lines;
  for (int i = 0; i < 12; ++i) {
    lines +=
        event_line("p" + std::to_string(i % 3), format_rfc3339(testing::at("2026-01-01T12:00:00Z") - std::chrono::minutes(i)), 60 + i) +
        "\n";
  }
  options_.paths = {scratch_.write("stream.ndjson", lines)};
  options_.by_patient = true;
  ASSERT_TRUE(run().ok());
  ASSERT_EQ(appender_.sent.size(), 12u);
  for (std::size_t i = 0; i < 12; ++i) EXPECT_EQ(appender_.sent[i].record.key, "p" + std::to_string(i % 3));
}

// Never early, and not late: event i leaves at i / rate, within the slack; the mean rate is the one asked
// for.
TEST_F(Replay, keeps_the_rate) {
  for (const double rate : {20.0, 300.0, 5000.0}) {
    appender_ = Fake();
    report_ = {};
    options_.paths = {ward(10, 60, 5)};
    options_.rate = rate;
    ASSERT_TRUE(run().ok());
    const double start = appender_.sent.front().at;
    for (std::size_t i = 0; i < appender_.sent.size(); ++i) {
      const double due = start + static_cast<double>(i) / rate;
      EXPECT_GE(appender_.sent[i].at, due - 0.0051) << "rate " << rate << " event " << i;
      EXPECT_LE(appender_.sent[i].at, due + 0.0051) << "rate " << rate << " event " << i;
    }
  }
}

// Clinical time is scaled: an hour a minute at 60, whatever the events' density.
TEST_F(Replay, scales_clinical_time) {
  options_.paths = {ward(5, 24, 60)};
  options_.speed_up = 60;
  ASSERT_TRUE(run().ok());
  const Sent& first = appender_.sent.front();
  for (const Sent& s : appender_.sent) {
    EXPECT_NEAR(s.at - first.at, hours_between(first.time(), s.time()) * 60, 0.006);
  }
  EXPECT_NEAR(report_.seconds, 23 * 60 + 4, 0.1);  // 23 hours and 4 minutes of stays
  options_.by_patient = true;
  EXPECT_EQ(run().code(), Code::invalid);
}

// All times move by the same amount, the newest to now: distances between events are what the model learns
// from.
TEST_F(Replay, shifts_the_newest_event_to_now) {
  options_.paths = {ward(4, 10, 30)};
  ASSERT_TRUE(run().ok());
  const std::vector<Sent> before = std::move(appender_.sent);
  appender_ = Fake();
  report_ = {};
  options_.shift_to_now = true;
  ASSERT_TRUE(run().ok());
  ASSERT_EQ(appender_.sent.size(), before.size());
  EXPECT_EQ(appender_.sent.back().time(), testing::at("2026-06-01T12:00:00Z"));
  const auto shift = appender_.sent.front().time() - before.front().time();
  for (std::size_t i = 0; i < before.size(); ++i) EXPECT_EQ(appender_.sent[i].time() - before[i].time(), shift);
  EXPECT_EQ(report_.files.rows, 40u) << "the pass that looks for the newest event was counted too";
}

// A line that is no event is counted, named, and keeps no good one away.
TEST_F(Replay, tells_of_lines_that_cannot_be_read) {
  const std::string good = event_line("a", "2026-01-01T00:00:00Z", 70);
  options_.paths = {scratch_.write("mixed.ndjson", good + "\n{\"broken\n" + event_line("b", "2026-01-01T00:00:00", 70) + "\n" +
                                                       event_line("c", "2026-01-01T01:00:00Z", 71) + "\n")};
  ASSERT_TRUE(run().ok());
  EXPECT_EQ(report_.sent, 2u);
  EXPECT_EQ(total(report_.files.unreadable), 2u);
  const std::string text = format_report(report_, "lacuna.events");
  EXPECT_THAT(text, HasSubstr("2 rows or cells could not be read"));
  EXPECT_THAT(text, HasSubstr("mixed.ndjson:2"));
}

// Raw lines reach the log byte for byte, wrong ones too; the key is the patient's where it can be read.
TEST_F(Replay, raw_sends_lines_as_they_are) {
  const std::vector<std::string> lines{event_line("a", "2026-01-01T00:00:00Z", 70), "{\"broken", "[1,2]",
                                       R"({"patient_id": 7, "x":  "spaces  kept"})", R"({"patient_id":"b"})"};
  std::string file;
  for (const std::string& line : lines) file += line + "\n";
  options_.paths = {scratch_.write("raw.txt", file + "\nlast without newline")};
  options_.raw = true;
  ASSERT_TRUE(run().ok());
  ASSERT_EQ(appender_.sent.size(), 6u);
  for (std::size_t i = 0; i < lines.size(); ++i) EXPECT_EQ(*appender_.sent[i].record.value, lines[i]);
  EXPECT_EQ(*appender_.sent[5].record.value, "last without newline");
  EXPECT_EQ(appender_.sent[0].record.key, "a");
  EXPECT_EQ(appender_.sent[4].record.key, "b");
  EXPECT_EQ(report_.keyless, 4u);
  EXPECT_EQ(report_.patients, 2u);
}

// A relative CSV gets its clinical times from start and stagger.
TEST_F(Replay, reads_long_csv_with_its_mapping) {
  std::filesystem::create_directory(scratch_ / "stays");
  for (const char* id : {"101", "102"}) {
    scratch_.write(std::string("stays/") + id + ".txt",
                   "Time,Parameter,Value\n00:07,HR,73\n00:07,RespRate,19\n01:00,ALT,31\n01:00,HR,999\n01:30,"
                   "Mystery,1\n");
  }
  options_.paths = {scratch_ / "stays"};
  streaming::FileMapping& m = options_.mapping;
  m.format = streaming::FileFormat::long_csv;
  m.time_column = "Time";
  m.parameter_column = "Parameter";
  m.value_column = "Value";
  m.time_form = streaming::FileMapping::TimeForm::hours_minutes;
  m.columns = {{"HR", {"vitals", "hr", 1, 0, {}}}, {"RespRate", {"vitals", "resp_rate", 1, 0, {}}}, {"ALT", {"liver", "alt", 1, 0, {}}}};
  m.start = testing::at("2026-01-01T00:00:00Z");
  m.stagger = std::chrono::minutes(10);
  ASSERT_TRUE(run().ok());
  ASSERT_EQ(appender_.sent.size(), 4u);
  EXPECT_EQ(appender_.sent[0].time(), testing::at("2026-01-01T00:07:00Z"));
  EXPECT_EQ(appender_.sent[1].time(), testing::at("2026-01-01T00:17:00Z"));
  EXPECT_EQ(report_.patients, 2u);
  EXPECT_EQ(total(report_.files.out_of_range), 2u);
  const std::string text = format_report(report_, "lacuna.events");
  EXPECT_THAT(text, HasSubstr("2 of 4 values of \"HR\" left out"));
  EXPECT_THAT(text, HasSubstr("101.txt:5"));
  EXPECT_THAT(text, HasSubstr("2 cells of \"Mystery\" left out: no mapping"));
}

// A dry run touches no log and counts the same.
TEST_F(Replay, dry_run_sends_nothing) {
  options_.paths = {ward(4, 10, 30)};
  options_.dry_run = true;
  options_.rate = 0.001;  // and does not wait
  ASSERT_TRUE(replay(*config_.schema, options_, nullptr, appender_.world(), report_).ok());
  EXPECT_EQ(report_.events, 40u);
  EXPECT_EQ(report_.patients, 4u);
  EXPECT_EQ(report_.sent, 0u);
  EXPECT_THAT(format_report(report_, ""), HasSubstr("nothing was sent"));
}

// The report holds when the log fails or a person stops it: as many as were taken, no more.
TEST_F(Replay, failures_and_stops_keep_the_report_true) {
  options_.paths = {ward(4, 100, 1)};
  appender_.fails_after = 123;
  EXPECT_EQ(run().code(), Code::unavailable);
  EXPECT_EQ(report_.sent, 123u);
  appender_ = Fake();
  report_ = {};
  appender_.stops_after = 77;
  EXPECT_TRUE(run().ok());
  EXPECT_EQ(report_.sent, 77u);
  EXPECT_EQ(appender_.unflushed, 0u);
}

// Memory is bounded before anything is sent, with a way out in the message.
TEST_F(Replay, refuses_more_than_the_memory_bound) {
  options_.paths = {ward(4, 100, 1)};
  options_.memory_max = 20'000;
  const Status refused = run();
  EXPECT_EQ(refused.code(), Code::invalid);
  EXPECT_THAT(refused.message(), HasSubstr("--order patient"));
  EXPECT_EQ(report_.sent, 0u);
  options_.by_patient = true;
  report_ = {};
  EXPECT_TRUE(run().ok());
}

// Nothing taken is not a success: the reader of the report learns what the file is. What was read in part is no such case.
TEST_F(Replay, says_why_nothing_could_be_read) {
  options_.paths = {scratch_.write("ward.csv", "patient;time;what;value\n7;0;HR;70\n"), scratch_.write("empty.ndjson", "")};
  ASSERT_TRUE(run().ok());
  EXPECT_THAT(explain_nothing(options_, report_),
              ::testing::AllOf(HasSubstr("looks like CSV, 4 columns separated by ';'"), HasSubstr("empty.ndjson is empty")));
  options_.paths = {scratch_.write("strange.ndjson", R"({"schema_version":1,"event_id":"e","patient_id":"a","time":"2026-01-01T00:00:00Z",)"
                                                     R"("modality":"vitals","values":{"pulse":70}})")};
  report_ = {};
  ASSERT_TRUE(run().ok());
  EXPECT_EQ(report_.files.values, 0u);
  EXPECT_THAT(explain_nothing(options_, report_), HasSubstr("nothing could be read"));
  options_.paths.push_back(ward(1, 1, 1));
  report_ = {};
  ASSERT_TRUE(run().ok());
  EXPECT_EQ(explain_nothing(options_, report_), "");
  options_.raw = true;
  report_ = {};
  ASSERT_TRUE(run().ok());
  EXPECT_EQ(explain_nothing(options_, report_), "") << "raw lines are not looked at";
}

// Compressed lines are sent as the lines that they were.
TEST_F(Replay, raw_unpacks) {
  // gzip of "{\"patient_id\":\"b\"}\n"
  const std::string packed =
      "\037\213\010\000\000\000\000\000\002\003\253\126\052\110\054\311\114\315\053\211\317\114\121\262\122"
      "\112\122\252\345\002\000\355\275\317\353\023\000\000\000"s;
  options_.paths = {scratch_.write("raw.ndjson.gz", packed)};
  options_.raw = true;
  ASSERT_TRUE(run().ok());
  ASSERT_EQ(appender_.sent.size(), 1u);
  EXPECT_EQ(*appender_.sent[0].record.value, R"({"patient_id":"b"})");
  options_.paths = {scratch_.write("raw.ndjson.gz", packed.substr(0, packed.size() - 3))};
  EXPECT_FALSE(run().ok());
}

TEST_F(Replay, limits_patients) {
  options_.paths = {ward(9, 5, 1)};
  options_.patients_max = 3;
  ASSERT_TRUE(run().ok());
  EXPECT_EQ(report_.patients, 3u);
  EXPECT_EQ(report_.sent, 15u);
}

// Goal: --dry-run --strict says what `lacuna run` will refuse for its time. MIMIC's clinical times lie in the next century.
TEST_F(Replay, counts_what_is_too_far_ahead) {
  options_.paths = {scratch_.write(
      "far.ndjson", event_line("p", "2026-06-01T12:30:00Z", 60) + "\n" + event_line("p", "2180-07-23T10:00:00Z", 61) + "\n")};
  options_.dry_run = true;
  options_.future_max = std::chrono::hours(1);
  ASSERT_TRUE(run().ok());
  EXPECT_EQ(report_.future, 1u);
  EXPECT_TRUE(report_.files.lossless());
  EXPECT_FALSE(report_.lossless());
  EXPECT_THAT(format_report(report_, ""), HasSubstr("1 event further in the future than limits.future_max"));
  options_.shift_to_now = true;
  report_ = {};
  ASSERT_TRUE(run().ok());
  EXPECT_EQ(report_.future, 0u);
}

// A misspelled column of the mapping lost its values without a word (dfurtado/dataclass-csv#34).
TEST_F(Replay, names_columns_that_no_file_has) {
  options_.mapping.format = streaming::FileFormat::wide_csv;
  options_.mapping.patient_column = "id";
  options_.mapping.time_column = "t";
  options_.mapping.columns["HR"] = {"vitals", "hr", 1, 0, {}};
  options_.mapping.columns["Puls"] = {"vitals", "hr", 1, 0, {}};
  options_.mapping.columns["Heart"] = {"vitals", "hr", 1, 0, {}};
  options_.paths = {scratch_.write("a.csv", "id,t,HR\np,2026-01-01T00:00:00Z,80\n"),
                    scratch_.write("b.csv", "id,t,Heart\np,2026-01-01T01:00:00Z,80\n")};
  options_.dry_run = true;
  ASSERT_TRUE(run().ok());
  EXPECT_EQ(report_.absent, (std::set<std::string>{"Puls"}));
  EXPECT_THAT(format_report(report_, ""), HasSubstr("no file has the column \"Puls\" that the mapping names"));
  EXPECT_TRUE(report_.lossless()) << "an export may lack a column";
}

// Goal: Ctrl-C ends the look through a big file before anything is sent. Method: a stop from the beginning, and a file that has to be
// sorted.
TEST_F(Replay, stops_before_the_rows_are_sorted) {
  options_.mapping.format = streaming::FileFormat::wide_csv;
  options_.mapping.patient_column = "id";
  options_.mapping.time_column = "t";
  options_.mapping.columns["HR"] = {"vitals", "hr", 1, 0, {}};
  std::string text = "id,t,HR\n";
  for (int i = 0; i < 20'000; ++i) text += "p" + std::to_string(i % 5000) + ",2026-01-01T0" + std::to_string(i / 5000) + ":00:00Z,80\n";
  options_.paths = {scratch_.write("mixed.csv", text)};
  ReplayWorld world = appender_.world();
  std::vector<std::uint64_t> told;
  world.progress = [&](std::string_view phase, std::uint64_t done, std::uint64_t) {
    if (phase == "reading") told.push_back(done);
  };
  int asked = 0;
  world.stopped = [&] { return ++asked > 1; };
  EXPECT_TRUE(replay(*config_.schema, options_, &appender_, world, report_).ok());
  EXPECT_EQ(report_.files.rows, 0u);
  EXPECT_EQ(report_.sent, 0u);
  EXPECT_FALSE(told.empty()) << "a person sees that something goes on";
  world.stopped = [] { return false; };
  told.clear();
  report_ = {};
  EXPECT_TRUE(replay(*config_.schema, options_, &appender_, world, report_).ok());
  EXPECT_EQ(report_.sent, 20'000u);
  EXPECT_TRUE(std::ranges::is_sorted(told));
}

}  // namespace
}  // namespace lacuna::daemon
