// A listener as its senders meet it: over sockets, in front of a log whose faults the test switches on.
//
// Goal: an answer comes once the log has the message and not before, in order, to every frame; what is too much is not read, and nothing
// that was read is dropped. Method: a sender that shares no code with the listener. Waits end when what is waited for is there.

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "streaming/mllp/listener.h"
#include "tests/support/fake_log.h"
#include "tests/support/mllp_sender.h"

namespace lacuna::streaming::mllp {
namespace {

using lacuna::testing::FakeLog;
using lacuna::testing::field;
using lacuna::testing::merge;
using lacuna::testing::MllpSender;
using lacuna::testing::result;
using std::chrono::milliseconds;
using std::chrono::seconds;

bool eventually(const std::function<bool()>& condition) {
  const auto end = std::chrono::steady_clock::now() + seconds(30);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(milliseconds(2));
  }
  return true;
}

class MllpListener : public ::testing::Test {
 protected:
  void SetUp() override {
    options_.port = 0;
    options_.topic = "hl7";
    feed_.authority = "HOSP";
    feed_.ignored_messages = {"SIU"};
  }
  void TearDown() override {
    log_.let_go();
    listener_.reset();
  }
  int start() {
    auto started = Listener::start(options_, feed_, limits_, log_, system_clock());
    EXPECT_TRUE(started.ok()) << started.status().to_string();
    listener_ = std::move(*started);
    return listener_->port();
  }
  static std::string frame(const std::string& message) { return MllpSender::frame(message); }
  static std::string code(const std::optional<std::string>& answer) {
    return answer ? field(*answer, "MSA", 1) + " " + field(*answer, "MSA", 2) : "none";
  }
  std::vector<std::string> keys() const {
    std::vector<std::string> out;
    for (const OutputRecord& record : log_.records()) out.push_back(record.key);
    return out;
  }

  ListenerOptions options_;
  hl7::FeedOptions feed_;
  CodecLimits limits_;
  FakeLog log_;
  std::unique_ptr<Listener> listener_;
};

TEST_F(MllpListener, WritesAMessageAsItCameAndAnswersIt) {
  MllpSender sender(start());
  const std::string message = result("17", "1001");
  ASSERT_TRUE(sender.send(frame(message)));
  const auto answer = sender.receive();
  ASSERT_EQ(code(answer), "AA 17");
  EXPECT_EQ(field(*answer, "MSH", 5), "LIS");
  const auto records = log_.records();
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].topic, "hl7");
  EXPECT_EQ(records[0].key, "1001");
  EXPECT_EQ(records[0].value, message);
  EXPECT_EQ(records[0].headers, (Headers{{"content-type", "application/hl7-v2"}}));
}

TEST_F(MllpListener, WritesAMessageOnceForEachPersonAndAMergeForThePriorOne) {
  MllpSender sender(start());
  sender.send(frame(result("1", "A") + "PID|||B^^^HOSP^MR\r") + frame(merge("2", "A", "C")));
  EXPECT_EQ(code(sender.receive()), "AA 1");
  EXPECT_EQ(code(sender.receive()), "AA 2");
  EXPECT_EQ(keys(), (std::vector<std::string>{"A", "B", "C"}));
  EXPECT_EQ(log_.records()[1].headers.back(), (std::pair<std::string, std::string>{"lacuna-person", "B"}));
  EXPECT_EQ(log_.records()[2].headers.size(), 1u);
}

TEST_F(MllpListener, AnswersWhenTheLogHasItAndNotBefore) {
  MllpSender sender(start());
  log_.hold();
  sender.send(frame(result("1", "A")));
  ASSERT_TRUE(eventually([this] { return listener_->status().code() == Code::unavailable; }));
  EXPECT_FALSE(sender.receive(milliseconds(50)));
  EXPECT_EQ(listener_->counts().in_flight, 1u);
  EXPECT_GT(listener_->counts().oldest_seconds, 0);
  log_.let_go();
  EXPECT_EQ(code(sender.receive()), "AA 1");
  EXPECT_EQ(listener_->counts().in_flight, 0u);
  EXPECT_EQ(listener_->counts().oldest_seconds, 0);
}

TEST_F(MllpListener, PipelinedAndSplitFramesAreAnsweredInOrder) {
  MllpSender sender(start());
  std::string all;
  for (int i = 0; i < 500; ++i)
    all += frame(i % 7 == 3 ? result(std::to_string(i), "") : result(std::to_string(i), "P" + std::to_string(i % 5)));
  for (std::size_t at = 0; at < all.size(); at += 777) ASSERT_TRUE(sender.send(all.substr(at, 777)));
  for (int i = 0; i < 500; ++i) ASSERT_EQ(code(sender.receive()), (i % 7 == 3 ? "AR " : "AA ") + std::to_string(i));
  EXPECT_EQ(log_.records().size(), 500u - 71u);
}

TEST_F(MllpListener, EveryFrameIsAnsweredWhateverIsInIt) {
  limits_.message_bytes_max = 2000;
  MllpSender sender(start());
  sender.send(frame("") + frame("no HL7") + frame("MSH|^~\\&|L|F||||||77") + frame(result("5", "A") + result("6", "A")) + "stray" +
              frame(result("7", "A") + std::string(5000, 'x')) + frame("MSH|^~\\&|L|F|||2026||SIU^S12|8|P|2.5\r") +
              frame(result("9", "A")));
  const char* expected[] = {"AR ", "AR ", "AR 77", "AR 5", "AR 7", "AA 8", "AA 9"};
  for (const char* one : expected) EXPECT_EQ(code(sender.receive()), one);
  EXPECT_EQ(log_.records().size(), 1u);
  const ListenerCounts counts = listener_->counts();
  EXPECT_EQ(counts.messages, 7u);
  EXPECT_EQ(counts.ignored, 1u);
  EXPECT_EQ(counts.written, 1u);
  EXPECT_EQ(counts.stray_bytes, 5u);
  EXPECT_EQ(counts.refused[static_cast<std::size_t>(Refusal::too_large)], 1u);
  EXPECT_EQ(counts.refused[static_cast<std::size_t>(Refusal::malformed)], 4u);
}

TEST_F(MllpListener, TheSameMessageGetsTheSameAnswerAndIsNotWrittenAgain) {
  const int port = start();
  std::string first;
  {
    MllpSender sender(port);
    sender.send(frame(result("1", "A")));
    first = sender.receive().value_or("");
  }
  MllpSender again(port);
  again.send(frame(result("1", "A")) + frame(result("1", "A", "200")) + frame(result("1", "A", "200")));
  EXPECT_EQ(again.receive(), first);
  const auto other = again.receive();
  EXPECT_EQ(code(other), "AA 1");
  EXPECT_NE(other, first) << "other bytes are another message";
  EXPECT_EQ(again.receive(), other);
  EXPECT_EQ(log_.records().size(), 2u);
  EXPECT_EQ(listener_->counts().duplicates, 2u);
  EXPECT_EQ(listener_->counts().reused_control_ids, 1u);
}

// A sender that gives up waiting, connects anew and sends again is what a slow log meets first.
TEST_F(MllpListener, WhatWaitsForTheLogAlreadyIsNotWrittenAgain) {
  const int port = start();
  MllpSender first(port), second(port);
  log_.hold();
  first.send(frame(result("1", "A")));
  ASSERT_TRUE(eventually([this] { return listener_->counts().in_flight == 1; }));
  second.send(frame(result("1", "A")) + frame(result("2", "A")));
  ASSERT_TRUE(eventually([this] { return listener_->counts().in_flight == 2; }));
  log_.let_go();
  const auto answer = first.receive();
  EXPECT_EQ(code(answer), "AA 1");
  EXPECT_EQ(second.receive(), answer);
  EXPECT_EQ(code(second.receive()), "AA 2");
  EXPECT_EQ(log_.records().size(), 2u);
  EXPECT_EQ(listener_->counts().duplicates, 1u);
}

TEST_F(MllpListener, TheEnhancedModeIsAnsweredAsItAsks) {
  MllpSender sender(start());
  sender.send(frame(result("1", "A", "100", "2.5|||AL|AL")) + frame(result("2", "A", "100", "2.5|||NE|NE")) +
              frame(result("3", "", "1", "2.5|||AL|AL")));
  EXPECT_EQ(code(sender.receive()), "CA 1");
  EXPECT_EQ(code(sender.receive()), "AA 1");
  EXPECT_EQ(code(sender.receive()), "CR 3");
  EXPECT_EQ(log_.records().size(), 2u);
}

TEST_F(MllpListener, WhatTheLogLosesIsWrittenAgainOrToldOf) {
  MllpSender sender(start());
  log_.lose(1);
  sender.send(frame(result("1", "A")));
  EXPECT_EQ(code(sender.receive()), "AA 1");
  log_.lose(2);
  sender.send(frame(result("2", "A")));
  const auto answer = sender.receive();
  EXPECT_EQ(code(answer), "AE 2");
  EXPECT_NE(answer->find("\rERR||"), std::string::npos);
  sender.send(frame(result("2", "A")));
  EXPECT_EQ(code(sender.receive()), "AA 2") << "what was not taken is no duplicate";
  log_.refuse_above(100);
  sender.send(frame(result("3", "A")));
  EXPECT_EQ(code(sender.receive()), "AR 3");
  EXPECT_EQ(log_.records().size(), 2u);
}

// A slow log: the sender's own send must come to wait, within the bounds, and all of it is there in the end.
TEST_F(MllpListener, WhoeverSendsMoreThanTheLogTakesIsNotReadFrom) {
  options_.in_flight_bytes = 300'000;
  options_.in_flight_max = 1'000'000;
  const int port = start();
  log_.hold();
  const std::string filler = "NTE|1||" + std::string(50'000, 'x') + "\r";
  MllpSender senders[2] = {MllpSender(port), MllpSender(port)};
  std::string left[2];
  std::size_t sent[2] = {0, 0};
  for (int s = 0; s < 2; ++s) {
    for (int i = 0; i < 400; ++i) left[s] += frame(result(std::to_string(s) + "." + std::to_string(i), "P" + std::to_string(s)) + filler);
  }
  // Until nothing moves for a while: 20 MB each are more than all buffers of the sockets.
  for (auto quiet = std::chrono::steady_clock::now(); std::chrono::steady_clock::now() - quiet < milliseconds(500);) {
    for (int s = 0; s < 2; ++s) {
      const std::size_t more = senders[s].send_some(std::string_view(left[s]).substr(sent[s]));
      if (more > 0) quiet = std::chrono::steady_clock::now();
      sent[s] += more;
    }
  }
  EXPECT_LT(sent[0], left[0].size());
  EXPECT_LT(sent[1], left[1].size());
  EXPECT_LE(listener_->counts().in_flight_bytes, 300'000u + 51'000u);
  EXPECT_TRUE(eventually([this] { return listener_->counts().paused == 2; }));
  log_.let_go();
  std::thread rest[2];
  for (int s = 0; s < 2; ++s) rest[s] = std::thread([&, s] { senders[s].send(std::string_view(left[s]).substr(sent[s])); });
  for (int s = 0; s < 2; ++s) {
    for (int i = 0; i < 400; ++i) ASSERT_EQ(code(senders[s].receive()), "AA " + std::to_string(s) + "." + std::to_string(i));
    rest[s].join();
  }
  int next[2] = {0, 0};
  for (const OutputRecord& record : log_.records()) {
    const int s = record.key == "P0" ? 0 : 1;
    EXPECT_EQ(field(*record.value, "MSH", 10), std::to_string(s) + "." + std::to_string(next[s]++)) << "each connection's order is kept";
  }
  EXPECT_EQ(next[0] + next[1], 800);
}

TEST_F(MllpListener, NoMoreOfOneConnectionWaitThanIsAllowed) {
  options_.in_flight_max = 3;
  MllpSender sender(start());
  log_.hold();
  std::string all;
  for (int i = 0; i < 20; ++i) all += frame(result(std::to_string(i), "A"));
  sender.send(all);
  ASSERT_TRUE(eventually([this] { return listener_->counts().in_flight == 3; }));
  EXPECT_TRUE(eventually([this] { return listener_->counts().paused == 1; }));
  EXPECT_EQ(listener_->counts().messages, 3u);
  log_.let_go();
  for (int i = 0; i < 20; ++i) ASSERT_EQ(code(sender.receive()), "AA " + std::to_string(i));
}

TEST_F(MllpListener, ConnectionsAreBoundedInNumberAndInTime) {
  options_.connections_max = 2;
  options_.frame_timeout = Millis(300);
  options_.idle_timeout = Millis(1500);
  const int port = start();
  MllpSender slow(port), idle(port);
  slow.send("\x0bMSH|");
  ASSERT_TRUE(eventually([this] { return listener_->counts().connections == 2; }));
  MllpSender third(port);
  EXPECT_FALSE(third.receive());
  EXPECT_TRUE(third.gone());
  EXPECT_FALSE(slow.receive());
  EXPECT_TRUE(slow.gone()) << "a frame that does not end";
  EXPECT_FALSE(idle.receive());
  EXPECT_TRUE(idle.gone());
  const auto closed = listener_->counts().closed;
  EXPECT_EQ(closed[static_cast<std::size_t>(Closed::full)], 1u);
  EXPECT_EQ(closed[static_cast<std::size_t>(Closed::deadline)], 1u);
  EXPECT_EQ(closed[static_cast<std::size_t>(Closed::idle)], 1u);
}

// A log that is slow is no reason to close a connection.
TEST_F(MllpListener, WhoeverWaitsForTheLogIsNotLate) {
  options_.frame_timeout = Millis(200);
  options_.idle_timeout = Millis(200);
  MllpSender sender(start());
  log_.hold();
  sender.send(frame(result("1", "A")));
  EXPECT_FALSE(sender.receive(milliseconds(1000)));
  EXPECT_FALSE(sender.gone());
  log_.let_go();
  EXPECT_EQ(code(sender.receive()), "AA 1");
}

TEST_F(MllpListener, WhoHasSentAllStillHearsTheAnswers) {
  MllpSender sender(start());
  log_.hold();
  sender.send(frame(result("1", "A")) + frame(result("2", "A")) + "\x0bhalf");
  sender.end();
  ASSERT_TRUE(eventually([this] { return listener_->counts().in_flight == 2; }));
  log_.let_go();
  EXPECT_EQ(code(sender.receive()), "AA 1");
  EXPECT_EQ(code(sender.receive()), "AA 2");
  EXPECT_FALSE(sender.receive());
  EXPECT_TRUE(sender.gone());
  EXPECT_EQ(log_.records().size(), 2u) << "half a frame is no message";
}

TEST_F(MllpListener, AStopAnswersWhatCameAndTakesNothingMore) {
  const int port = start();
  MllpSender busy(port), quiet(port);
  log_.hold();
  busy.send(frame(result("1", "A")));
  ASSERT_TRUE(eventually([this] { return listener_->counts().in_flight == 1 && listener_->counts().connections == 2; }));
  listener_->stop();
  EXPECT_FALSE(quiet.receive());
  EXPECT_TRUE(quiet.gone());
  EXPECT_FALSE(listener_->stopped());
  EXPECT_FALSE(MllpSender(port).connected());
  log_.let_go();
  EXPECT_EQ(code(busy.receive()), "AA 1");
  EXPECT_FALSE(busy.receive());
  EXPECT_TRUE(busy.gone());
  EXPECT_TRUE(eventually([this] { return listener_->stopped(); }));
}

TEST_F(MllpListener, ItSaysWhatItCannotUse) {
  options_.port = start();
  const auto taken = Listener::start(options_, feed_, limits_, log_, system_clock());
  EXPECT_EQ(taken.code(), Code::unavailable);
  options_.port = 0;
  options_.tls.certificate = "/nonexistent/c.pem";
  options_.tls.key = "/nonexistent/k.pem";
  const auto certificate = Listener::start(options_, feed_, limits_, log_, system_clock());
  EXPECT_EQ(certificate.code(), Code::invalid);
  EXPECT_NE(certificate.status().message().find("mllp.tls.certificate: cannot use /nonexistent/c.pem"), std::string::npos)
      << certificate.status().message();
}

}  // namespace
}  // namespace lacuna::streaming::mllp
