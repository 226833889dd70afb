#include "daemon/pipeline/operator_commands.h"

#include <gtest/gtest.h>

#include <future>
#include <thread>

// Protects: a caller gets the outcome of its own command, or knows that it was not done, and never waits for ever.

namespace lacuna::daemon {
namespace {

constexpr Millis kLong{60'000};

OperatorCommand accept(const std::string& subject) { return {OperatorCommand::Action::accept, "coverage", subject, {}}; }

std::shared_ptr<OperatorCommands::Asked> take(OperatorCommands& commands) {
  while (!commands.waiting()) std::this_thread::yield();
  return commands.next();
}

TEST(OperatorCommands, EachCallerGetsItsOwnAnswer) {
  OperatorCommands commands;
  EXPECT_FALSE(commands.waiting());
  EXPECT_EQ(commands.next(), nullptr);
  std::vector<std::future<Status>> callers;
  for (const char* subject : {"a", "b"}) {
    callers.push_back(std::async(std::launch::async, [&commands, subject] { return commands.ask(accept(subject), kLong); }));
  }
  for (int i = 0; i < 2; ++i) {
    const auto asked = take(commands);
    commands.answer(asked, asked->command.subject == "a" ? Status() : Status(Code::not_found, "none"));
  }
  EXPECT_TRUE(callers[0].get().ok());
  EXPECT_EQ(callers[1].get().code(), Code::not_found);
}

TEST(OperatorCommands, WhatTheLoopDoesNotGetToIsWithdrawn) {
  OperatorCommands commands;
  const Status outcome = commands.ask(accept("a"), Millis(1));
  EXPECT_EQ(outcome.code(), Code::unavailable);
  EXPECT_NE(outcome.message().find("nothing was done"), std::string::npos);
  EXPECT_FALSE(commands.waiting());
}

// Begun and not finished in time: the caller must not take it for undone.
TEST(OperatorCommands, WhatWasBegunIsSaidToBe) {
  OperatorCommands commands;
  auto caller = std::async(std::launch::async, [&] { return commands.ask(accept("a"), Millis(200)); });
  const auto asked = take(commands);
  const Status outcome = caller.get();
  EXPECT_EQ(outcome.code(), Code::unavailable);
  EXPECT_NE(outcome.message().find("begun"), std::string::npos);
  commands.answer(asked, Status());  // nobody waits any more: harmless
}

TEST(OperatorCommands, MoreThanAFewAtATimeAreTurnedAway) {
  OperatorCommands commands;
  std::vector<std::future<Status>> callers;
  std::vector<std::shared_ptr<OperatorCommands::Asked>> begun;
  for (std::size_t i = 0; i < OperatorCommands::kWaitingMax; ++i) {
    callers.push_back(std::async(std::launch::async, [&] { return commands.ask(accept("a"), kLong); }));
    begun.push_back(take(commands));  // counts as long as its caller waits
  }
  EXPECT_EQ(commands.ask(accept("b"), kLong).code(), Code::unavailable);
  for (const auto& asked : begun) commands.answer(asked, {});
  for (auto& caller : callers) EXPECT_TRUE(caller.get().ok());
}

TEST(OperatorCommands, TheEndOfTheLoopIsAnAnswer) {
  OperatorCommands commands;
  auto caller = std::async(std::launch::async, [&] { return commands.ask(accept("a"), kLong); });
  while (!commands.waiting()) std::this_thread::yield();
  commands.close();
  EXPECT_EQ(caller.get().code(), Code::unavailable);
  EXPECT_EQ(commands.ask(accept("a"), kLong).code(), Code::unavailable);
}

}  // namespace
}  // namespace lacuna::daemon
