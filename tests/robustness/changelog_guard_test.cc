// Somebody else writes into the changelog, through the whole loop on the embedded log.
//
// Goal: whatever is put there, a running daemon notices it, says so in /readyz, its log and its metrics without naming anybody, and the
// changelog afterwards rebuilds exactly what the store holds; nothing is said where nobody writes but the daemon. Method: patients with
// journals, histories and chunks; each kind of key, with a tombstone, with what nobody can read, with what was true once and with what is
// of another; then the disk is lost, and the changelog read whole, compacted, and compacted without tombstones, in steps of every size.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <functional>
#include <sstream>

#include "daemon/pipeline/changelog_guard.h"
#include "daemon/pipeline/pipeline.h"
#include "state/stored_records.h"
#include "streaming/messages/encoders.h"
#include "tests/robustness/compacted_log.h"
#include "tests/robustness/pipeline_fixture.h"

namespace lacuna::daemon {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr int kHours = 40;
const std::vector<std::string> kPatients = {"anna-1", "bert-2", "cleo-3", "dora-4"};
constexpr Time kStart = Time(std::chrono::hours(24 * 365 * 56));

/// All that a store holds of the patients.
using Held = std::map<std::string, std::pair<Snapshot, state::PersonWhole>>;

class GuardedChangelog : public ::testing::Test {
 protected:
  GuardedChangelog() : folder_(scratch("changelog")), config_(small_config(folder_)) {
    config_.batch.max_events = kPatients.size();
    log_ = open_log(config_);
    before_ = spdlog::default_logger();
    spdlog::set_default_logger(std::make_shared<spdlog::logger>("changelog", std::make_shared<spdlog::sinks::ostream_sink_mt>(said_)));
    EXPECT_TRUE(log_->ensure_topics({{config_.topics.events.front(), kPartitions, {}}}).ok());
  }
  ~GuardedChangelog() override {
    spdlog::set_default_logger(before_);
    pipeline_.reset();
    log_.reset();
    fs::remove_all(folder_);
  }

  void append(streaming::OutputRecord record) {
    auto appender = log_->appender();
    ASSERT_TRUE(appender.ok());
    ASSERT_TRUE((*appender)->append(std::move(record)).ok());
    ASSERT_TRUE((*appender)->flush().ok());
  }
  void send(const std::string& patient, int hour) {
    Event e;
    e.event_id = "e" + std::to_string(hour);
    e.patient_id = patient;
    e.time = kStart + std::chrono::hours(hour);
    e.modality = config_.schema->find_modality("vitals");
    e.values = {{0, 60.0 + hour}, {1, 90.0 + hour}};
    append({config_.topics.events.front(), {}, patient, streaming::encode_event(*config_.schema, e), {}});
  }
  static std::int32_t home(const std::string& patient) { return streaming::partition_for(patient, kPartitions); }
  /// As an operator's tool does.
  void intrude(std::int32_t partition, const std::string& key, std::optional<std::string> value) {
    append({config_.topics.state, partition, key, std::move(value), {}});
  }

  void start(streaming::LogFactory& log) {
    pipeline_.reset();
    auto made = Pipeline::make(config_, log, [this] { return now_; }, {});
    ASSERT_TRUE(made.ok()) << made.status().to_string();
    pipeline_ = std::move(*made);
  }
  Progress work() {
    for (int idle = 0; idle < 3;) {
      const auto worked = pipeline_->turn();
      EXPECT_TRUE(worked.ok()) << worked.status().to_string();
      if (!worked.ok()) break;
      idle = !*worked && pipeline_->progress().lag == 0 ? idle + 1 : 0;
    }
    return pipeline_->progress();
  }
  /// The next time it looks.
  Progress work_later() {
    now_ += ChangelogGuard::kPeriod;
    return work();
  }
  /// The state that the tests begin with: chunks, histories, and journals that are not folded.
  void live() {
    start(*log_);
    for (int hour = 0; hour < kHours; ++hour) {
      for (const std::string& patient : kPatients) send(patient, hour);
    }
    const Progress p = work_later();
    ASSERT_EQ(p.counts.applied, kHours * kPatients.size());
    ASSERT_EQ(p.changelog, ChangelogFindings{});
    ASSERT_TRUE(degraded(p).empty());
  }

  Held held() {
    pipeline_.reset();
    Held out;
    auto store = state::Store::open(*config_.schema, config_.store);
    EXPECT_TRUE(store.ok());
    for (const std::string& patient : kPatients) {
      auto snapshot = (*store)->snapshot(patient);
      auto whole = (*store)->whole_person(patient, true);
      EXPECT_TRUE(snapshot.ok() && whole.ok());
      if (snapshot.ok() && whole.ok()) out[patient] = {std::move(*snapshot), std::move(*whole)};
    }
    return out;
  }
  /// What is folded is nowhere to be seen.
  static Held needed(Held held) {
    for (auto& [patient, one] : held) {
      state::PersonWhole& whole = one.second;
      const state::PersonUpdate anew = state::written_anew(patient, whole);
      whole.journals.clear();
      for (const auto& journal : anew.journals) whole.journals[state::journal_slot(journal.state.sequence)] = journal;
    }
    return held;
  }
  void expect_same(const Held& a, const Held& b) {
    for (const std::string& patient : kPatients) {
      const auto& [snapshot, whole] = a.at(patient);
      const auto& [other_snapshot, other] = b.at(patient);
      EXPECT_EQ(snapshot, other_snapshot) << patient;
      EXPECT_EQ(whole.state, other.state) << patient;
      EXPECT_EQ(whole.journals, other.journals) << patient;
      EXPECT_EQ(whole.histories, other.histories) << patient;
      EXPECT_EQ(whole.chunks, other.chunks) << patient;
      EXPECT_EQ(whole.rows, other.rows) << patient;
    }
  }
  /// A new disk, with the changelog as it is and as compaction may leave it.
  void expect_rebuilt() {
    const Held whole = needed(held());
    for (const Compaction& how : {Compaction{}, Compaction{true, true, 1000}, Compaction{true, false, 1000}, Compaction{false, true, 7}}) {
      SCOPED_TRACE(testing::Message() << "compacted " << how.compacted << ", tombstones " << how.tombstones << ", step " << how.step);
      fs::remove_all(config_.data_dir + "/state");
      CompactedLog compacted(*log_, config_.topics.state, how);
      start(compacted);
      const Progress p = work();
      EXPECT_TRUE(pipeline_->ready().ok()) << pipeline_->ready().to_string();
      EXPECT_EQ(p.changelog, ChangelogFindings{});
      expect_same(needed(held()), whole);
    }
    EXPECT_THAT(said_.str(), Not(HasSubstr("anna")));
  }
  /// The newest record of the changelog with this key.
  std::optional<std::string> newest(const std::string& key) {
    std::optional<std::string> out;
    for (auto& r : read_all(*log_, config_.topics.state)) {
      if (r.key == key) out = std::move(r.value);
    }
    return out;
  }
  std::optional<std::string> oldest(const std::string& key) {
    for (auto& r : read_all(*log_, config_.topics.state)) {
      if (r.key == key) return r.value;
    }
    return {};
  }

  const fs::path folder_;
  Config config_;
  std::unique_ptr<streaming::LogFactory> log_;
  std::unique_ptr<Pipeline> pipeline_;
  Time now_ = kStart + std::chrono::hours(kHours);
  std::ostringstream said_;
  std::shared_ptr<spdlog::logger> before_;
};

TEST_F(GuardedChangelog, ATombstoneIsNoticedSaidAndWrittenAnew) {
  live();
  intrude(home(kPatients[0]), kPatients[0] + "/tabular", std::nullopt);
  EXPECT_TRUE(degraded(work()).empty()) << "it looks now and then";
  const Progress p = work_later();
  EXPECT_EQ(p.changelog.foreign_records, 1u);
  EXPECT_GT(p.changelog.rewritten_records, 3u) << "a tombstone forgets the patient's other records too";
  EXPECT_EQ(degraded(p), (std::vector<Degradation>{{"changelog_wrong", now_}}));
  EXPECT_TRUE(pipeline_->ready().ok());
  EXPECT_THAT(said_.str(), HasSubstr("records that this daemon did not write"));
  EXPECT_EQ(pipeline_->patient(kPatients[0])->event_count, static_cast<std::uint64_t>(kHours));

  const Progress later = work_later();
  EXPECT_EQ(later.changelog, p.changelog) << "once";
  now_ += DegradedSpell::kMemory;
  send(kPatients[1], kHours);
  EXPECT_TRUE(degraded(work_later()).empty());
  expect_rebuilt();

  // Ids are known as before.
  start(*log_);
  const std::uint64_t duplicates = work().counts.duplicate;
  send(kPatients[0], 3);
  EXPECT_EQ(work().counts.duplicate, duplicates + 1);
}

// The patient's own next records come after it, before anybody looks.
TEST_F(GuardedChangelog, WhatComesAfterATombstoneDoesNotHideIt) {
  live();
  intrude(home(kPatients[0]), kPatients[0] + "/tabular", std::nullopt);
  for (int hour = kHours; hour < kHours + 3; ++hour) send(kPatients[0], hour);
  work();
  const Progress p = work_later();
  EXPECT_EQ(p.changelog.foreign_records, 1u);
  EXPECT_GT(p.changelog.rewritten_records, 3u);
  expect_rebuilt();
}

TEST_F(GuardedChangelog, WhileTheDaemonIsDown) {
  live();
  pipeline_.reset();
  intrude(home(kPatients[0]), kPatients[0] + "/tabular", std::nullopt);
  start(*log_);
  EXPECT_EQ(work().changelog.foreign_records, 1u);
  expect_rebuilt();
}

TEST_F(GuardedChangelog, WhateverIsPutThere) {
  struct Case {
    const char* name;
    std::function<std::pair<std::string, std::optional<std::string>>()> make;
  };
  const std::string& who = kPatients[0];
  const std::string state_key = who + "/tabular";
  const auto snapshot = [&](const std::string& of) { return *state::decode_snapshot(*config_.schema, *newest(of + "/tabular")); };
  const std::vector<Case> cases = {
      {"a state that cannot be read", [&] { return std::pair(state_key, std::optional<std::string>("{}")); }},
      {"an older state", [&] { return std::pair(state_key, oldest(state_key)); }},
      {"a state from another log",
       [&] {
         Snapshot s = snapshot(who);
         s.source.offset += 1'000'000;
         s.event_count += 5;
         s.features[0].last = -1;
         return std::pair(state_key, std::optional(state::encode_snapshot(*config_.schema, s)));
       }},
      {"another's state", [&] { return std::pair(state_key, newest(kPatients[1] + "/tabular")); }},
      {"a journal that cannot be read", [&] { return std::pair(who + "/journal-3", std::optional<std::string>("x")); }},
      {"a journal's tombstone",
       [&] { return std::pair(who + "/journal-" + std::to_string(state::journal_slot(kHours)), std::optional<std::string>()); }},
      {"another's ids", [&] { return std::pair(who + "/ids-0", newest(kPatients[1] + "/ids-0")); }},
      {"ids that there are not", [&] { return std::pair(who + "/ids-77", newest(who + "/ids-1")); }},
      {"no ids", [&] { return std::pair(who + "/ids-0", std::optional<std::string>()); }},
      {"a history that cannot be read", [&] { return std::pair(who + "/history-abc", std::optional<std::string>("\x01")); }},
      {"a patient whom nobody knows", [&] { return std::pair(std::string("nobody/tabular"), newest(state_key)); }},
      {"a key that means nothing", [&] { return std::pair(std::string("hello"), std::optional<std::string>("world")); }},
      {"a schema that cannot be read",
       [&] { return std::pair(state::schema_key(config_.schema->fingerprint()), std::optional<std::string>("x")); }},
      {"no schema", [&] { return std::pair(state::schema_key(config_.schema->fingerprint()), std::optional<std::string>()); }},
      {"a position that cannot be read",
       [&] { return std::pair(config_.topics.events.front() + "#partition", std::optional<std::string>("x")); }},
  };
  live();
  std::uint64_t seen = 0;
  for (const bool followed : {false, true}) {
    for (const Case& c : cases) {
      SCOPED_TRACE(testing::Message() << c.name << (followed ? ", and events of the patient" : ""));
      auto [key, value] = c.make();
      intrude(home(who), key, std::move(value));
      if (followed) send(who, kHours + static_cast<int>(seen));
      if (followed) work();
      const Progress p = work_later();
      EXPECT_EQ(p.changelog.foreign_records, ++seen);
    }
  }
  expect_rebuilt();
}

// More than one transaction takes.
TEST_F(GuardedChangelog, ManyAtOnce) {
  live();
  for (int i = 0; i < 250; ++i) intrude(i % kPartitions, "nobody-" + std::to_string(i) + "/tabular", "x");
  for (const std::string& patient : kPatients) intrude(home(patient), patient + "/tabular", std::nullopt);
  const Progress p = work_later();
  EXPECT_EQ(p.changelog.foreign_records, 250 + kPatients.size());
  EXPECT_EQ(work_later().changelog, p.changelog);
  expect_rebuilt();
}

// Of records that change nothing all the same.
TEST_F(GuardedChangelog, ARecordOfOursThatSomebodyRepeats) {
  live();
  intrude(home(kPatients[0]), kPatients[0] + "/tabular", newest(kPatients[0] + "/tabular"));
  const Progress p = work_later();
  EXPECT_EQ(p.changelog.foreign_records, 1u);
  EXPECT_EQ(p.changelog.rewritten_records, 0u);
  expect_rebuilt();
}

TEST_F(GuardedChangelog, NothingIsSaidWhereNobodyElseWrites) {
  live();
  for (int round = 0; round < 3; ++round) {
    for (const std::string& patient : kPatients) send(patient, kHours + round);
    send(kPatients[0], round);                                                    // again
    append({config_.topics.events.front(), {}, kPatients[3], std::nullopt, {}});  // forgotten
    EXPECT_EQ(work().changelog, ChangelogFindings{});
    EXPECT_EQ(work_later().changelog, ChangelogFindings{});
    if (round == 1) fs::remove_all(config_.data_dir + "/state");
    start(*log_);
    EXPECT_EQ(work_later().changelog, ChangelogFindings{});
  }
  EXPECT_THAT(said_.str(), Not(HasSubstr("did not write")));
}

}  // namespace
}  // namespace lacuna::daemon
