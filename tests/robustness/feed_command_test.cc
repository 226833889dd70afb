// `lacuna feed --mllp` as a process: killed, stopped, refused, and behind TLS.
//
// Goal: what was acknowledged is on the log whatever becomes of the listener, at least once and in the order of each patient; a stop
// answers what came. Method: the real binary on the embedded log, a sender that shares no code with it and sends again what was not
// answered, SIGKILL at random moments; certificates made by openssl, whose own client talks TLS. Waits end when what is waited for is
// there.

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <fstream>
#include <functional>
#include <map>
#include <random>
#include <regex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "streaming/log/event_log.h"
#include "tests/support/daemon_process.h"
#include "tests/support/mllp_sender.h"
#include "tests/support/scratch_folder.h"
#include "tests/support/shell.h"

namespace lacuna::daemon {
namespace {

using lacuna::testing::bash;
using lacuna::testing::DaemonProcess;
using lacuna::testing::field;
using lacuna::testing::MllpSender;
using lacuna::testing::result;
using lacuna::testing::shell;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr seconds kPatience{120};

class FeedCommand : public ::testing::Test {
 protected:
  std::string path(const std::string& name) const { return folder_.path() + "/" + name; }
  std::vector<std::string> listen(int port = 0, std::vector<std::string> more = {}) const {
    std::vector<std::string> all{"feed",     "--mllp",
                                 "--config", "configs/hospital.yaml",
                                 "--set",    "log.kind=embedded",
                                 "--set",    "data_dir=" + path("data"),
                                 "--set",    "mllp.port=" + std::to_string(port),
                                 "--set",    "mllp.address=127.0.0.1",
                                 "--set",    "mllp.http.port=0"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  /// 0: it ended before it listened.
  static int port_of(DaemonProcess& daemon, std::size_t from = 0) {
    const std::regex line("listening on 127\\.0\\.0\\.1:([0-9]+)");
    const auto end = std::chrono::steady_clock::now() + kPatience;
    for (std::smatch found; std::chrono::steady_clock::now() < end;) {
      const std::string output = daemon.output().substr(from);
      if (std::regex_search(output, found, line)) return std::stoi(found[1]);
      if (daemon.wait(milliseconds(20))) return 0;
    }
    return 0;
  }
  std::vector<streaming::Record> records() const {
    std::vector<streaming::Record> out;
    streaming::EmbeddedOptions options;
    options.path = path("data/log");
    options.read_only = true;
    auto log = streaming::make_embedded_log(options);
    EXPECT_TRUE(log.ok()) << log.status().to_string();
    if (!log.ok()) return out;
    auto reader = (*log)->reader();
    const auto partitions = (*reader)->partition_count("hospital.results");
    EXPECT_TRUE(partitions.ok());
    for (std::int32_t p = 0; partitions.ok() && p < *partitions; ++p) {
      for (std::int64_t from = 0;;) {
        auto some = (*reader)->read({"hospital.results", p}, from, 1000, Millis(0));
        EXPECT_TRUE(some.ok());
        if (!some.ok() || some->empty()) break;
        from = some->back().position.offset + 1;
        for (streaming::Record& record : *some) out.push_back(std::move(record));
      }
    }
    return out;
  }

 private:
  lacuna::testing::ScratchFolder folder_;
};

/// Sends the messages of some patients, pipelined, in order, and again from the first that was not answered wherever the connection ends.
struct PersistentSender {
  int number;
  int count;
  std::atomic<int>& port;
  std::vector<std::string> acknowledged{};

  std::string message(int i) const {
    const std::string id = "S" + std::to_string(number) + "-" + std::to_string(i);
    return result(id, "P" + std::to_string(number) + "-" + std::to_string(i % 3));
  }
  void run() {
    constexpr int kWindow = 20;
    while (static_cast<int>(acknowledged.size()) < count) {
      MllpSender sender(port);
      if (!sender.connected()) {
        std::this_thread::sleep_for(milliseconds(10));
        continue;
      }
      int sent = static_cast<int>(acknowledged.size());
      while (static_cast<int>(acknowledged.size()) < count) {
        for (; sent < count && sent < static_cast<int>(acknowledged.size()) + kWindow; ++sent) {
          if (!sender.send(MllpSender::frame(message(sent)))) break;
        }
        const auto answer = sender.receive();
        if (!answer) break;
        const std::string id = field(*answer, "MSA", 2);
        ASSERT_EQ(field(*answer, "MSA", 1), "AA") << *answer;
        ASSERT_EQ(id, "S" + std::to_string(number) + "-" + std::to_string(acknowledged.size())) << "answers come in order";
        acknowledged.push_back(id);
      }
    }
  }
};

// Protects: no kill loses what was acknowledged, and none turns a patient's order.
TEST_F(FeedCommand, WhatWasAcknowledgedIsOnTheLogWhateverIsKilled) {
  constexpr int kSenders = 4, kMessages = 1500, kKills = 6;
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  auto daemon = std::make_unique<DaemonProcess>(listen(), path("feed.log"));
  std::atomic<int> port = port_of(*daemon);
  ASSERT_NE(port, 0) << daemon->output();
  std::vector<PersistentSender> senders;
  for (int s = 0; s < kSenders; ++s) senders.push_back({s, kMessages, port});
  std::vector<std::thread> threads;
  for (PersistentSender& sender : senders) threads.emplace_back([&sender] { sender.run(); });
  for (int kill = 0; kill < kKills; ++kill) {
    std::this_thread::sleep_for(milliseconds(std::uniform_int_distribution<int>(20, 250)(random)));
    daemon->signal(SIGKILL);
    ASSERT_EQ(daemon->wait(kPatience), 128 + SIGKILL);
    const std::size_t told = daemon->output().size();
    daemon = std::make_unique<DaemonProcess>(listen(port), path("feed.log"));
    ASSERT_NE(port_of(*daemon, told), 0) << daemon->output();
  }
  for (std::thread& thread : threads) thread.join();
  daemon->signal(SIGTERM);
  ASSERT_EQ(daemon->wait(kPatience), 0) << daemon->output();

  std::map<std::string, std::set<std::string>> seen;    // by patient
  std::map<std::string, std::vector<int>> first_order;  // the messages of a patient in the order in which they first came
  std::size_t twice = 0;
  for (const streaming::Record& record : records()) {
    const std::string id = field(*record.value, "MSH", 10);
    EXPECT_TRUE(field(*record.value, "PID", 3).starts_with(record.key + "^"));
    if (seen[record.key].insert(id).second) first_order[record.key].push_back(std::stoi(id.substr(id.find('-') + 1)));
    else ++twice;
  }
  std::size_t acknowledged = 0;
  for (const PersistentSender& sender : senders) {
    for (int i = 0; i < static_cast<int>(sender.acknowledged.size()); ++i, ++acknowledged) {
      const std::string patient = "P" + std::to_string(sender.number) + "-" + std::to_string(i % 3);
      EXPECT_TRUE(seen[patient].contains(sender.acknowledged[static_cast<std::size_t>(i)]))
          << "lost: " << sender.acknowledged[static_cast<std::size_t>(i)];
    }
  }
  EXPECT_EQ(acknowledged, static_cast<std::size_t>(kSenders) * kMessages);
  for (const auto& [patient, order] : first_order) EXPECT_TRUE(std::is_sorted(order.begin(), order.end())) << patient;
  std::printf("%zu acknowledged, %d kills, %zu written twice\n", acknowledged, kKills, twice);
}

TEST_F(FeedCommand, AStopEndsWithZeroAndSaysWhatWasDone) {
  DaemonProcess daemon(listen(), path("feed.log"));
  const int port = port_of(daemon);
  ASSERT_NE(port, 0) << daemon.output();
  MllpSender sender(port);
  ASSERT_TRUE(sender.send(MllpSender::frame(result("1", "1001")) + MllpSender::frame(result("2", ""))));
  EXPECT_EQ(field(sender.receive().value_or(""), "MSA", 1), "AA");
  EXPECT_EQ(field(sender.receive().value_or(""), "MSA", 1), "AR");
  daemon.signal(SIGTERM);
  EXPECT_EQ(daemon.wait(kPatience), 0) << daemon.output();
  EXPECT_FALSE(sender.receive());
  EXPECT_NE(daemon.output().find("stopped: 2 messages = written 1 + duplicate 0 + ignored 0 + refused 1 + failed 0; 1 records"),
            std::string::npos)
      << daemon.output();
  EXPECT_EQ(daemon.output().find("1001"), std::string::npos) << "no identifier is in the log";
  const auto written = records();
  ASSERT_EQ(written.size(), 1u);
  EXPECT_EQ(written[0].value, result("1", "1001"));
}

TEST_F(FeedCommand, TheEmbeddedLogHasOneWriterAndWhoeverIsSecondIsTold) {
  DaemonProcess daemon(listen(), path("feed.log"));
  ASSERT_NE(port_of(daemon), 0) << daemon.output();
  DaemonProcess second(listen(), path("second.log"));
  EXPECT_EQ(second.wait(kPatience), 1) << second.output();
  EXPECT_NE(second.output().find("The embedded log is written by one process at a time"), std::string::npos) << second.output();
}

TEST_F(FeedCommand, WhatCannotBeIsSaidBeforeAnythingStarts) {
  const auto said = [this](const std::string& more) { return shell("lacuna feed " + more + " --config configs/hospital.yaml 2>&1"); };
  EXPECT_EQ(said("").code, 2);
  EXPECT_NE(said("").output.find("either --dry-run with FILES, or --mllp without"), std::string::npos);
  EXPECT_EQ(said("--mllp configs/hospital.yaml").code, 2);
  EXPECT_EQ(said("--mllp --set mllp.tls.key=k.pem").code, 2);
  const auto no_topic = said("--mllp --set topics.events=[lacuna.events] --set mllp.topic=");
  EXPECT_EQ(no_topic.code, 2);
  const auto none = said("--mllp --set topics.events=[lacuna.events]");
  EXPECT_EQ(none.code, 2);
  EXPECT_NE(none.output.find("no topic to write to"), std::string::npos) << none.output;
}

class FeedOverTls : public FeedCommand {
 protected:
  void SetUp() override {
    if (bash("command -v openssl").code != 0) GTEST_SKIP() << "no openssl";
    const std::string make =
        "cd " + path("") +
        " && for ca in ca other; do openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=$ca -keyout $ca.key -out $ca.crt; done && "
        "for name in server sender stranger; do openssl req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout $name.key -out $name.csr; "
        "done && "
        "for name in server sender; do openssl x509 -req -in $name.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -out $name.crt; "
        "done && "
        "openssl x509 -req -in stranger.csr -CA other.crt -CAkey other.key -CAcreateserial -days 2 -out stranger.crt";
    const auto made = bash("{ " + make + "; } 2>&1");
    ASSERT_EQ(made.code, 0) << made.output;
  }
  std::vector<std::string> over_tls(bool client_certificates) const {
    std::vector<std::string> more{"--set", "mllp.tls.certificate=" + path("server.crt"), "--set", "mllp.tls.key=" + path("server.key")};
    if (client_certificates) more.insert(more.end(), {"--set", "mllp.tls.client_ca=" + path("ca.crt")});
    return listen(0, more);
  }
  /// What openssl's client hears to one message.
  std::string ask(int port, const std::string& options, const std::string& control_id) const {
    std::ofstream(path("message"), std::ios::binary) << MllpSender::frame(result(control_id, "1001"));
    return bash("{ cat " + path("message") + "; sleep 3; } | timeout 60 openssl s_client -quiet -no_ign_eof -verify_return_error -CAfile " +
                path("ca.crt") + " -connect 127.0.0.1:" + std::to_string(port) + " " + options + " 2>&1 | tr '\\r' '\\n'")
        .output;
  }
};

TEST_F(FeedOverTls, TalksTlsAndNothingElse) {
  DaemonProcess daemon(over_tls(false), path("feed.log"));
  const int port = port_of(daemon);
  ASSERT_NE(port, 0) << daemon.output();
  EXPECT_NE(ask(port, "", "1").find("MSA|AA|1"), std::string::npos) << daemon.output();
  EXPECT_EQ(ask(port, "-tls1_1", "2").find("MSA|"), std::string::npos);
  MllpSender plain(port);
  plain.send(MllpSender::frame(result("3", "1001")));
  const auto answer = plain.receive();
  EXPECT_TRUE(!answer || answer->find("MSA") == std::string::npos);
  daemon.signal(SIGTERM);
  EXPECT_EQ(daemon.wait(kPatience), 0) << daemon.output();
  EXPECT_EQ(records().size(), 1u);
}

TEST_F(FeedOverTls, ClientCertificatesAreAskedForAndHeldAgainstTheirAuthority) {
  DaemonProcess daemon(over_tls(true), path("feed.log"));
  const int port = port_of(daemon);
  ASSERT_NE(port, 0) << daemon.output();
  const auto with = [this](const std::string& name) { return "-cert " + path(name + ".crt") + " -key " + path(name + ".key"); };
  EXPECT_NE(ask(port, with("sender"), "1").find("MSA|AA|1"), std::string::npos) << daemon.output();
  EXPECT_EQ(ask(port, "", "2").find("MSA|"), std::string::npos);
  EXPECT_EQ(ask(port, with("stranger"), "3").find("MSA|"), std::string::npos);
  daemon.signal(SIGTERM);
  EXPECT_EQ(daemon.wait(kPatience), 0) << daemon.output();
  EXPECT_EQ(records().size(), 1u) << "what was not let in is not written";
}

}  // namespace
}  // namespace lacuna::daemon
