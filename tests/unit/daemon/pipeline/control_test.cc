#include "daemon/pipeline/control.h"

#include <gtest/gtest.h>

#include "daemon/simulator/ward_schema.h"

// Protects: a decision means the same on every instance that reads it, whenever it does; and what is not one changes nothing.

namespace lacuna::daemon {
namespace {

using std::chrono::hours;
using Action = OperatorCommand::Action;

const Time kStart = *parse_rfc3339("2026-01-01T00:00:00Z");
constexpr const char* kSubject = "vitals.temp";

Decision decision(Action action, const std::string& kind = "coverage", const std::string& subject = kSubject) {
  Decision d{"lacuna-0-1-1", {action, kind, subject, {}}, kStart, kStart + hours(90), {}};
  d.command.by = "anna";
  d.command.why = "new kit";
  if (action == Action::mute) d.until = kStart + hours(100);
  return d;
}

streaming::Record record(const std::string& key, std::optional<std::string> value) {
  streaming::Record r;
  r.key = key;
  r.value = std::move(value);
  return r;
}

/// Alarmed about kSubject since about hour 60.
drift::Monitor alarmed() {
  const Schema schema = ward_schema();
  drift::Monitor monitor(schema, {});
  const FeatureId feature = *schema.find_feature(schema.find_modality("vitals"), "temp");
  for (int hour = 0; monitor.open_alerts().empty() && hour < 90; ++hour) {
    for (int patient = 0; patient < 20; ++patient) {
      const bool missed = hour >= 60 || (hour + patient) % 10 == 0;
      monitor.observe(drift::Scored{"p" + std::to_string(patient), feature, kStart + hours(hour), 0, missed, 0.5, {}});
    }
  }
  EXPECT_EQ(monitor.open_alerts().size(), 1u);
  monitor.take_alerts();
  return monitor;
}

TEST(Control, WhatIsWrittenIsReadAsItWasMeant) {
  const Config config;
  for (const Action action : {Action::accept, Action::mute, Action::unmute}) {
    for (const bool force : {false, true}) {
      Decision d = decision(action);
      d.command.force = force;
      const streaming::OutputRecord out = to_record(config, d);
      EXPECT_EQ(out.topic, config.topics.control);
      EXPECT_EQ(out.partition, 0);
      const auto read = read_decision(record(out.key, out.value));
      ASSERT_TRUE(read.ok()) << read.status().to_string();
      EXPECT_EQ(read->id, d.id);
      EXPECT_EQ(read->command.action, action);
      EXPECT_EQ(read->command.kind, "coverage");
      EXPECT_EQ(read->command.subject, kSubject);
      EXPECT_EQ(read->command.force, force);
      EXPECT_EQ(read->command.by, "anna");
      EXPECT_EQ(read->command.why, "new kit");
      EXPECT_EQ(read->time, d.time);
      EXPECT_EQ(read->clinical, d.clinical);
      EXPECT_EQ(read->until, d.until);
    }
  }
}

TEST(Control, WhatIsNoDecisionIsRefused) {
  const std::string good = *to_record(Config(), decision(Action::mute)).value;
  EXPECT_EQ(read_decision(record("", good)).code(), Code::invalid);
  EXPECT_EQ(read_decision(record("a", std::nullopt)).code(), Code::invalid);
  const auto with = [&good](const std::string& from, const std::string& to) {
    std::string out = good;
    const auto at = out.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return out.replace(at, from.size(), to);
  };
  EXPECT_EQ(read_decision(record("a", with(R"("mute")", R"("rollback")"))).code(), Code::unsupported);
  EXPECT_EQ(read_decision(record("a", with(R"("schema_version":1)", R"("schema_version":2)"))).code(), Code::unsupported);
  for (const auto& [from, to] : {std::pair{R"("mute")", "7"}, std::pair{R"("until")", R"("x")"}, std::pair{R"("time")", R"("x")"},
                                 std::pair{R"("by":"anna")", R"("by":[])"}, std::pair{"{", "["}}) {
    EXPECT_EQ(read_decision(record("a", with(from, to))).code(), Code::invalid) << to;
  }
}

TEST(Control, AnAcceptanceIsOfWhatBeganUntilThen) {
  drift::Monitor monitor = alarmed();
  const std::string held = monitor.save();
  Decision early = decision(Action::accept);
  early.clinical = kStart + hours(20);
  EXPECT_FALSE(carry_out(early, monitor, kStart + hours(90))) << "made before this began, and read late";
  EXPECT_FALSE(carry_out(decision(Action::accept, "error"), monitor, kStart + hours(90))) << "not alarmed here";
  EXPECT_FALSE(carry_out(decision(Action::accept, "coverage", "no.such"), monitor, kStart + hours(90)));
  EXPECT_EQ(monitor.save(), held);
  EXPECT_TRUE(carry_out(decision(Action::accept), monitor, kStart + hours(90)));
  EXPECT_TRUE(monitor.open_alerts().empty());
  EXPECT_FALSE(carry_out(decision(Action::accept), monitor, kStart + hours(90))) << "read again";
  Decision forced = decision(Action::accept, "error");
  forced.command.force = true;
  EXPECT_TRUE(carry_out(forced, monitor, kStart + hours(90)));
}

TEST(Control, WhoAsksIsToldWhatCannotBe) {
  const drift::Monitor monitor = alarmed();
  EXPECT_TRUE(check(decision(Action::accept), monitor).ok());
  EXPECT_EQ(check(decision(Action::accept, "error"), monitor).code(), Code::invalid);
  EXPECT_TRUE(check(decision(Action::mute, "error"), monitor).ok());
  EXPECT_EQ(check(decision(Action::mute, "error", "no.such"), monitor).code(), Code::not_found);
  EXPECT_EQ(told(decision(Action::accept)), "accepted by anna: new kit");
}

TEST(Control, DecisionsAreKeptAndBounded) {
  Decisions kept;
  for (std::size_t i = 0; i < Decisions::kMax + 5; ++i) {
    Decision d = decision(Action::mute, "value", "f" + std::to_string(i));
    d.time = kStart + hours(i);
    kept.note(d);
  }
  EXPECT_EQ(kept.standing().size(), Decisions::kMax);
  for (const Decision& d : kept.standing()) EXPECT_GE(d.time, kStart + hours(5)) << "the oldest went";
  kept.note(decision(Action::unmute, "value", "f9"));
  kept.read_up_to(77);
  Decisions read;
  ASSERT_TRUE(read.load(kept.save()).ok());
  EXPECT_EQ(read.save(), kept.save());
  EXPECT_EQ(read.next(), 77);
  const std::string bytes = kept.save();
  EXPECT_EQ(read.load(bytes.substr(0, bytes.size() / 2)).code(), Code::corrupt);
  EXPECT_EQ(read.load(bytes + "x").code(), Code::corrupt);
  EXPECT_EQ(read.load('\2' + bytes.substr(1)).code(), Code::unsupported);
  EXPECT_EQ(read.save(), bytes);
}

}  // namespace
}  // namespace lacuna::daemon
