#include "daemon/commands/tail.h"
#include "daemon/commands/json_record.h"
#include "daemon/commands/pretty_record.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <random>
#include <sstream>

#include "state/patient.h"
#include "state/person_records.h"
#include "state/store.h"
#include "streaming/messages/dead_letter.h"
#include "streaming/messages/encoders.h"
#include "streaming/messages/refusal.h"
#include "tests/unit/daemon/http/fixtures.h"

namespace lacuna::daemon {
namespace {

using streaming::Record;
using streaming::TopicPartition;
using ::testing::HasSubstr;
using ::testing::Not;

/// A topic in memory, with gaps in its offsets, that gives a few records at a time.
class FakeReader final : public streaming::TopicReader {
 public:
  explicit FakeReader(std::size_t partitions) : partitions_(partitions) {}
  Record& add(std::size_t partition, std::int64_t offset, std::string key, std::string value) {
    Record r;
    r.position = {"t", static_cast<std::int32_t>(partition), offset};
    r.timestamp = Time(Millis(clock_++));
    r.key = std::move(key);
    r.value = std::move(value);
    return partitions_[partition].emplace_back(std::move(r));
  }
  Result<std::int32_t> partition_count(const std::string& topic) override {
    if (topic != "t") return {Code::not_found, "no topic"};
    return static_cast<std::int32_t>(partitions_.size());
  }
  Result<std::pair<std::int64_t, std::int64_t>> bounds(const TopicPartition& p) override {
    const auto& records = partitions_[static_cast<std::size_t>(p.partition)];
    if (records.empty()) return std::pair<std::int64_t, std::int64_t>(0, 0);
    return std::pair(records.front().position.offset, records.back().position.offset + 1 + missing_);
  }
  Result<std::vector<Record>> read(const TopicPartition& p, std::int64_t from, std::size_t max, Millis) override {
    reads += 1;
    if (on_read) on_read();
    std::vector<Record> out;
    for (const Record& r : partitions_[static_cast<std::size_t>(p.partition)]) {
      if (r.position.offset >= from && out.size() < std::min<std::size_t>(max, 3)) out.push_back(r);
    }
    return out;
  }
  std::vector<std::vector<Record>> partitions_;
  std::int64_t missing_ = 0;  ///< offsets that are promised and never come
  int reads = 0;
  std::function<void()> on_read;

 private:
  int clock_ = 0;
};

class Tail : public ::testing::Test {
 protected:
  std::vector<std::string> lines(FakeReader& reader) {
    std::ostringstream out;
    status_ = tail(config_, options_, reader, stopped_, out);
    std::vector<std::string> found;
    std::istringstream in(out.str());
    for (std::string line; std::getline(in, line);) found.push_back(line);
    return found;
  }
  void SetUp() override {
    options_.topic = "t";
    options_.format = TailOptions::Format::json;
  }
  Config config_ = testing::small_config();
  TailOptions options_;
  std::function<bool()> stopped_ = [] { return false; };
  Status status_;
};

// The newest N by time over all partitions, with and without a key, gaps or not: against a plain sort of
// everything.
TEST_F(Tail, the_newest_are_shown_by_time) {
  const unsigned seed = std::random_device{}();
  std::mt19937 random(seed);
  for (int round = 0; round < 200; ++round) {
    SCOPED_TRACE("seed " + std::to_string(seed) + " round " + std::to_string(round));
    FakeReader reader(1 + random() % 4);
    const bool gaps = random() % 2 == 0;
    const bool keyed = random() % 2 == 0;
    std::vector<std::int64_t> next(reader.partitions_.size());
    std::vector<std::string> all, of_key;
    for (unsigned i = 0, n = random() % 60; i < n; ++i) {
      const std::size_t p = random() % reader.partitions_.size();
      const std::string key = "k" + std::to_string(random() % 3);
      all.push_back("v" + std::to_string(i));
      if (key == "k1") of_key.push_back(all.back());
      reader.add(p, next[p], key, all.back());
      next[p] += gaps ? 1 + static_cast<int>(random() % 3) : 1;
    }
    options_.key.reset();
    if (keyed) options_.key = "k1";
    // With gaps and no key the look-back counts offsets, not records: it may show fewer, never others.
    options_.count = random() % 15;
    auto expected = keyed ? of_key : all;
    expected.erase(expected.begin(), expected.end() - static_cast<long>(std::min<std::size_t>(expected.size(), *options_.count)));
    const auto shown = lines(reader);
    ASSERT_TRUE(status_.ok()) << status_.to_string();
    if (!gaps || keyed) {
      EXPECT_EQ(shown, expected);
    } else {
      ASSERT_LE(shown.size(), expected.size());
      const auto by_age = [](const std::string& a, const std::string& b) { return std::stoi(a.substr(1)) < std::stoi(b.substr(1)); };
      EXPECT_TRUE(std::includes(all.begin(), all.end(), shown.begin(), shown.end(), by_age));
    }
  }
}

// From the beginning or an offset: every record once, in order within its partition.
TEST_F(Tail, from_the_beginning_shows_every_record_once) {
  FakeReader reader(3);
  for (int i = 0; i < 50; ++i) reader.add(static_cast<std::size_t>(i % 3), i / 3 * 2, "k", std::to_string(i));
  options_.from = TailOptions::From::beginning;
  auto shown = lines(reader);
  EXPECT_EQ(shown.size(), 50u);
  std::vector<int> last(3, -1);
  for (const std::string& line : shown) {
    EXPECT_LT(last[static_cast<std::size_t>(std::stoi(line) % 3)], std::stoi(line));
    last[static_cast<std::size_t>(std::stoi(line) % 3)] = std::stoi(line);
  }
  options_.from = TailOptions::From::offset;
  options_.offset = 20;
  EXPECT_EQ(lines(reader).size(), 50u - 30u);
  options_.partition = 1;
  options_.count = 4;
  EXPECT_EQ(lines(reader), (std::vector<std::string>{"31", "34", "37", "40"}));
  options_.from = TailOptions::From::end;
  EXPECT_TRUE(lines(reader).empty());
}

// Without --follow it ends at the end as it was, also when the log keeps growing.
TEST_F(Tail, ends_although_the_log_grows) {
  FakeReader reader(1);
  reader.add(0, 0, "k", "0");
  int added = 0;
  reader.on_read = [&] {
    if (added < 1000) {
      added += 1;
      reader.add(0, added, "k", std::to_string(added));
    }
  };
  options_.from = TailOptions::From::beginning;
  EXPECT_EQ(lines(reader), std::vector<std::string>{"0"});
}

// With --follow what comes later is shown, until it is stopped.
TEST_F(Tail, follows) {
  FakeReader reader(2);
  for (int i = 0; i < 4; ++i) reader.add(0, i, "k", std::to_string(i));
  options_.follow = true;
  options_.count = 2;
  reader.on_read = [&] {
    if (reader.reads == 10) reader.add(1, 0, "k", "new");
  };
  stopped_ = [&] { return reader.reads > 20; };
  EXPECT_EQ(lines(reader), (std::vector<std::string>{"2", "3", "new"}));
  EXPECT_TRUE(status_.ok());
}

// A record that was promised and never comes is said so: a silent end would look like the end of the topic.
TEST_F(Tail, says_when_records_do_not_come) {
  FakeReader reader(1);
  reader.add(0, 0, "k", "0");
  reader.missing_ = 2;
  options_.from = TailOptions::From::beginning;
  EXPECT_EQ(lines(reader).size(), 1u);
  EXPECT_EQ(status_.code(), Code::unavailable);
}

TEST_F(Tail, unknown_topics_and_partitions_are_told) {
  FakeReader reader(2);
  options_.partition = 2;
  lines(reader);
  EXPECT_EQ(status_.code(), Code::not_found);
  options_.topic = "u";
  lines(reader);
  EXPECT_EQ(status_.code(), Code::not_found);
}

// A reader that goes away (head, less) ends it without an error.
TEST_F(Tail, a_closed_output_ends_it) {
  FakeReader reader(1);
  for (int i = 0; i < 100; ++i) reader.add(0, i, "k", "x");
  options_.from = TailOptions::From::beginning;
  options_.follow = true;
  std::ostringstream out;
  reader.on_read = [&] { out.setstate(std::ios::badbit); };
  EXPECT_TRUE(tail(config_, options_, reader, stopped_, out).ok());
}

class Pretty : public ::testing::Test {
 protected:
  Record record(std::string value) {
    Record r;
    r.position = {"any", 2, 41};
    r.timestamp = testing::at("2026-01-01T00:07:00Z");
    r.key = "132539";
    r.value = std::move(value);
    return r;
  }
  Config config_ = testing::small_config();
  const Schema& schema_ = *config_.schema;
};

// Each kind of message, as its own encoder writes it, becomes the line a person reads.
TEST_F(Pretty, imputations) {
  Imputation i;
  i.patient_id = "132539";
  i.time = testing::at("2026-01-01T00:07:00Z");
  i.model_version = "000412-9f3c21aa";
  ImputedValue alt;
  alt.feature = 2;
  alt.mean = 31.2;
  alt.low = 9.1;
  alt.high = 88;
  i.values = {alt};
  EXPECT_EQ(pretty_record(config_, config_.topics.imputations, record(streaming::encode_imputation(schema_, i))),
            "132539 2026-01-01T00:07:00Z model 000412-9f3c21aa: liver.alt 31.2 [9.1, 88] U/L never measured\n");
  ImputedValue state;
  state.feature = 3;
  state.reason = ImputationReason::stale;
  state.probabilities = {0.75, 0.25};
  i.values.push_back(state);
  const std::string two = pretty_record(config_, config_.topics.imputations, record(streaming::encode_imputation(schema_, i)));
  EXPECT_THAT(two, HasSubstr("\n    liver.alt 31.2"));
  EXPECT_THAT(two, HasSubstr("\n    neuro.acvpu alert 75 %, voice 25 % stale\n"));
}

TEST_F(Pretty, events_and_alerts) {
  Event e;
  e.event_id = "e";
  e.patient_id = "132539";
  e.modality = 0;
  e.time = testing::at("2026-01-01T00:07:00Z");
  e.values = {{0, 73}, {1, 19}};
  EXPECT_EQ(pretty_record(config_, "lacuna.events", record(streaming::encode_event(schema_, e))),
            "132539 2026-01-01T00:07:00Z vitals: hr 73, resp_rate 19\n");
  e.values = {{0, 300, Comparator::at_least}, {1, 19}};
  EXPECT_THAT(pretty_record(config_, "lacuna.events", record(streaming::encode_event(schema_, e))),
              HasSubstr("vitals: hr >=300, resp_rate 19"));
  Alert a;
  a.alert_id = "missingness/liver@2026-01-03T05:00:00Z";
  a.summary = "liver: arrivals fell";
  a.severity = Severity::critical;
  a.evidence = 4.1e7;
  a.threshold = 3e7;
  a.contributors = {{"icu-4", 0.8}};
  const std::string alert = pretty_record(config_, config_.topics.alerts, record(streaming::encode_alert(a)));
  EXPECT_THAT(alert, HasSubstr("raised"));
  EXPECT_THAT(alert, HasSubstr("critical missingness/liver@2026-01-03T05:00:00Z: liver: arrivals fell"));
  EXPECT_THAT(alert, HasSubstr("icu-4 80 %"));
  EXPECT_THAT(alert, Not(HasSubstr("closed")));
  a.state = AlertState::resolved;
  a.resolution = Resolution::accepted;
  a.action = "learning resumed";
  a.before = 0.171;
  a.after = 0.004;
  a.effects = {{"missing_share", 0.98}, {"psi", 0.6}};
  a.earliest = testing::at("2026-01-03T04:00:00Z");
  a.latest = testing::at("2026-01-03T06:00:00Z");
  const std::string full = pretty_record(config_, config_.topics.alerts, record(streaming::encode_alert(a)));
  for (const char* part :
       {"from 0.171 to 0.004; missing share 0.98, psi 0.6\n", "began between 2026-01-03T04:00:00Z and 2026-01-03T06:00:00Z\n",
        "closed: accepted\n", "done: learning resumed\n"})
    EXPECT_THAT(full, HasSubstr(part));
}

TEST_F(Pretty, dead_letters_tell_where_and_why) {
  const streaming::OutputRecord letter =
      streaming::make_dead_letter("d", {"lacuna", "lacuna-0"}, record("{\"broken"), streaming::Refusal::malformed, "decode", "not JSON");
  Record r = record(*letter.value);
  r.headers = letter.headers;
  const std::string text = pretty_record(config_, config_.topics.dead_letters, r);
  for (const char* part : {"any/2@41", "decode", "malformed", "not JSON", "{\"broken"}) EXPECT_THAT(text, HasSubstr(part));
}

// The changelog's values are binary: a terminal gets what they are, json a line that names them.
TEST_F(Pretty, state_and_model_are_described) {
  Snapshot s = state::new_snapshot(schema_, "132539");
  s.event_count = 3;
  s.features[0].count = 2;
  s.last_time = testing::at("2026-01-01T00:07:00Z");
  const Record r = record(state::encode_snapshot(schema_, s));
  const std::string text = pretty_record(config_, config_.topics.state, r);
  EXPECT_THAT(text, HasSubstr("3 events until 2026-01-01T00:07:00Z, 1 of 4 features known"));
  EXPECT_THAT(pretty_record(config_, config_.topics.state, record("\xff\x01")), HasSubstr("2 bytes"));
  EXPECT_EQ(nlohmann::json::parse(json_record(config_, config_.topics.state, r)).at("bytes"), r.value->size());
  EXPECT_THAT(pretty_record(config_, config_.topics.model, r), HasSubstr("bytes"));
}

// Beside the snapshots the changelog holds positions, and what is kept of a person: none of them is damaged.
TEST_F(Pretty, positions_and_what_is_kept_of_a_person_are_read) {
  state::PartitionPosition position{"lacuna.events", 3, {}};
  position.position.input_next = 42;
  position.position.counts.consumed = 41;
  position.position.counts.applied = 39;
  position.position.counts.refused = 2;
  Record r = record(state::encode_position(position));
  r.key = "lacuna.events#partition";
  EXPECT_EQ(pretty_record(config_, config_.topics.state, r),
            "lacuna.events#partition: read up to 42; 41 consumed, 39 applied, 0 duplicate, 0 late, 2 refused, 0 forwarded\n");
  const auto json = nlohmann::json::parse(json_record(config_, config_.topics.state, r));
  EXPECT_EQ(json.at("position").at("next"), 42);
  EXPECT_EQ(json.at("position").at("refused"), 2);
  r.value = "\xff";
  EXPECT_THAT(pretty_record(config_, config_.topics.state, r), HasSubstr("1 bytes"));
  EXPECT_FALSE(nlohmann::json::parse(json_record(config_, config_.topics.state, r)).contains("position"));
  for (const auto& [kind, words] : {std::pair(state::PersonRecordKind::journal, "recent changes"),
                                    std::pair(state::PersonRecordKind::history, "recent results of a feature"),
                                    std::pair(state::PersonRecordKind::payloads, "payloads beside the newest"),
                                    std::pair(state::PersonRecordKind::chunk, "ids of what was delivered")}) {
    r.key = state::person_record_key("132539", kind, 16);
    EXPECT_THAT(pretty_record(config_, config_.topics.state, r), HasSubstr(words));
  }
}

// A payload is thousands of numbers: a line names its shape and what is published of it in short.
TEST_F(Pretty, payloads_are_told_in_short) {
  Record event = record(R"({"patient_id":"p","time":"t","modality":"film","payload":{"dtype":"uint8","shape":[1,28,28],"data":"AAAA"}})");
  EXPECT_EQ(pretty_record(config_, "lacuna.events", event), "p t film: uint8 [1,28,28]\n");
  event = record(R"({"patient_id":"p","time":"t","modality":"report","text":"no acute disease","attributes":{"age":54}})");
  EXPECT_EQ(pretty_record(config_, "lacuna.events", event), "p t report: text of 16 bytes, age 54\n");
  const Record imputation = record(
      R"({"patient_id":"p","time":"t","model_version":"v","values":{},"payloads":{)"
      R"("film":{"reason":"never_measured","shape":[3,8,8],"channels":[{"mean":0.5,"sd":0.25},{"mean":1},{"mean":2,"sd":3}]},)"
      R"("ecg":{"reason":"stale","shape":[2,500],"level":0.9,"mean":"AAAA","sd":"AAAA","low":"AAAA","high":"AAAA"},)"
      R"("report":{"reason":"stale","words":[{"word":"a","expected":1.5},{"word":"b"},{"word":"c"},{"word":"d"},{"word":"e"},{"word":"f"}]}}})");
  EXPECT_EQ(pretty_record(config_, config_.topics.imputations, imputation),
            "p t model v:\n    film [3,8,8] mean 0.5 sd 0.25, 1 sd ?, 2 sd 3 never measured\n    ecg [2,500] whole stale\n"
            "    report a 1.5, b, c, d, e, ... stale\n");
  for (const char* odd :
       {R"({"patient_id":"p","payload":3})", R"({"patient_id":"p","payload":{"shape":{}}})", R"({"patient_id":"p","text":[]})"}) {
    EXPECT_FALSE(pretty_record(config_, "lacuna.events", record(odd)).empty());
  }
  for (const char* odd : {R"({"values":{},"payloads":3})", R"({"values":{},"payloads":{"a":3}})",
                          R"({"values":{},"payloads":{"a":{"channels":3}}})", R"({"values":{},"payloads":{"a":{"words":[1]}}})"}) {
    EXPECT_FALSE(pretty_record(config_, config_.topics.imputations, record(odd)).empty());
  }
}

// Anything can be in a topic: no bytes make it throw, drive the terminal, or run over more than a screen.
TEST_F(Pretty, survives_any_bytes) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const std::string pieces[] = {"{",
                                "}",
                                "\"values\":",
                                "[",
                                "]",
                                "1",
                                "\"patient_id\":\"\\u001b[2J\"",
                                ",",
                                "null",
                                "\x1b[2J",
                                "\"mean\":",
                                "\"contributors\":[1]",
                                "\"interval\":[]",
                                "\"evidence\":\"x\"",
                                "\xff"};
  const std::string topics[] = {config_.topics.imputations, config_.topics.alerts, config_.topics.dead_letters,
                                config_.topics.state,       config_.topics.model,  "lacuna.events"};
  std::vector<std::string> values{R"({"values":{"m":{"f":{"mean":1,"interval":[]}}}})",
                                  R"({"values":7})",
                                  R"({"values":{"m":{"f":7}}})",
                                  R"({"patient_id":"\u001b[2J","values":[1]})",
                                  R"({"evidence":"x","threshold":1})",
                                  R"({"contributors":[1]})",
                                  R"({"before":"x","after":1,"effects":[1,"y"],"since_interval":[1]})",
                                  R"({"effects":7,"since_interval":7,"action":7,"resolution":[]})",
                                  std::string(100'000, 'x')};
  for (int i = 0; i < 2000; ++i) {
    std::string value;
    for (unsigned k = random() % 8; k > 0; --k) value += pieces[random() % std::size(pieces)];
    values.push_back(value);
  }
  for (const std::string& value : values) {
    for (const std::string& topic : topics) {
      const std::string text = pretty_record(config_, topic, record(value));
      EXPECT_EQ(text.find('\x1b'), std::string::npos) << value;
      EXPECT_LT(text.size(), 1000u);
      EXPECT_EQ(text.back(), '\n');
      const std::string json = json_record(config_, topic, record(value));
      EXPECT_EQ(json.find('\n'), json.size() - 1) << value;
    }
  }
  Record tombstone = record("");
  tombstone.value.reset();
  for (const std::string& topic : topics) EXPECT_THAT(pretty_record(config_, topic, tombstone), HasSubstr("tombstone"));
}

// What an event says of a result, a person or a stay was not shown: a line with an id and a time.
TEST_F(Tail, events_about_facts_say_what) {
  const auto shown = [this](const std::string& value) {
    Record r;
    r.value = value;
    return pretty_record(config_, config_.topics.events.front(), r);
  };
  EXPECT_EQ(shown(R"({"patient_id":"b","time":"2026-07-24T00:00:00Z","patient":{"merged_into":"c"}})"),
            "b 2026-07-24T00:00:00Z (patient merged into c)\n");
  EXPECT_EQ(shown(R"({"patient_id":"b","time":"2026-07-24T00:00:00Z","patient":{"forget":true}})"),
            "b 2026-07-24T00:00:00Z (patient forget)\n");
  EXPECT_EQ(shown(R"({"patient_id":"b","time":"2026-07-24T00:00:00Z","site":"ICU","stay":{"ends":true}})"),
            "b 2026-07-24T00:00:00Z ICU (stay ends)\n");
  EXPECT_EQ(shown(R"({"patient_id":"b","time":"2026-07-24T00:00:00Z","modality":"vitals","values":{"hr":70},"status":"entered_in_error",)"
                  R"("result":{"id":"lab-7","revision":2}})"),
            "b 2026-07-24T00:00:00Z (result lab-7 revision 2, entered in error) vitals: hr 70\n");
}

// A dead letter may hold anything: bytes that end a reader of UTF-8, or that write over a terminal (deviceinsight/kafkactl#129).
TEST_F(Tail, json_shows_no_bytes_that_are_no_text) {
  Record r;
  r.position = {"t", 1, 5};
  r.key = "k";
  for (const char* value : {"\x1b[31mred", "{\"a\":\"\xff\"}"}) {
    r.value = value;
    const auto line = nlohmann::json::parse(json_record(config_, config_.topics.dead_letters, r));
    EXPECT_TRUE(line.contains("not_text"));
    EXPECT_EQ(line.at("offset"), 5);
  }
  r.value = "{\"a\":\n1}";
  EXPECT_EQ(json_record(config_, config_.topics.dead_letters, r), "{\"a\": 1}\n");
}

}  // namespace
}  // namespace lacuna::daemon
