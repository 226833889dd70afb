// The whole daemon loop on a real embedded log, a real store and a real (small) model.
//
// Goal: whatever is killed or aborted, whenever, the patient states, the counts and the published positions are those of an
// undisturbed run. Method: a plain model of the outcome (state::apply on the events in order) is compared with what the
// pipeline left behind after kills with SIGKILL at random moments, aborted commits at random, and a lost disk.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <map>
#include <random>
#include <set>

#include "daemon/config/config.h"
#include "daemon/pipeline/pipeline.h"
#include "daemon/simulator/ward.h"
#include "daemon/simulator/ward_schema.h"
#include "state/patient.h"
#include "state/store.h"
#include "streaming/messages/encoders.h"
#include "streaming/messages/refusal.h"
#include "tests/robustness/pipeline_fixture.h"

namespace lacuna::daemon {
namespace {

using streaming::TopicPartition;

WardOptions small_ward() {
  WardOptions w;
  w.beds = 25;
  w.duration = std::chrono::hours(30);
  w.start = *parse_rfc3339("2026-01-01T00:00:00Z");
  w.seed = 7;
  return w;
}

/// The ward, with a film and a report beside its panels.
std::shared_ptr<const Schema> ward_with_payloads() {
  const Schema ward = ward_schema();
  std::vector<Schema::ModalitySpec> specs;
  for (const Modality& m : ward.modalities()) {
    const auto first = ward.features().begin() + m.first_feature;
    specs.push_back({m, {first, first + m.feature_count}});
  }
  for (const auto& [name, kind] : {std::pair("film", ModalityKind::image), std::pair("report", ModalityKind::text)}) {
    Modality m;
    m.name = name;
    m.kind = kind;
    m.payload.height = m.payload.width = 4;
    m.payload.length = 16;
    specs.push_back({m, {}});
  }
  return std::make_shared<const Schema>(Schema::make(std::move(specs), ward.attributes()).value());
}

/// Of the same patient and time as `event`.
Event payload_event(const Schema& schema, const Event& event, std::mt19937_64& random) {
  Event out = event;
  out.event_id += "-payload";
  out.values.clear();
  out.attributes.clear();
  const bool film = random() % 2 == 0;
  out.modality = schema.find_modality(film ? "film" : "report");
  Payload payload;
  if (film)
    for (int i = 0; i < 16; ++i) payload.values.push_back(static_cast<float>(random() % 256));
  else payload.text = "report " + std::to_string(random() % 100);
  out.payload = PayloadRef(std::move(payload));
  return out;
}

/// What is sent, and what should come of it, by the plainest means.
struct Expected {
  std::vector<streaming::OutputRecord> records;
  std::map<std::string, Snapshot> snapshots;
  std::uint64_t refused = 0, duplicates = 0;
};

Expected make_expected(const Config& c) {
  Expected out;
  const Schema& schema = *c.schema;
  std::mt19937_64 random(11);
  simulate_ward(small_ward(), [&](const Event& event, const WardTruth&) {
    const std::string json = streaming::encode_event(schema, event);
    out.records.push_back({c.topics.events.front(), std::nullopt, event.patient_id, json, {}});
    auto [at, fresh] = out.snapshots.try_emplace(event.patient_id, state::new_snapshot(schema, event.patient_id));
    state::apply_fresh(schema, at->second, event, {}, c.late_max);
    if (schema.find_modality("film") != kNoModality && random() % 10 == 0) {
      const Event more = payload_event(schema, event, random);
      out.records.push_back({c.topics.events.front(), std::nullopt, event.patient_id, streaming::encode_event(schema, more), {}});
      state::apply_fresh(schema, at->second, more, {}, c.late_max);
    }
    if (random() % 50 == 0) {
      out.records.push_back(out.records.back());
      out.duplicates += 1;
    }
    if (random() % 50 == 0) {
      out.records.push_back({c.topics.events.front(), std::nullopt, event.patient_id, "{\"not\": \"an event\"", {}});
      out.refused += 1;
    }
    return true;
  });
  return out;
}

void send(streaming::LogFactory& log, const Config& c, const Expected& expected) {
  ASSERT_TRUE(log.ensure_topics({{c.topics.events.front(), kPartitions, {}}}).ok());
  auto appender = log.appender();
  ASSERT_TRUE(appender.ok());
  for (const auto& record : expected.records) ASSERT_TRUE((*appender)->append(record).ok());
  ASSERT_TRUE((*appender)->flush().ok());
}

/// Snapshots equal but for where they were read (source).
void expect_states(const Config& c, const Expected& expected) {
  auto store = state::Store::open(*c.schema, c.store);
  ASSERT_TRUE(store.ok()) << store.status().to_string();
  std::size_t seen = 0;
  ASSERT_TRUE((*store)
                  ->for_each_snapshot([&](Snapshot s) {
                    ++seen;
                    const auto at = expected.snapshots.find(s.patient_id);
                    ASSERT_NE(at, expected.snapshots.end());
                    s.source = at->second.source;
                    EXPECT_TRUE(s == at->second) << "a snapshot differs from the plain model's";
                  })
                  .ok());
  EXPECT_EQ(seen, expected.snapshots.size());
}

/// The counts of all partitions, which outlive processes and disks.
void expect_tallies(const Progress& p, const Expected& expected) {
  state::RecordCounts all;
  for (const auto& [partition, counts] : p.partitions) all += counts;
  EXPECT_EQ(all.consumed, expected.records.size());
  EXPECT_EQ(all.refused, expected.refused);
  EXPECT_EQ(all.duplicate, expected.duplicates);
  EXPECT_EQ(all.applied, expected.records.size() - expected.refused - expected.duplicates);
  EXPECT_EQ(all.late, 0u);
}

Status run_once(const Config& c, streaming::LogFactory& log, Progress* progress = nullptr) {
  auto pipeline = Pipeline::make(c, log, after(small_ward()), {});
  if (!pipeline.ok()) return pipeline.status();
  const Status s = (*pipeline)->run(true);
  if (progress) *progress = (*pipeline)->progress();
  return s;
}

/// Every dead letter once, every patient's newest imputation resting on its newest applied record.
void expect_outputs(streaming::LogFactory& log, const Config& c, const Expected& expected) {
  std::set<std::pair<std::string, std::string>> letters;
  const auto dead = read_all(log, c.topics.dead_letters);
  for (const auto& r : dead) {
    std::string partition, offset;
    for (const auto& [name, value] : r.headers) {
      if (name == "__connect.errors.partition") partition = value;
      if (name == "__connect.errors.offset") offset = value;
    }
    letters.emplace(partition, offset);
  }
  EXPECT_EQ(dead.size(), expected.refused);
  EXPECT_EQ(letters.size(), expected.refused) << "a dead letter was published twice";
  std::set<std::string> imputed;
  for (const auto& r : read_all(log, c.topics.imputations)) imputed.insert(r.key);
  EXPECT_EQ(imputed.size(), expected.snapshots.size());
}

// Protects: the counts add up, bad input is kept in dead letters, states are right, in a run without trouble.
TEST(Pipeline, UndisturbedRunAccountsForEverything) {
  const fs::path directory = scratch("undisturbed");
  const Config c = small_config(directory);
  const Expected expected = make_expected(c);
  auto log = open_log(c);
  send(*log, c, expected);
  Progress p;
  ASSERT_TRUE(run_once(c, *log, &p).ok());
  EXPECT_EQ(p.counts.consumed, expected.records.size());
  EXPECT_EQ(p.counts.refused, expected.refused);
  EXPECT_EQ(p.counts.duplicate, expected.duplicates);
  EXPECT_EQ(p.counts.consumed, p.counts.applied + p.counts.duplicate + p.counts.late + p.counts.refused + p.counts.forwarded);
  EXPECT_EQ(p.lag, 0);
  EXPECT_GT(p.learner.steps, 5);
  EXPECT_GT(p.scores.count, 1000u);
  expect_states(c, expected);
  expect_outputs(*log, c, expected);
  fs::remove_all(directory);
}

// Protects: what was measured is hidden now and then, so that there is feedback for what never is: as often as is asked.
TEST(Pipeline, HidesTheShareThatIsAskedFor) {
  std::vector<Progress> runs;
  for (const double share : {0.0, 0.2, 1.0}) {
    const fs::path directory = scratch("hidden");
    Config c = small_config(directory);
    c.hidden_share = share;
    const Expected expected = make_expected(c);
    auto log = open_log(c);
    send(*log, c, expected);
    ASSERT_TRUE(run_once(c, *log, &runs.emplace_back()).ok());
    fs::remove_all(directory);
  }
  std::vector<double> hidden, seen;
  for (const Progress& p : runs) {
    hidden.push_back(0);
    seen.push_back(0);
    for (const auto& row : p.features) {
      hidden.back() += static_cast<double>(row.hidden_count);
      seen.back() += static_cast<double>(row.count - row.unseen_count);
    }
  }
  EXPECT_EQ(hidden[0], 0);
  EXPECT_NEAR(hidden[1] / seen[1], 0.2, 0.05);
  EXPECT_EQ(hidden[2], seen[2]);  // all but what was never measured anyway
}

// Protects: SIGKILL at any moment loses nothing and publishes nothing twice; the next start goes on from there. The moments are
// counted in crash points, not in time: a fast machine dies as often as a slow one.
TEST(Pipeline, SurvivesSigkillAtRandomPoints) {
  const fs::path directory = scratch("sigkill");
  Config c = small_config(directory);
  c.checkpoint_every = Millis(200);
  c.batch.max_events = 30;  // many batches, so that the whole stream takes far more points than all kills together
  const Expected expected = make_expected(c);
  {
    auto log = open_log(c);
    send(*log, c, expected);
  }
  std::mt19937_64 random(std::random_device{}());
  const std::uint64_t seed = random();
  SCOPED_TRACE("seed " + std::to_string(seed));
  random.seed(seed);
  constexpr int kKills = 12;
  for (int attempt = 0; attempt < kKills; ++attempt) {
    const std::uint64_t last_point = 1 + random() % 24;
    const pid_t child = fork();
    if (child == 0) {
      auto log = open_log(c);
      std::uint64_t points = 0;
      Pipeline::Hooks hooks;
      hooks.at_point = [&](std::string_view, std::span<const streaming::Record>) {
        if (++points == last_point) kill(getpid(), SIGKILL);
      };
      auto pipeline = Pipeline::make(c, *log, after(small_ward()), hooks);
      _exit(pipeline.ok() && (*pipeline)->run(true).ok() ? 0 : 1);
    }
    int status = 0;
    waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status)) << "attempt " << attempt << " ended by itself, status " << status;
  }
  auto log = open_log(c);
  Progress last;
  ASSERT_TRUE(run_once(c, *log, &last).ok());
  expect_states(c, expected);
  expect_outputs(*log, c, expected);
  expect_tallies(last, expected);
  fs::remove_all(directory);
}

// Protects: a lost disk is rebuilt from the changelog, the model from its topic, and what comes later is applied on top.
TEST(Pipeline, RebuildsALostStoreFromTheChangelog) {
  const fs::path directory = scratch("lost-disk");
  const Config c = small_config(directory);
  Expected expected = make_expected(c);
  auto log = open_log(c);
  Expected first = expected;
  first.records.resize(expected.records.size() / 2);
  send(*log, c, first);
  Progress before;
  ASSERT_TRUE(run_once(c, *log, &before).ok());
  EXPECT_GT(before.learner.steps, 3);
  fs::remove_all(directory / "state");
  Expected second = expected;
  second.records.erase(second.records.begin(), second.records.begin() + static_cast<std::ptrdiff_t>(first.records.size()));
  send(*log, c, second);
  Progress last;
  ASSERT_TRUE(run_once(c, *log, &last).ok());
  EXPECT_GT(last.recovery.records_restored, 0u);
  // The model and the scores go on from where the last stop published them.
  EXPECT_GT(last.learner.steps, before.learner.steps);
  EXPECT_GT(last.scores.count, before.scores.count);
  expect_states(c, expected);
  expect_tallies(last, expected);
  fs::remove_all(directory);
}

// Protects: images and texts take the same way as numbers: a lost disk is rebuilt with them, and they are learned from.
TEST(Pipeline, RebuildsPayloadsFromTheChangelog) {
  const fs::path directory = scratch("lost-payloads");
  Config c = small_config(directory);
  c.schema = ward_with_payloads();
  const Expected expected = make_expected(c);
  auto log = open_log(c);
  send(*log, c, expected);
  Progress before;
  ASSERT_TRUE(run_once(c, *log, &before).ok());
  EXPECT_GT(before.learner.steps, 5);
  expect_states(c, expected);
  fs::remove_all(directory / "state");
  Progress last;
  ASSERT_TRUE(run_once(c, *log, &last).ok());
  EXPECT_GT(last.recovery.records_restored, 0u);
  expect_states(c, expected);
  expect_outputs(*log, c, expected);
  expect_tallies(last, expected);
  fs::remove_all(directory);
}

// Protects: records that make a stage throw end in the dead letters, each once; all the others go through as if they had not been
// there. Method: the hook throws whenever one of them is in the batch, whatever else is.
TEST(Pipeline, PoisonIsFoundAndSetAside) {
  const fs::path directory = scratch("poison");
  const Config c = small_config(directory);
  Expected expected = make_expected(c);
  std::mt19937_64 random(std::random_device{}());
  const std::uint64_t seed = random();
  SCOPED_TRACE("seed " + std::to_string(seed));
  random.seed(seed);
  const std::string bytes = "{\"poison\": true}";
  constexpr std::size_t kPoison = 5;
  for (std::size_t i = 0; i < kPoison; ++i) {
    const auto at = static_cast<std::ptrdiff_t>(random() % expected.records.size());
    expected.records.insert(expected.records.begin() + at, {c.topics.events.front(), std::nullopt, "x" + std::to_string(i), bytes, {}});
  }
  auto log = open_log(c);
  send(*log, c, expected);
  std::set<SourcePosition> condemned;
  Pipeline::Hooks hooks;
  hooks.at_point = [&](std::string_view point, std::span<const streaming::Record> batch) {
    // A condemned record alone in its batch is not decoded, so nothing is there that could throw.
    if (point != "decoded") return;
    const auto poisonous = [&](const streaming::Record& r) { return r.value == bytes; };
    if (batch.size() > 1 ? std::any_of(batch.begin(), batch.end(), poisonous)
                         : poisonous(batch[0]) && condemned.insert(batch[0].position).second) {
      throw std::runtime_error("poison");
    }
  };
  auto pipeline = Pipeline::make(c, *log, after(small_ward()), hooks);
  ASSERT_TRUE(pipeline.ok());
  ASSERT_TRUE((*pipeline)->run(true).ok());
  const Progress p = (*pipeline)->progress();
  EXPECT_EQ(p.counts.refused_by[static_cast<std::size_t>(streaming::Refusal::poison)], kPoison);
  expected.refused += kPoison;
  pipeline->reset();
  expect_states(c, expected);
  expect_outputs(*log, c, expected);
  expect_tallies(p, expected);
  fs::remove_all(directory);
}

/// The embedded log, except that a commit now and then does nothing and puts the read position back, as a broker that
/// aborts does.
class AbortingFactory final : public streaming::LogFactory {
 public:
  AbortingFactory(streaming::LogFactory& real, std::uint64_t seed) : real_(real), random_(seed) {}
  Status ensure_topics(const std::vector<streaming::TopicSpec>& t) override { return real_.ensure_topics(t); }
  Result<std::unique_ptr<streaming::TopicReader>> reader() override { return real_.reader(); }
  Result<std::unique_ptr<streaming::Appender>> appender() override { return real_.appender(); }
  Result<std::unique_ptr<streaming::EventLog>> open(const std::string& group, const std::string& id) override {
    auto inner = real_.open(group, id);
    if (!inner.ok()) return inner.status();
    return std::unique_ptr<streaming::EventLog>(std::make_unique<AbortingLog>(*this, group, id, std::move(*inner)));
  }
  int aborted = 0;

 private:
  class AbortingLog final : public streaming::EventLog {
   public:
    AbortingLog(AbortingFactory& owner, std::string group, std::string id, std::unique_ptr<streaming::EventLog> inner)
        : owner_(owner), group_(std::move(group)), id_(std::move(id)), inner_(std::move(inner)) {}
    Status subscribe(const std::vector<std::string>& topics, streaming::AssignmentListener l) override {
      topics_ = topics;
      listener_ = std::move(l);
      return inner_->subscribe(topics_, listener_);
    }
    Result<std::vector<streaming::Record>> poll(std::size_t n, Millis wait) override { return inner_->poll(n, wait); }
    Status pause(const std::vector<TopicPartition>& p) override { return inner_->pause(p); }
    Status resume(const std::vector<TopicPartition>& p) override { return inner_->resume(p); }
    void start_commit(streaming::Transaction t) override {
      refused_ = owner_.random_() % 4 == 0 && !t.next_offsets.empty();  // of a batch: the model's publication is none
      if (!refused_) inner_->start_commit(std::move(t));
    }
    Result<std::map<TopicPartition, std::int64_t>> finish_commit() override {
      if (!refused_) return inner_->finish_commit();
      owner_.aborted += 1;
      inner_.reset();
      auto again = owner_.real_.open(group_, id_);
      if (!again.ok()) return again.status();
      inner_ = std::move(*again);
      if (Status s = inner_->subscribe(topics_, listener_); !s.ok()) return s;
      return Status(Code::aborted, "injected");
    }
    Result<streaming::Committed> committed(const TopicPartition& p, Millis limit) override { return inner_->committed(p, limit); }
    std::vector<TopicPartition> assignment() const override { return inner_->assignment(); }
    std::int64_t lag(const TopicPartition& p) const override { return inner_->lag(p); }

   private:
    AbortingFactory& owner_;
    bool refused_ = false;
    std::string group_, id_;
    std::vector<std::string> topics_;
    streaming::AssignmentListener listener_;
    std::unique_ptr<streaming::EventLog> inner_;
  };
  streaming::LogFactory& real_;
  std::mt19937_64 random_;
};

// Protects: an aborted batch leaves no trace in states, scores or outputs, and is done again.
TEST(Pipeline, AbortedBatchesLeaveNoTrace) {
  const fs::path quiet_directory = scratch("quiet"), noisy_directory = scratch("noisy");
  Progress quiet, noisy;
  for (const bool disturbed : {false, true}) {
    const Config c = small_config(disturbed ? noisy_directory : quiet_directory);
    const Expected expected = make_expected(c);
    auto log = open_log(c);
    send(*log, c, expected);
    AbortingFactory aborting(*log, 3);
    ASSERT_TRUE(run_once(c, disturbed ? static_cast<streaming::LogFactory&>(aborting) : *log, disturbed ? &noisy : &quiet).ok());
    if (disturbed) {
      EXPECT_GT(aborting.aborted, 3);
      EXPECT_EQ(noisy.aborted_batches, static_cast<std::uint64_t>(aborting.aborted));
    }
    expect_states(c, expected);
    expect_outputs(*log, c, expected);
  }
  EXPECT_EQ(noisy.counts.applied, quiet.counts.applied);
  // When the first version comes, and with it the first score, is the learner thread's affair; what it is given is not, but for
  // the rare moment that a batch boundary cuts in two.
  EXPECT_NEAR(static_cast<double>(noisy.learner.examples), static_cast<double>(quiet.learner.examples),
              static_cast<double>(quiet.learner.examples) / 50)
      << "an aborted batch was learned twice";
  fs::remove_all(quiet_directory);
  fs::remove_all(noisy_directory);
}

}  // namespace
}  // namespace lacuna::daemon
