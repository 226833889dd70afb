#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <random>
#include <set>
#include <sstream>
#include <thread>

#include "streaming/event_log.h"
#include "tests/integration/kafka_broker.h"

// What only a real broker shows: foreign clients, other members of the group, a broker that dies.

namespace lacuna::streaming {
namespace {

constexpr Millis kPatience{60'000};
constexpr Millis kStep{200};

class KafkaLog : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto broker = integration::broker();
    if (!broker) GTEST_SKIP() << "no broker: set LACUNA_TEST_KAFKA, or let CTest start one (Maven Central is needed)";
    broker_ = *broker;
    auto made = make_kafka_log({.bootstrap_servers = broker_.bootstrap, .properties = {}});
    ASSERT_TRUE(made.ok());
    factory_ = std::move(*made);
  }
  std::string make_topic(const std::string& base, std::int32_t partitions) {
    const std::string topic = integration::unique_name(base);
    const Status made = factory_->ensure_topics({{topic, partitions, {}}});
    EXPECT_TRUE(made.ok()) << made.to_string();
    return topic;
  }
  void append_numbered(const std::string& topic, int from, int to) {
    auto appender = factory_->appender();
    for (int i = from; i < to; ++i) {
      ASSERT_TRUE((*appender)->append({topic, {}, "k" + std::to_string(i), std::to_string(i), {}}).ok());
    }
    ASSERT_TRUE((*appender)->flush().ok());
  }
  std::unique_ptr<EventLog> open(const std::string& group, const std::string& id, const std::string& topic,
                                 AssignmentListener listener = {}) {
    auto log = factory_->open(group, id);
    EXPECT_TRUE(log.ok()) << log.status().to_string();
    EXPECT_TRUE((*log)->subscribe({topic}, std::move(listener)).ok());
    return std::move(*log);
  }
  std::vector<Record> take(EventLog& log, std::size_t count, Millis patience = kPatience) {
    std::vector<Record> all;
    const auto end = std::chrono::steady_clock::now() + patience;
    while (all.size() < count && std::chrono::steady_clock::now() < end) {
      auto records = log.poll(count - all.size(), kStep);
      if (records.ok()) all.insert(all.end(), records->begin(), records->end());
    }
    return all;
  }
  std::vector<Record> contents(const std::string& topic) {
    std::vector<Record> all;
    auto reader = factory_->reader();
    const auto partitions = (*reader)->partition_count(topic);
    EXPECT_TRUE(partitions.ok());
    for (std::int32_t p = 0; p < *partitions; ++p) {
      const auto bounds = (*reader)->bounds({topic, p});
      EXPECT_TRUE(bounds.ok()) << bounds.status().to_string();
      for (auto next = bounds->first; next < bounds->second;) {
        const auto records = (*reader)->read({topic, p}, next, 1000, kPatience);
        EXPECT_TRUE(records.ok() && !records->empty());
        if (!records.ok() || records->empty()) break;
        next = records->back().position.offset + 1;
        all.insert(all.end(), records->begin(), records->end());
      }
    }
    return all;
  }
  static std::map<TopicPartition, std::int64_t> positions_after(const std::vector<Record>& records) {
    std::map<TopicPartition, std::int64_t> next;
    for (const Record& r : records) {
      auto& offset = next[{r.position.topic, r.position.partition}];
      offset = std::max(offset, r.position.offset + 1);
    }
    return next;
  }
  /// One step of the work: each record read becomes one output with its value.
  static Transaction echo(const std::vector<Record>& records, const std::string& output) {
    Transaction transaction{{}, positions_after(records), ""};
    for (const Record& r : records) transaction.outputs.push_back({output, {}, r.key, r.value, {}});
    return transaction;
  }
  std::string kcat(const std::string& arguments, const std::string& input = "") {
    const auto output = integration::run("kcat -b " + broker_.bootstrap + " " + arguments, input);
    EXPECT_TRUE(output.has_value()) << arguments;
    return output.value_or("");
  }

  integration::Broker broker_;
  std::unique_ptr<LogFactory> factory_;
};

// Protects: what another producer writes with the Java client's placement lands where we would have put it, and we read it.
TEST_F(KafkaLog, ReadsWhatKcatWrites) {
  const std::string topic = make_topic("foreign", 7);
  std::string lines;
  for (int i = 0; i < 500; ++i) lines += "patient-" + std::to_string(i) + "\t{\"n\":" + std::to_string(i) + "}\n";
  kcat("-P -t " + topic + " -K '\t' -X topic.partitioner=murmur2_random -H origin=kcat", lines);
  const auto log = open(integration::unique_name("g"), integration::unique_name("id"), topic);
  const auto records = take(*log, 500);
  ASSERT_EQ(records.size(), 500u);
  std::set<std::string> values;
  for (const Record& r : records) {
    EXPECT_EQ(r.position.partition, partition_for(r.key, 7)) << r.key;
    EXPECT_EQ(r.headers, (Headers{{"origin", "kcat"}}));
    values.insert(*r.value);
  }
  EXPECT_EQ(values.size(), 500u);
}

// Protects: other consumers see what we committed, with key, partition, headers and tombstone as Kafka means them, and
// nothing of what was refused.
TEST_F(KafkaLog, WritesWhatKcatReads) {
  const std::string input = make_topic("in", 1), output = make_topic("out", 3);
  append_numbered(input, 0, 20);
  const auto log = open(integration::unique_name("g"), integration::unique_name("id"), input);
  auto batch = take(*log, 20);
  Transaction bad = echo(batch, output);
  bad.outputs.push_back({output, 17, "k", "no such partition", {}});
  EXPECT_EQ(log->commit(bad).code(), Code::invalid);
  batch = take(*log, 20);
  Transaction transaction = echo(batch, output);
  transaction.outputs.push_back({output, {}, "gone", std::nullopt, {{"h", "1"}}});
  ASSERT_TRUE(log->commit(transaction).ok());
  std::istringstream lines(kcat("-C -e -q -t " + output + " -X isolation.level=read_committed -f '%k %p %S %h\\n'"));
  std::multiset<std::string> seen, expected;
  for (std::string line; std::getline(lines, line);) seen.insert(line);
  for (const OutputRecord& out : transaction.outputs) {
    expected.insert(out.key + " " + std::to_string(partition_for(out.key, 3)) + " " +
                    (out.value ? std::to_string(out.value->size()) : "-1") + (out.headers.empty() ? " " : " h=1"));
  }
  EXPECT_EQ(seen, expected);
}

// Protects exactly-once while partitions move: a second member joins in the middle and the first one leaves at the end.
// Each input comes out once.
TEST_F(KafkaLog, SharesTheWorkWithAnotherMember) {
  constexpr int kRecords = 4000;
  const std::string input = make_topic("in", 6), output = make_topic("out", 3);
  append_numbered(input, 0, kRecords);
  const std::string group = integration::unique_name("g");
  std::set<TopicPartition> first_has, second_has;
  const auto track = [](std::set<TopicPartition>& has) {
    AssignmentListener listener;
    listener.assigned = [&has](const auto& partitions) { has.insert(partitions.begin(), partitions.end()); };
    listener.revoked = [&has](const auto& partitions, bool) {
      for (const auto& partition : partitions) has.erase(partition);
    };
    return listener;
  };
  const auto step = [&](EventLog& log) {
    const auto records = log.poll(100, Millis(50));
    if (!records.ok() || records->empty()) return std::size_t{0};
    const auto done = log.commit(echo(*records, output));
    EXPECT_TRUE(done.ok() || done.code() == Code::aborted) << done.status().to_string();
    return done.ok() ? records->size() : 0;
  };
  std::size_t done = 0;
  auto first = open(group, integration::unique_name("a"), input, track(first_has));
  while (done < 500) done += step(*first);
  EXPECT_EQ(first_has.size(), 6u);
  const auto second = open(group, integration::unique_name("b"), input, track(second_has));
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (second_has.size() < 3 && std::chrono::steady_clock::now() < end) done += step(*first) + step(*second);
  EXPECT_EQ(first_has.size(), 3u);
  for (const auto& partition : second_has) EXPECT_FALSE(first_has.contains(partition));
  append_numbered(input, kRecords, 2 * kRecords);
  first.reset();
  while (done < 2 * kRecords && std::chrono::steady_clock::now() < end) done += step(*second);
  EXPECT_EQ(done, static_cast<std::size_t>(2 * kRecords));
  std::multiset<std::string> values;
  for (const Record& r : contents(output)) values.insert(*r.value);
  EXPECT_EQ(values.size(), static_cast<std::size_t>(2 * kRecords));
  EXPECT_EQ(std::set(values.begin(), values.end()).size(), values.size()) << "an input came out twice";
}

// Protects: the work-around for librdkafka's faults around cooperative rebalances, pauses and seeks (its issues 4059, 4637, 4783):
// members come and go while a step is under way, partitions are paused and resumed, and each record comes out once all the same.
TEST_F(KafkaLog, GivesEachRecordOnceWhileMembersComeAndGo) {
  constexpr int kRecords = 6000, kVisits = 6;
  const std::string input = make_topic("in", 6), output = make_topic("out", 3);
  append_numbered(input, 0, kRecords);
  const std::string group = integration::unique_name("g");
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  std::size_t done = 0;
  /// One step as the daemon makes it: reads on while it commits; a failed step takes what was read with it.
  struct Member {
    std::unique_ptr<EventLog> log;
    std::vector<Record> batch;
    bool under_way = false, spoiled = false;
    std::size_t moving = 0;
  };
  const auto finish = [&](Member& m) {
    if (!m.under_way) return;
    m.under_way = false;
    const auto outcome = m.log->finish_commit();
    EXPECT_TRUE(outcome.ok() || outcome.code() == Code::aborted) << outcome.status().to_string();
    if (outcome.ok()) done += m.moving;
    else m.spoiled = true;
  };
  const auto join = [&](Member& m) {
    AssignmentListener listener;
    listener.revoked = [&](const auto&, bool) { finish(m); };
    m.log = open(group, integration::unique_name("m"), input, std::move(listener));
  };
  const auto step = [&](Member& m) {
    if (random() % 4 == 0) {
      EXPECT_TRUE(m.log->pause(m.log->assignment()).ok());
      EXPECT_TRUE(m.log->poll(10, Millis(0)).ok());
      EXPECT_TRUE(m.log->resume(m.log->assignment()).ok());
    }
    auto records = m.log->poll(60, Millis(20));
    if (records.ok()) m.batch = std::move(*records);
    finish(m);
    if (std::exchange(m.spoiled, false)) m.batch.clear();
    if (m.batch.empty()) return;
    m.moving = m.batch.size();
    m.log->start_commit(echo(std::exchange(m.batch, {}), output));
    m.under_way = true;
  };
  Member resident, visitor;
  join(resident);
  const auto end = std::chrono::steady_clock::now() + 2 * kPatience;
  for (int visit = 0; visit < kVisits; ++visit) {
    join(visitor);
    const std::size_t share = (static_cast<std::size_t>(visit) + 1) * kRecords / (kVisits + 1);
    while (done < share && std::chrono::steady_clock::now() < end) {
      step(resident);
      step(visitor);
    }
    finish(visitor);
    visitor = {};
  }
  while (done < kRecords && std::chrono::steady_clock::now() < end) step(resident);
  finish(resident);
  EXPECT_EQ(done, static_cast<std::size_t>(kRecords));
  std::multiset<std::string> values;
  for (const Record& r : contents(output)) values.insert(*r.value);
  EXPECT_EQ(values.size(), static_cast<std::size_t>(kRecords));
  EXPECT_EQ(std::set(values.begin(), values.end()).size(), values.size()) << "an input came out twice";
}

// Protects: a client whose partitions went to another member cannot commit for them, and can still be closed.
TEST_F(KafkaLog, RefusesTheCommitOfAMemberThatWasLeftOut) {
  const std::string input = make_topic("in", 1), output = make_topic("out", 1);
  append_numbered(input, 0, 10);
  const std::string group = integration::unique_name("g");
  auto slow_factory = make_kafka_log({.bootstrap_servers = broker_.bootstrap,
                                      .properties = {{"session.timeout.ms", "6000"}, {"max.poll.interval.ms", "6000"}}});
  ASSERT_TRUE(slow_factory.ok());
  auto slow = (*slow_factory)->open(group, integration::unique_name("slow"));
  ASSERT_TRUE((*slow)->subscribe({input}, {}).ok());
  const auto batch = take(**slow, 10);
  ASSERT_EQ(batch.size(), 10u);
  // The slow one does not poll: the group gives its partition to the other one.
  const auto other = open(group, integration::unique_name("other"), input);
  const auto again = take(*other, 10);
  ASSERT_EQ(again.size(), 10u);
  ASSERT_TRUE(other->commit(echo(again, output)).ok());
  EXPECT_EQ((*slow)->commit(echo(batch, output)).code(), Code::aborted);
  slow->reset();  // librdkafka no longer names a rebalance protocol here
  EXPECT_EQ(contents(output).size(), 10u);
}

// Protects: the broker dies without warning in the middle of the work and comes back; the work goes on by itself and each
// input comes out once.
TEST_F(KafkaLog, GoesOnAfterTheBrokerDied) {
  if (broker_.folder.empty()) GTEST_SKIP() << "the broker of LACUNA_TEST_KAFKA is not ours to restart";
  constexpr int kRecords = 3000;
  const std::string input = make_topic("in", 2), output = make_topic("out", 2);
  append_numbered(input, 0, kRecords);
  const auto log = open(integration::unique_name("g"), integration::unique_name("id"), input);
  std::size_t done = 0, failures = 0;
  bool killed = false;
  std::thread restart;
  const auto end = std::chrono::steady_clock::now() + 2 * kPatience;
  while (done < kRecords && std::chrono::steady_clock::now() < end) {
    const auto records = log->poll(150, kStep);
    if (!records.ok()) {
      EXPECT_EQ(records.code(), Code::unavailable) << records.status().to_string();
      ++failures;
      continue;
    }
    if (records->empty()) continue;
    if (!killed && done > 1000) {
      killed = true;
      // Dies while the transaction below is under way, and is back a little later.
      restart = std::thread([this] { EXPECT_TRUE(integration::control(broker_, "kill") && integration::control(broker_, "start")); });
    }
    const auto committed = log->commit(echo(*records, output));
    if (committed.ok()) {
      done += records->size();
    } else {
      ++failures;
      ASSERT_EQ(committed.code(), Code::aborted) << committed.status().to_string();
    }
  }
  if (restart.joinable()) restart.join();
  EXPECT_TRUE(killed);
  EXPECT_EQ(done, static_cast<std::size_t>(kRecords));
  std::multiset<std::string> values;
  for (const Record& r : contents(output)) values.insert(*r.value);
  EXPECT_EQ(values.size(), static_cast<std::size_t>(kRecords));
  EXPECT_EQ(std::set(values.begin(), values.end()).size(), values.size()) << "an input came out twice";
  RecordProperty("failures", static_cast<int>(failures));
}

// Protects: a permission that is taken away is waited for, said plainly, and blamed on no record; once it is back everything
// comes out once. Method: the broker's own access control lists, denied and allowed again one by one under work.
TEST_F(KafkaLog, WaitsForPermissionsThatWereTakenAway) {
  if (broker_.folder.empty()) GTEST_SKIP() << "the broker of LACUNA_TEST_KAFKA is not ours to administer";
  const std::string input = make_topic("in", 1), output = make_topic("out", 1);
  const std::string group = integration::unique_name("g"), id = integration::unique_name("id");
  auto log = open(group, id, input);
  std::size_t done = 0;
  const auto work_until = [&](const std::function<bool(Code, const std::string&)>& reached) {
    const auto end = std::chrono::steady_clock::now() + 2 * kPatience;
    while (std::chrono::steady_clock::now() < end) {
      const auto records = log->poll(50, kStep);
      Status outcome = records.status();
      if (records.ok() && !records->empty()) {
        const auto committed = log->commit(echo(*records, output));
        outcome = committed.status();
        if (committed.ok()) done += records->size();
      }
      EXPECT_TRUE(outcome.ok() || outcome.code() == Code::unavailable || outcome.code() == Code::aborted) << outcome.to_string();
      if (reached(outcome.code(), outcome.message())) return true;
    }
    return false;
  };
  std::size_t sent = 0;
  const std::vector<std::string> resources{"--topic " + output + " --operation Write",
                                           "--transactional-id " + id + " --operation Write",
                                           "--group " + group + " --operation Read"};
  for (const std::string& resource : resources) {
    SCOPED_TRACE(resource);
    append_numbered(input, static_cast<int>(sent), static_cast<int>(sent) + 100);
    sent += 100;
    ASSERT_TRUE(work_until([&](Code, const std::string&) { return done == sent; }));
    ASSERT_TRUE(integration::control(broker_, "acl", "--add --deny-principal User:ANONYMOUS " + resource));
    append_numbered(input, static_cast<int>(sent), static_cast<int>(sent) + 100);
    sent += 100;
    EXPECT_TRUE(work_until([](Code code, const std::string& message) {
      return code != Code::ok && message.find("uthorization") != std::string::npos;
    })) << "not said what is missing";
    const std::size_t before = done;
    ASSERT_TRUE(integration::control(broker_, "acl", "--remove --deny-principal User:ANONYMOUS " + resource));
    EXPECT_LT(before, sent) << "done without permission";
    EXPECT_TRUE(work_until([&](Code, const std::string&) { return done == sent; })) << "did not go on";
  }
  std::multiset<std::string> values;
  for (const Record& r : contents(output)) values.insert(*r.value);
  EXPECT_EQ(values.size(), sent);
  EXPECT_EQ(std::set(values.begin(), values.end()).size(), sent) << "an input came out twice";
}

// Protects: a broker that stands still past the transaction's timeout, connections open. Whatever the outcome of the commit
// under way is called, it is what a reader sees, and a client (a new one, where this one is dead) goes on from there.
TEST_F(KafkaLog, GoesOnAfterTheBrokerStoodStill) {
  if (broker_.folder.empty()) GTEST_SKIP() << "the broker of LACUNA_TEST_KAFKA is not ours to stop";
  const std::string input = make_topic("in", 1), output = make_topic("out", 1);
  const std::string group = integration::unique_name("g"), id = integration::unique_name("id");
  append_numbered(input, 0, 200);
  auto impatient = make_kafka_log({.bootstrap_servers = broker_.bootstrap,
                                   .properties = {{"session.timeout.ms", "6000"}},
                                   .transaction_timeout = Millis(2000),
                                   .request_timeout = Millis(2000)});
  ASSERT_TRUE(impatient.ok());
  std::unique_ptr<EventLog> log;
  const auto join = [&] {
    const auto end = std::chrono::steady_clock::now() + 2 * kPatience;
    while (!log && std::chrono::steady_clock::now() < end) {
      auto opened = (*impatient)->open(group, id);
      ASSERT_TRUE(opened.ok() || opened.code() == Code::unavailable) << opened.status().to_string();
      if (opened.ok()) log = std::move(*opened);
    }
    ASSERT_TRUE(log);
    ASSERT_TRUE(log->subscribe({input}, {}).ok());
  };
  join();
  auto batch = take(*log, 50);
  log->start_commit(echo(batch, output));
  ASSERT_TRUE(integration::control(broker_, "pause"));
  std::thread resume([this] {
    std::this_thread::sleep_for(std::chrono::seconds(4));
    EXPECT_TRUE(integration::control(broker_, "resume"));
  });
  std::size_t done = 0;
  auto outcome = log->finish_commit();
  resume.join();
  const auto end = std::chrono::steady_clock::now() + 4 * kPatience;
  for (;;) {
    if (outcome.ok()) {
      done += batch.size();
    } else if (outcome.code() == Code::fenced || outcome.code() == Code::internal) {
      log.reset();
      join();
      // What this client has done is what the group says.
      const auto committed = log->committed({input, 0}, kPatience);
      if (committed.ok()) done = static_cast<std::size_t>(committed->next_offset);
    } else {
      ASSERT_EQ(outcome.code(), Code::aborted) << outcome.status().to_string();
    }
    if (done >= 200 || std::chrono::steady_clock::now() > end) break;
    auto polled = log->poll(50, kStep);
    batch = polled.ok() ? std::move(*polled) : std::vector<Record>();
    if (batch.empty()) {
      outcome = Status(Code::aborted, "nothing yet");
      continue;
    }
    outcome = log->commit(echo(batch, output));
  }
  std::multiset<std::string> values;
  for (const Record& r : contents(output)) values.insert(*r.value);
  EXPECT_EQ(values.size(), 200u);
  EXPECT_EQ(std::set(values.begin(), values.end()).size(), values.size()) << "an input came out twice";
}

// Protects: a patient's events that come through two topics reach one member. Two members, two topics of six partitions.
TEST_F(KafkaLog, KeepsPartitionsOfTheSameNumberTogether) {
  const std::string first = make_topic("labs", 6), second = make_topic("vitals", 6);
  const std::string group = integration::unique_name("g");
  std::array<std::unique_ptr<EventLog>, 2> members;
  for (auto& member : members) {
    auto opened = factory_->open(group, integration::unique_name("id"));
    ASSERT_TRUE(opened.ok()) << opened.status().to_string();
    member = std::move(*opened);
    ASSERT_TRUE(member->subscribe({first, second}, {}).ok());
  }
  const auto end = std::chrono::steady_clock::now() + kPatience;
  const auto shared = [&] { return members[0]->assignment().size() == 6 && members[1]->assignment().size() == 6; };
  while (!shared() && std::chrono::steady_clock::now() < end) {
    for (auto& member : members) ASSERT_TRUE(member->poll(10, Millis(20)).ok());
  }
  ASSERT_TRUE(shared());
  for (const auto& member : members) {
    std::map<std::int32_t, int> topics;
    for (const TopicPartition& p : member->assignment()) topics[p.partition] += 1;
    for (const auto& [partition, count] : topics) EXPECT_EQ(count, 2) << "partition " << partition << " is split";
  }
}

}  // namespace
}  // namespace lacuna::streaming
