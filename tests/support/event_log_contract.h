#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "streaming/log/event_log.h"

// What every EventLog promises, as one suite. A test binary includes this file once and instantiates EventLogContract with
// a function that makes a LogUnderTest of its implementation.

namespace lacuna::streaming {

/// One log with nothing in it that a test did not put there: names that tests use are unique in it.
class LogUnderTest {
 public:
  virtual ~LogUnderTest() = default;
  virtual LogFactory& factory() = 0;
  /// As after a restart of the process. All that the factory made has been destroyed.
  virtual void reopen() = 0;
  /// A name of this test's own, from a readable one.
  virtual std::string name(const std::string& base) = 0;
};

struct MakeLog {
  std::function<std::unique_ptr<LogUnderTest>()> make;
};
/// Part of the tests' names in CTest: by default GoogleTest would print addresses, which change with each run.
inline void PrintTo(const MakeLog&, std::ostream* out) { *out << "log"; }

class EventLogContract : public ::testing::TestWithParam<MakeLog> {
 protected:
  static constexpr Millis kPatience{30'000};  ///< a broken log fails a test after this; a good one never waits so long
  static constexpr Millis kStep{200};

  void SetUp() override {
    seed_ = std::random_device{}();
    random_.seed(seed_);
    log_ = GetParam().make();
    if (!log_) GTEST_SKIP() << "no log to test";
  }
  void TearDown() override {
    if (HasFailure()) std::cerr << "seed " << seed_ << "\n";
  }

  LogFactory& factory() { return log_->factory(); }
  std::string name(const std::string& base) { return log_->name(base); }
  int uniform(int from, int to) { return std::uniform_int_distribution<int>(from, to)(random_); }
  std::string bytes(int most) {
    std::string text(static_cast<std::size_t>(uniform(0, most)), '\0');
    for (char& c : text) c = static_cast<char>(uniform(0, 255));
    return text;
  }

  std::string make_topic(const std::string& base, std::int32_t partitions) {
    const std::string topic = name(base);
    const Status made = factory().ensure_topics({{topic, partitions, {}}});
    EXPECT_TRUE(made.ok()) << made.to_string();
    return topic;
  }
  void append(const std::vector<OutputRecord>& records) {
    auto appender = factory().appender();
    ASSERT_TRUE(appender.ok()) << appender.status().to_string();
    for (const OutputRecord& record : records) ASSERT_TRUE((*appender)->append(record).ok());
    ASSERT_TRUE((*appender)->flush().ok());
  }
  /// `count` records with keys k0.. in turn and their number as value.
  void append_numbered(const std::string& topic, int count, int keys = 7) {
    std::vector<OutputRecord> records;
    for (int i = 0; i < count; ++i) {
      records.push_back({topic, {}, "k" + std::to_string(i % keys), std::to_string(i), {}});
    }
    append(records);
  }
  std::unique_ptr<EventLog> open(const std::string& group, const std::vector<std::string>& topics, const std::string& id = "") {
    auto log = factory().open(group, id.empty() ? group + "-id" : id);
    EXPECT_TRUE(log.ok()) << log.status().to_string();
    if (!log.ok()) return nullptr;
    const Status subscribed = (*log)->subscribe(topics, {});
    EXPECT_TRUE(subscribed.ok()) << subscribed.to_string();
    return std::move(*log);
  }
  /// Polls until there are `count` records or patience ends.
  std::vector<Record> take(EventLog& log, std::size_t count, std::size_t batch = 1000) {
    std::vector<Record> all;
    const auto end = std::chrono::steady_clock::now() + kPatience;
    while (all.size() < count && std::chrono::steady_clock::now() < end) {
      auto records = log.poll(std::min(batch, count - all.size()), kStep);
      if (records.code() == Code::unavailable) continue;
      EXPECT_TRUE(records.ok()) << records.status().to_string();
      if (!records.ok()) break;
      all.insert(all.end(), records->begin(), records->end());
    }
    return all;
  }
  /// All that a reader sees of a topic, from the start, by partition.
  std::vector<std::vector<Record>> contents(const std::string& topic) {
    auto reader = factory().reader();
    EXPECT_TRUE(reader.ok());
    const auto partitions = (*reader)->partition_count(topic);
    EXPECT_TRUE(partitions.ok()) << partitions.status().to_string();
    std::vector<std::vector<Record>> all(partitions.ok() ? static_cast<std::size_t>(*partitions) : 0);
    for (std::size_t p = 0; p < all.size(); ++p) {
      const TopicPartition partition{topic, static_cast<std::int32_t>(p)};
      const auto bounds = (*reader)->bounds(partition);
      EXPECT_TRUE(bounds.ok()) << bounds.status().to_string();
      for (std::int64_t next = bounds->first; next < bounds->second;) {
        auto records = (*reader)->read(partition, next, 500, kPatience);
        EXPECT_TRUE(records.ok() && !records->empty()) << "bounds promised more";
        if (!records.ok() || records->empty()) break;
        next = records->back().position.offset + 1;
        all[p].insert(all[p].end(), records->begin(), records->end());
      }
    }
    return all;
  }
  static std::map<TopicPartition, std::int64_t> positions_after(const std::vector<Record>& records) {
    std::map<TopicPartition, std::int64_t> next;
    for (const Record& r : records) {
      std::int64_t& offset = next[{r.position.topic, r.position.partition}];
      offset = std::max(offset, r.position.offset + 1);
    }
    return next;
  }
  static std::multiset<std::tuple<std::string, std::int32_t, std::int64_t>> places(const std::vector<Record>& records) {
    std::multiset<std::tuple<std::string, std::int32_t, std::int64_t>> all;
    for (const Record& r : records) all.insert({r.position.topic, r.position.partition, r.position.offset});
    return all;
  }

  std::random_device::result_type seed_ = 0;
  std::mt19937 random_;
  std::unique_ptr<LogUnderTest> log_;
};

// Protects: other producers and we place a key alike, and a patient's events keep their order.
TEST_P(EventLogContract, PlacesByKeyAndKeepsTheOrderOfAKey) {
  const std::string topic = make_topic("in", 5);
  append_numbered(topic, 1000, 37);
  const auto log = open(name("g"), {topic});
  const auto records = take(*log, 1000, 64);
  ASSERT_EQ(records.size(), 1000u);
  std::map<std::string, int> last;
  std::map<std::int32_t, std::int64_t> offset;
  for (const Record& r : records) {
    EXPECT_EQ(r.position.partition, partition_for(r.key, 5));
    const int number = std::stoi(*r.value);
    EXPECT_TRUE(!last.contains(r.key) || number > last[r.key]) << r.key;
    last[r.key] = number;
    EXPECT_TRUE(!offset.contains(r.position.partition) || r.position.offset > offset[r.position.partition]);
    offset[r.position.partition] = r.position.offset;
  }
  EXPECT_EQ(last.size(), 37u);
}

// Protects: bytes come back as they were: any byte in keys, values and headers, tombstones told from empty values.
TEST_P(EventLogContract, KeepsBytesHeadersAndTombstones) {
  const std::string topic = make_topic("bytes", 1);
  std::vector<OutputRecord> written = {
      {topic, 0, "gone", std::nullopt, {}}, {topic, 0, "empty", "", {{"h", ""}, {"h", "twice"}}}, {topic, 0, "", "no key", {}}};
  for (int i = 0; i < 200; ++i) {
    OutputRecord record{topic, 0, bytes(40), bytes(300), {}};
    for (int h = uniform(0, 3); h > 0; --h) record.headers.emplace_back("name" + std::to_string(h), bytes(20));
    if (i % 2 == 0) record.timestamp = Time(Millis(1'700'000'000'000 + i));
    written.push_back(record);
  }
  const std::string input = make_topic("in", 1);
  append_numbered(input, 1);
  const auto log = open(name("g"), {input});
  const auto batch = take(*log, 1);
  // Half through a transaction, half through an appender: both ways must keep them.
  const auto middle = written.begin() + 100;
  const auto done = log->commit({{written.begin(), middle}, positions_after(batch), ""});
  ASSERT_TRUE(done.ok()) << done.status().to_string();
  append({middle, written.end()});
  const auto read = contents(topic).at(0);
  ASSERT_EQ(read.size(), written.size());
  for (std::size_t i = 0; i < read.size(); ++i) {
    EXPECT_EQ(read[i].key, written[i].key);
    EXPECT_EQ(read[i].value, written[i].value) << i;
    EXPECT_EQ(read[i].headers, written[i].headers) << i;
    EXPECT_GT(read[i].timestamp.time_since_epoch().count(), 0);
    EXPECT_EQ(read[i].timestamp, written[i].timestamp.value_or(read[i].timestamp)) << i;
  }
}

// Protects the one atomic operation. Random transactions, some of which cannot be written, against a model of what must be
// visible: a reader sees all of the good ones, in order, and nothing of the others; positions move with them.
TEST_P(EventLogContract, CommitsAllOrNothing) {
  const std::string input = make_topic("in", 3);
  const std::string first = make_topic("out-a", 3), second = make_topic("out-b", 1);
  append_numbered(input, 600, 50);
  const auto log = open(name("g"), {input});
  std::map<std::pair<std::string, std::int32_t>, std::vector<std::string>> model;
  std::map<TopicPartition, std::int64_t> moved;
  std::size_t consumed = 0;
  for (int step = 0; consumed < 600 && step < 200; ++step) {
    const auto batch = take(*log, static_cast<std::size_t>(std::min(uniform(1, 60), 600 - static_cast<int>(consumed))));
    ASSERT_FALSE(batch.empty());
    Transaction transaction{{}, positions_after(batch), ""};
    for (int i = uniform(0, 30); i > 0; --i) {
      const std::string key = "k" + std::to_string(uniform(0, 9));
      transaction.outputs.push_back({uniform(0, 1) ? first : second, {}, key, bytes(50), {}});
      if (uniform(0, 1)) transaction.outputs.back().partition_key = "p" + std::to_string(uniform(0, 9));
    }
    const bool bad = uniform(0, 9) < 2;
    if (bad) transaction.outputs.push_back({second, 7, "k", "no such partition", {}});
    const auto done = log->commit(transaction);
    if (bad) {
      ASSERT_EQ(done.code(), Code::invalid) << done.status().to_string();
      continue;
    }
    ASSERT_TRUE(done.ok()) << done.status().to_string();
    EXPECT_TRUE(done->empty()) << "no changelog, no positions of it";
    consumed += batch.size();
    for (const auto& [partition, next] : transaction.next_offsets) moved[partition] = next;
    for (const OutputRecord& out : transaction.outputs) {
      const std::string& placed_by = out.partition_key.empty() ? out.key : out.partition_key;
      model[{out.topic, partition_for(placed_by, out.topic == first ? 3 : 1)}].push_back(*out.value);
    }
  }
  EXPECT_EQ(consumed, 600u);
  for (const std::string& topic : {first, second}) {
    const auto partitions = contents(topic);
    for (std::size_t p = 0; p < partitions.size(); ++p) {
      std::vector<std::string> values;
      for (const Record& r : partitions[p]) values.push_back(*r.value);
      const std::vector<std::string> expected = model[{topic, static_cast<std::int32_t>(p)}];
      EXPECT_EQ(values, expected) << topic << " " << p;
    }
  }
  for (const auto& [partition, next] : moved) {
    EXPECT_EQ(log->committed(partition, kPatience)->next_offset, next);
  }
}

// Protects: a reader that looks while transactions are written never sees a part of one.
TEST_P(EventLogContract, ShowsNoPartOfATransaction) {
  constexpr int kTransactions = 30, kOutputs = 40;
  const std::string input = make_topic("in", 1), output = make_topic("out", 1);
  append_numbered(input, kTransactions);
  const auto log = open(name("g"), {input});
  std::thread writer([&] {
    for (int t = 0; t < kTransactions; ++t) {
      const auto batch = take(*log, 1);
      Transaction transaction{{}, positions_after(batch), ""};
      for (int i = 0; i < kOutputs; ++i) transaction.outputs.push_back({output, 0, "k", std::to_string(t), {}});
      EXPECT_TRUE(log->commit(transaction).ok());
    }
  });
  auto reader = factory().reader();
  std::vector<std::string> seen;
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (seen.size() < kTransactions * kOutputs && std::chrono::steady_clock::now() < end) {
    const auto bounds = (*reader)->bounds({output, 0});
    ASSERT_TRUE(bounds.ok());
    seen.clear();
    for (std::int64_t next = 0; next < bounds->second;) {
      const auto records = (*reader)->read({output, 0}, next, 1000, kPatience);
      ASSERT_TRUE(records.ok() && !records->empty());
      for (const Record& r : *records) {
        if (r.position.offset < bounds->second) seen.push_back(*r.value);
      }
      next = records->back().position.offset + 1;
    }
    EXPECT_EQ(seen.size() % kOutputs, 0u) << "a part of a transaction is visible";
  }
  writer.join();
  EXPECT_EQ(seen.size(), static_cast<std::size_t>(kTransactions * kOutputs));
}

// Protects: after a restart reading goes on where the last commit left off: nothing twice, nothing lost.
TEST_P(EventLogContract, ResumesFromWhatWasCommitted) {
  const std::string topic = make_topic("in", 4);
  append_numbered(topic, 400, 60);
  std::vector<Record> committed;
  const std::string group = name("g");
  while (committed.size() < 400) {
    auto log = open(group, {topic});
    const std::size_t left = 400 - committed.size();
    const auto batch = take(*log, std::min<std::size_t>(left, static_cast<std::size_t>(uniform(80, 160))), 50);
    ASSERT_TRUE(log->commit({{}, positions_after(batch), ""}).ok());
    committed.insert(committed.end(), batch.begin(), batch.end());
    if (committed.size() < 400) {
      EXPECT_FALSE(take(*log, 1).empty());  // read and not committed: comes again
    }
    log.reset();
    log_->reopen();
  }
  EXPECT_EQ(places(committed).size(), 400u);
  const auto all = places(committed);
  EXPECT_EQ(std::set(all.begin(), all.end()).size(), 400u) << "something came twice";
}

// Protects: work on the next batch while one commits. What is polled, paused and resumed between the start and the end of a
// step is there once after a good one, and comes again after one that failed, with the step's own records.
TEST_P(EventLogContract, ReadsOnWhileAStepIsUnderWay) {
  const std::string input = make_topic("in", 3), output = make_topic("out", 2);
  constexpr int kRecords = 500;
  append_numbered(input, kRecords, 40);
  const auto log = open(name("g"), {input});
  std::multiset<std::string> committed;
  std::vector<Record> batch;
  for (int step = 0; committed.size() < kRecords && step < 400; ++step) {
    if (batch.empty()) batch = take(*log, 1, static_cast<std::size_t>(uniform(1, 40)));
    ASSERT_FALSE(batch.empty());
    Transaction transaction{{}, positions_after(batch), ""};
    for (const Record& r : batch) transaction.outputs.push_back({output, {}, r.key, r.value, {}});
    // One fails when it is written, one already before: either way nothing is given again until finish_commit() said so.
    const int fault = uniform(0, 5);
    const bool bad = fault < 2;
    if (fault == 0) transaction.outputs.push_back({output, 99, "k", "no such partition", {}});
    if (fault == 1) transaction.next_offsets[{input, 77}] = 1;  // not assigned
    log->start_commit(transaction);
    std::vector<Record> ahead;
    for (int polls = uniform(0, 3); polls > 0; --polls) {
      if (uniform(0, 3) == 0) {
        ASSERT_TRUE(log->pause(log->assignment()).ok());
        ASSERT_TRUE(log->resume(log->assignment()).ok());
      }
      auto more = log->poll(static_cast<std::size_t>(uniform(1, 30)), Millis(uniform(0, 20)));
      ASSERT_TRUE(more.ok()) << more.status().to_string();
      ahead.insert(ahead.end(), more->begin(), more->end());
    }
    const auto done = log->finish_commit();
    if (bad) {
      ASSERT_EQ(done.code(), fault == 0 ? Code::invalid : Code::aborted) << done.status().to_string();
      batch.clear();
      continue;
    }
    ASSERT_TRUE(done.ok()) << done.status().to_string();
    for (const Record& r : batch) committed.insert(*r.value);
    batch = std::move(ahead);
  }
  EXPECT_EQ(committed.size(), static_cast<std::size_t>(kRecords));
  EXPECT_EQ(std::set(committed.begin(), committed.end()).size(), committed.size());
  std::multiset<std::string> read;
  for (const auto& partition : contents(output)) {
    for (const Record& r : partition) read.insert(*r.value);
  }
  EXPECT_EQ(read, committed);
}

// Protects: misuse is answered, and a log that is destroyed in the middle of a step leaves all or nothing of it.
TEST_P(EventLogContract, AStepIsFinishedOnceAndOutlivesNobody) {
  const std::string input = make_topic("in", 1), output = make_topic("out", 1);
  append_numbered(input, 10);
  {
    const auto log = open(name("g"), {input});
    EXPECT_FALSE(log->finish_commit().ok()) << "nothing was started";
    const auto batch = take(*log, 10);
    log->start_commit({{{output, 0, "k", "v", {}}}, positions_after(batch), ""});
  }
  const auto log = open(name("g"), {input});
  const auto next = log->committed({input, 0}, kPatience);
  ASSERT_TRUE(next.ok()) << next.status().to_string();
  EXPECT_EQ(contents(output)[0].size(), next->next_offset == 10 ? 1u : 0u);
}

// Protects: a batch whose commit failed comes again, the same records, also when more was read after it.
TEST_P(EventLogContract, GivesAFailedBatchAgain) {
  const std::string topic = make_topic("in", 3);
  append_numbered(topic, 300, 40);
  const auto log = open(name("g"), {topic});
  const auto first = take(*log, 90);
  ASSERT_TRUE(log->commit({{}, positions_after(first), ""}).ok());
  const auto second = take(*log, 70);
  auto refused = log->commit({{{topic, 99, "k", "v", {}}}, positions_after(second), ""});
  EXPECT_EQ(refused.code(), Code::invalid);
  const auto rest = take(*log, 210, 50);
  ASSERT_EQ(rest.size(), 210u);
  const auto again = places(rest);
  EXPECT_EQ(std::set(again.begin(), again.end()).size(), 210u);
  for (const auto& place : places(second)) EXPECT_TRUE(again.contains(place));
  for (const auto& place : places(first)) EXPECT_FALSE(again.contains(place));
}

// Protects: whichever poll comes first after a failed step puts the read positions back, also one of paused partitions, and what is
// to come again comes once. A step that moves no position need not wait for it.
TEST_P(EventLogContract, PutsBackWhilePaused) {
  const std::string input = make_topic("in", 3), output = make_topic("out", 1);
  append_numbered(input, 300, 40);
  const auto log = open(name("g"), {input});
  for (int round = 0; round < 3; ++round) {
    const auto batch = take(*log, 90, 30);
    log->start_commit({{{output, 99, "k", "v", {}}}, positions_after(batch), ""});
    const bool paused_before = uniform(0, 1) == 1;
    if (paused_before) {
      ASSERT_TRUE(log->pause(log->assignment()).ok());
    }
    ASSERT_TRUE(log->poll(10, Millis(0)).ok());
    ASSERT_EQ(log->finish_commit().code(), Code::invalid);
    if (uniform(0, 1) == 1) {
      const auto alone = log->commit({{{output, 0, "k", "alone", {}}}, {}, ""});
      ASSERT_TRUE(alone.ok()) << alone.status().to_string();
    }
    if (!paused_before) {
      ASSERT_TRUE(log->pause(log->assignment()).ok());
    }
    for (int polls = uniform(1, 3); polls > 0; --polls) {
      const auto records = log->poll(10, Millis(0));
      ASSERT_TRUE(records.ok() || records.code() == Code::unavailable) << records.status().to_string();
      if (records.ok()) {
        EXPECT_TRUE(records->empty());
      }
    }
    ASSERT_TRUE(log->resume(log->assignment()).ok());
  }
  const auto all = places(take(*log, 300, 50));
  EXPECT_EQ(all.size(), 300u);
  EXPECT_EQ(std::set(all.begin(), all.end()).size(), 300u) << "something came twice";
}

// Protects: a partition that is not ours cannot be committed, and the client goes on.
TEST_P(EventLogContract, AbortsWhatIsNotAssigned) {
  const std::string topic = make_topic("in", 1), other = make_topic("other", 1);
  append_numbered(topic, 10);
  const auto log = open(name("g"), {topic});
  const auto batch = take(*log, 10);
  EXPECT_EQ(log->commit({{{other, 0, "k", "v", {}}}, {{{other, 0}, 1}}, ""}).code(), Code::aborted);
  EXPECT_TRUE(contents(other).at(0).empty());
  EXPECT_EQ(places(take(*log, 10)), places(batch));
}

// Protects the recovery of local state: "chg" is where the changelog partition ended with the last transaction that wrote
// to it, it stays when a transaction writes nothing there, and it survives a restart.
TEST_P(EventLogContract, KeepsTheChangelogPosition) {
  const std::string input = make_topic("in", 2), changelog = make_topic("state", 2);
  for (int i = 0; i < 4; ++i) append({{input, i % 2, "k", std::to_string(i), {}}});
  const std::string group = name("g");
  const TopicPartition zero{input, 0}, one{input, 1};
  std::int64_t reached = 0;
  {
    const auto log = open(group, {input});
    EXPECT_EQ(*log->committed(zero, kPatience), Committed{});
    ASSERT_EQ(take(*log, 4).size(), 4u);
    auto done = log->commit({{{changelog, 0, "a", "1", {}}, {changelog, 0, "b", std::nullopt, {}}}, {{zero, 1}, {one, 1}}, changelog});
    ASSERT_TRUE(done.ok()) << done.status().to_string();
    const auto written = contents(changelog);
    ASSERT_EQ(written.at(0).size(), 2u);
    reached = written.at(0).back().position.offset + 1;
    EXPECT_EQ(*done, (std::map<TopicPartition, std::int64_t>{{zero, reached}, {one, 0}}));
    done = log->commit({{}, {{zero, 2}}, changelog});
    ASSERT_TRUE(done.ok());
    EXPECT_EQ(done->at(zero), reached);
  }
  log_->reopen();
  const auto log = open(group, {input});
  ASSERT_EQ(take(*log, 1).size(), 1u);  // of partition one
  EXPECT_EQ(*log->committed(zero, kPatience), (Committed{2, reached}));
  EXPECT_EQ(*log->committed(one, kPatience), (Committed{1, 0}));
  const auto done = log->commit({{{changelog, 1, "c", "2", {}}}, {{zero, 2}, {one, 2}}, changelog});
  ASSERT_TRUE(done.ok()) << done.status().to_string();
  EXPECT_EQ(done->at(zero), reached);
  EXPECT_EQ(done->at(one), contents(changelog).at(1).back().position.offset + 1);
}

// Protects back-pressure: a paused partition gives nothing, the others go on, and nothing is lost or doubled by it.
TEST_P(EventLogContract, PausesAndResumes) {
  const std::string topic = make_topic("in", 3);
  append_numbered(topic, 300, 40);
  const auto log = open(name("g"), {topic});
  auto all = take(*log, 20, 20);
  const TopicPartition paused{topic, 1};
  ASSERT_TRUE(log->pause({paused}).ok());
  ASSERT_TRUE(log->pause({paused}).ok());
  for (int quiet = 0; quiet < 3;) {
    const auto records = log->poll(17, Millis(100));
    ASSERT_TRUE(records.ok());
    quiet = records->empty() ? quiet + 1 : 0;
    for (const Record& r : *records) EXPECT_NE(r.position.partition, 1);
    all.insert(all.end(), records->begin(), records->end());
  }
  EXPECT_LT(all.size(), 300u);
  ASSERT_TRUE(log->resume({paused, {topic, 0}}).ok());
  const auto rest = take(*log, 300 - all.size());
  all.insert(all.end(), rest.begin(), rest.end());
  const auto found = places(all);
  EXPECT_EQ(found.size(), 300u);
  EXPECT_EQ(std::set(found.begin(), found.end()).size(), 300u);
  EXPECT_TRUE(log->poll(10, Millis(0))->empty());
}

// Protects: "^..." takes every topic that matches and no other; the listener is told of what is assigned.
TEST_P(EventLogContract, SubscribesByPattern) {
  const std::string a = make_topic("vitals-a", 2), b = make_topic("vitals-b", 1), other = make_topic("other", 1);
  append({{a, {}, "1", "a", {}}, {b, {}, "1", "b", {}}, {other, {}, "1", "c", {}}});
  auto log = factory().open(name("g"), name("id"));
  ASSERT_TRUE(log.ok());
  std::set<TopicPartition> assigned;
  const std::string prefix = name("vitals-a").substr(0, name("vitals-a").size() - 1);
  AssignmentListener listener;
  listener.assigned = [&](const std::vector<TopicPartition>& partitions) { assigned.insert(partitions.begin(), partitions.end()); };
  ASSERT_TRUE((*log)->subscribe({"^" + prefix + "[ab]$"}, listener).ok());
  const auto records = take(**log, 2);
  ASSERT_EQ(records.size(), 2u);
  EXPECT_NE(records[0].value, records[1].value);
  EXPECT_EQ(assigned, (std::set<TopicPartition>{{a, 0}, {a, 1}, {b, 0}}));
  const auto assignment = (*log)->assignment();
  EXPECT_EQ(std::set(assignment.begin(), assignment.end()), assigned);
  EXPECT_TRUE((*log)->poll(10, kStep)->empty());
}

// Protects: lag says how much is left, and is 0 once all was polled.
TEST_P(EventLogContract, TellsTheLag) {
  const std::string topic = make_topic("in", 2);
  append_numbered(topic, 100, 20);
  const auto log = open(name("g"), {topic});
  take(*log, 100, 9);
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (log->lag() > 0 && std::chrono::steady_clock::now() < end) ASSERT_TRUE(log->poll(1, Millis(50))->empty());
  EXPECT_EQ(log->lag(), 0);
  append_numbered(topic, 50, 20);
  const auto some = take(*log, 1, 1);
  ASSERT_EQ(some.size(), 1u);
  EXPECT_GT(log->lag(), 0);
  EXPECT_LE(log->lag(), 49);
}

// Protects changelog restore and `tail`: bounds are exact although the log holds markers and failed transactions.
TEST_P(EventLogContract, ReadsWithinBounds) {
  const std::string input = make_topic("in", 1), output = make_topic("out", 2);
  append_numbered(input, 30);
  auto reader = factory().reader();
  ASSERT_TRUE(reader.ok());
  EXPECT_EQ((*reader)->partition_count(name("none")).code(), Code::not_found);
  EXPECT_EQ(*(*reader)->partition_count(output), 2);
  EXPECT_EQ((*reader)->bounds({output, 0})->first, (*reader)->bounds({output, 0})->second);
  const auto log = open(name("g"), {input});
  const auto batch = take(*log, 30);
  std::int64_t end = 0;
  for (int i = 0; i < 3; ++i) {
    const auto done = log->commit({{{output, 0, "k", std::to_string(i), {}}}, {{{input, 0}, i + 1}}, output});
    ASSERT_TRUE(done.ok()) << done.status().to_string();
    end = done->at({input, 0});
  }
  EXPECT_EQ(log->commit({{{output, 0, "k", "never", {}}, {output, 5, "k", "never", {}}}, {{{input, 0}, 9}}, output}).code(), Code::invalid);
  const auto bounds = (*reader)->bounds({output, 0});
  ASSERT_TRUE(bounds.ok());
  EXPECT_EQ(bounds->first, 0);
  EXPECT_EQ(bounds->second, end);
  const auto all = (*reader)->read({output, 0}, 0, 100, kPatience);
  ASSERT_TRUE(all.ok());
  ASSERT_EQ(all->size(), 3u);
  const auto from = (*all)[1].position.offset;
  const auto one = (*reader)->read({output, 0}, from, 1, kPatience);
  ASSERT_EQ(one->size(), 1u);
  EXPECT_EQ((*one)[0].value, "1");
  EXPECT_TRUE((*reader)->read({output, 0}, end, 10, Millis(100))->empty());
  EXPECT_TRUE((*reader)->read({output, 1}, 0, 10, Millis(100))->empty());
}

// Protects whoever counts offsets to find out whether others write to a topic: what one transaction after the other takes, its markers
// included, and what another's record adds.
TEST_P(EventLogContract, ATransactionTakesItsRecordsAndMarkers) {
  const std::string input = make_topic("in", 1), output = make_topic("out", 1);
  append_numbered(input, 30);
  auto reader = factory().reader();
  ASSERT_TRUE(reader.ok());
  // A marker may be on its way when its commit is done.
  const auto expect_end = [&](std::int64_t expected) {
    std::int64_t found = -1;
    for (const auto until = std::chrono::steady_clock::now() + kPatience; found != expected && std::chrono::steady_clock::now() < until;) {
      found = *(*reader)->end({output, 0});
    }
    EXPECT_EQ(found, expected);
  };
  expect_end(0);
  const auto log = open(name("g"), {input});
  const auto batch = take(*log, 30);
  std::int64_t end = 0;
  for (int i = 0; i < 4; ++i) {
    Transaction step{{}, {{{input, 0}, i + 1}}, output};
    for (int n = 0; n <= i; ++n) step.outputs.push_back({output, 0, "k", std::to_string(n), {}});
    const auto done = log->commit(step);
    ASSERT_TRUE(done.ok()) << done.status().to_string();
    EXPECT_EQ(done->at({input, 0}) - (i + 1), end);
    end = done->at({input, 0}) + log->marker_offsets();
    expect_end(end);
  }
  append({{output, 0, "k", "another's", {}}});
  expect_end(end + 1);
}

// Protects: groups do not disturb one another.
TEST_P(EventLogContract, KeepsGroupsApart) {
  const std::string topic = make_topic("in", 2);
  append_numbered(topic, 60, 11);
  const auto a = open(name("ga"), {topic}), b = open(name("gb"), {topic});
  const auto first = take(*a, 60);
  ASSERT_TRUE(a->commit({{}, positions_after(first), ""}).ok());
  EXPECT_EQ(places(take(*b, 60)), places(first));
  EXPECT_EQ(b->committed({topic, 0}, kPatience)->next_offset, 0);
  EXPECT_GT(a->committed({topic, 0}, kPatience)->next_offset, 0);
}

// Protects: once another client took the transactional id, the first one can write nothing more.
TEST_P(EventLogContract, FencesTheOlderClient) {
  const std::string input = make_topic("in", 1), output = make_topic("out", 1);
  append_numbered(input, 10);
  const std::string group = name("g");
  const auto older = open(group, {input}, name("id"));
  const auto batch = take(*older, 5);
  ASSERT_TRUE(older->commit({{{output, 0, "k", "before", {}}}, positions_after(batch), ""}).ok());
  const auto next = take(*older, 5);
  auto newer = factory().open(group, name("id"));
  ASSERT_TRUE(newer.ok()) << newer.status().to_string();
  EXPECT_EQ(older->commit({{{output, 0, "k", "zombie", {}}}, positions_after(next), ""}).code(), Code::fenced);
  EXPECT_EQ(older->poll(1, Millis(0)).code(), Code::fenced);
  const auto visible = contents(output).at(0);
  ASSERT_EQ(visible.size(), 1u);
  EXPECT_EQ(visible[0].value, "before");
  EXPECT_EQ((*newer)->committed({input, 0}, kPatience)->next_offset, positions_after(batch).begin()->second);
}

}  // namespace lacuna::streaming
