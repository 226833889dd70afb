#include <chrono>
#include <functional>
#include <set>
#include <thread>

#include "tests/integration/kafka_fixture.h"

// What goes wrong outside and is mended there: a broker that dies or stands still, permissions and logins taken away.

namespace lacuna::streaming {
namespace {

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
  const std::vector<std::string> resources{"--topic " + output + " --operation Write", "--transactional-id " + id + " --operation Write",
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

// Protects: a login that is taken away is waited for and named as what is wrong, by a client at work and by a new one; once it is
// back the client at work goes on, and everything comes out once.
TEST_F(KafkaLog, WaitsForALoginThatWasTakenAway) {
  if (broker_.folder.empty()) GTEST_SKIP() << "the broker of LACUNA_TEST_KAFKA is not ours to administer";
  const std::string input = make_topic("in", 1), output = make_topic("out", 1);
  const std::string group = integration::unique_name("g"), user = integration::unique_name("user");
  const auto login = [&](const std::string& change) {
    return integration::control(broker_, "configs", "--alter --entity-type users --entity-name " + user + " " + change);
  };
  ASSERT_TRUE(login("--add-config 'SCRAM-SHA-256=[password=secret]'"));
  auto guarded = make_kafka_log({.bootstrap_servers = integration::login_bootstrap(broker_),
                                 .properties = {{"security.protocol", "SASL_PLAINTEXT"},
                                                {"sasl.mechanism", "SCRAM-SHA-256"},
                                                {"sasl.username", user},
                                                {"sasl.password", "secret"}},
                                 .request_timeout = Millis(5000)});
  ASSERT_TRUE(guarded.ok()) << guarded.status().to_string();
  const auto log = (*guarded)->open(group, integration::unique_name("id"));
  ASSERT_TRUE(log.ok()) << log.status().to_string();
  ASSERT_TRUE((*log)->subscribe({input}, {}).ok());
  std::size_t done = 0;
  const auto work_until = [&](const std::function<bool(const Status&)>& reached) {
    const auto end = std::chrono::steady_clock::now() + 2 * kPatience;
    while (std::chrono::steady_clock::now() < end) {
      const auto records = (*log)->poll(50, kStep);
      Status outcome = records.status();
      if (records.ok() && !records->empty()) {
        outcome = (*log)->commit(echo(*records, output)).status();
        if (outcome.ok()) done += records->size();
      }
      EXPECT_TRUE(outcome.ok() || outcome.code() == Code::unavailable || outcome.code() == Code::aborted) << outcome.to_string();
      if (reached(outcome)) return true;
    }
    return false;
  };
  const auto names_the_login = [](const Status& status) {
    return status.code() == Code::unavailable && status.message().find("uthentication") != std::string::npos;
  };
  append_numbered(input, 0, 100);
  ASSERT_TRUE(work_until([&](const Status&) { return done == 100; }));
  // Connections that are open stay so without a login: the broker has to start again to ask for it.
  ASSERT_TRUE(login("--delete-config SCRAM-SHA-256"));
  ASSERT_TRUE(integration::control(broker_, "stop") && integration::control(broker_, "start"));
  append_numbered(input, 100, 200);
  EXPECT_TRUE(work_until(names_the_login)) << "not said what is missing";
  EXPECT_EQ(done, 100u) << "done without a login";
  const auto another = (*guarded)->open(integration::unique_name("g"), integration::unique_name("id"));
  EXPECT_TRUE(names_the_login(another.status())) << another.status().to_string();
  ASSERT_TRUE(login("--add-config 'SCRAM-SHA-256=[password=secret]'"));
  EXPECT_TRUE(work_until([&](const Status&) { return done == 200; })) << "did not go on";
  std::multiset<std::string> values;
  for (const Record& r : contents(output)) values.insert(*r.value);
  EXPECT_EQ(values.size(), 200u);
  EXPECT_EQ(std::set(values.begin(), values.end()).size(), 200u) << "an input came out twice";
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

}  // namespace
}  // namespace lacuna::streaming
