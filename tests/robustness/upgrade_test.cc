// An upgraded daemon on what the version before left behind.
//
// Goal: patients, positions, replay examples and the model are all there after an upgrade; detectors, scores, calibration and the
// reference of the codes, which are learned again from the stream, begin afresh where their form is another version's, and say so
// once. Method: tests/fixtures/store-7804b1e holds the data directory of a small ward, as the daemon of commit 7804b1e left it;
// what that daemon said of it is written down here. Versions that no build ever wrote are made from it by changing four bytes.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <sstream>
#include <string>

#include "daemon/pipeline/batch.h"
#include "daemon/pipeline/pipeline.h"
#include "state/stored_records.h"
#include "tests/robustness/pipeline_fixture.h"

namespace lacuna::daemon {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// What 7804b1e said at its end, its model when started once more, and what its store held.
constexpr std::size_t kPatients = 11;
constexpr std::size_t kReplayExamples = 200;
constexpr std::size_t kReferencePatients = 5;
constexpr std::uint64_t kCalibrationUpdates = 398;
/// There it was 000021-1bc587aa: the weights are the same, with zeros for the columns that 7804b1e did not read.
constexpr const char* kModelVersion = "000021-bc5e0c9c";
constexpr const char* kNewest = "2026-01-02T11:58:00Z";
constexpr const char* kMutedUntil = "2026-01-04T11:58:00Z";
const state::RecordCounts kCounts{442, 345, 17, 0, 80, 307};

/// The data directory that 7804b1e left, in a folder of its own: a store that is opened changes.
class Upgrade : public ::testing::Test {
 protected:
  Upgrade() : folder_(scratch("upgrade")) {
    fs::copy(fs::path(LACUNA_OLD_DATA) / "data", folder_ / "data", fs::copy_options::recursive);
    const ConfigOutcome read = load_config("tests/fixtures/store-7804b1e/configuration.yaml", {"data_dir=" + (folder_ / "data").string()});
    for (const ConfigProblem& problem : read.problems) ADD_FAILURE() << format_problem(problem);
    if (read.config) config_ = *read.config;
    config_.log.embedded.path = config_.data_dir + "/log";
    const auto sink = std::make_shared<spdlog::sinks::ostream_sink_mt>(said_);
    before_ = spdlog::default_logger();
    spdlog::set_default_logger(std::make_shared<spdlog::logger>("upgrade", sink));
  }
  ~Upgrade() override {
    spdlog::set_default_logger(before_);
    fs::remove_all(folder_);
  }

  std::unique_ptr<state::Store> open_store() {
    auto opened = state::Store::open(*config_.schema, config_.store);
    EXPECT_TRUE(opened.ok()) << opened.status().to_string();
    return opened.ok() ? std::move(*opened) : nullptr;
  }
  /// Another version in front of what the store holds under this name.
  void rewrite(const std::string& name, std::uint32_t version) {
    const auto store = open_store();
    std::string bytes = store->meta(name)->content;
    bytes.replace(0, sizeof version, reinterpret_cast<const char*>(&version), sizeof version);
    put(*store, name, bytes);
  }
  static void put(state::Store& store, const std::string& name, std::string bytes) {
    state::StateChange change;
    change.meta[name] = std::move(bytes);
    ASSERT_TRUE(store.apply(change).ok());
  }
  std::size_t warnings() const {
    const std::string all = said_.str();
    std::size_t count = 0;
    for (std::size_t at = all.find("begun afresh"); at != std::string::npos; at = all.find("begun afresh", at + 1)) ++count;
    return count;
  }
  Progress run() {
    auto log = open_log(config_);
    auto pipeline = Pipeline::make(config_, *log, [] { return *parse_rfc3339("2026-01-03T00:00:00Z"); }, {});
    EXPECT_TRUE(pipeline.ok()) << pipeline.status().to_string();
    if (!pipeline.ok()) return {};
    const Status outcome = (*pipeline)->run(true);
    EXPECT_TRUE(outcome.ok()) << outcome.to_string();
    return (*pipeline)->progress();
  }
  /// Something to do: a batch that commits, and changes no patient.
  void send_a_duplicate() {
    auto log = open_log(config_);
    const streaming::Record first = read_all(*log, config_.topics.events.front()).front();
    auto appender = log->appender();
    ASSERT_TRUE(appender.ok());
    ASSERT_TRUE((*appender)->append({first.position.topic, first.position.partition, first.key, first.value, {}}).ok());
    ASSERT_TRUE((*appender)->flush().ok());
  }

  const fs::path folder_;
  Config config_;
  std::ostringstream said_;
  std::shared_ptr<spdlog::logger> before_;
};

/// All that is never given up.
void expect_kept(const Config& config, state::Store& store) {
  std::size_t patients = 0;
  std::uint64_t events = 0;
  const Status read = store.for_each_snapshot([&](const Snapshot& s) {
    patients += 1;
    events += s.event_count;
  });
  ASSERT_TRUE(read.ok()) << read.to_string();
  EXPECT_EQ(patients, kPatients);
  EXPECT_EQ(store.patient_count_estimate(), kPatients);
  EXPECT_EQ(events, kCounts.applied);
  const auto positions = store.positions();
  ASSERT_TRUE(positions.ok()) << positions.status().to_string();
  EXPECT_EQ(positions->size(), 2u);
  state::RecordCounts counts;
  std::int64_t next = 0;
  for (const auto& [partition, position] : *positions) {
    counts += position.counts;
    next += position.input_next;
  }
  EXPECT_EQ(counts, kCounts);
  EXPECT_EQ(next, static_cast<std::int64_t>(kCounts.consumed));
  EXPECT_EQ(store.replay_size(), kReplayExamples);
  const auto drawn = store.draw(kReplayExamples, 1);
  ASSERT_TRUE(drawn.ok()) << drawn.status().to_string();
  EXPECT_EQ(drawn->size(), kReplayExamples);
  const auto checkpoint = store.checkpoint("learner-000000001");
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status().to_string();
  const auto learner = model::Learner::make(*config.schema, config.model, config.train, config.predict, {}, *checkpoint);
  ASSERT_TRUE(learner.ok()) << learner.status().to_string();
  EXPECT_EQ((*learner)->current()->id(), kModelVersion);
}

std::uint64_t calibration_updates(const Config& config, const StreamState& state) {
  std::uint64_t sum = 0;
  for (FeatureId f = 0; f < config.schema->feature_count(); ++f) {
    for (const auto recency : {model::Recency::never_measured, model::Recency::stale, model::Recency::fresh}) {
      sum += state.calibrator.updates(f, recency);
    }
  }
  return sum;
}

Time muted_until(const StreamState& state) {
  for (const drift::SubjectView& s : state.monitor.subjects()) {
    if (s.kind == "coverage" && s.subject == "vitals.temp") return s.muted_until;
  }
  return {};
}

/// How many the detector of the codes has counted.
std::size_t gathered(const StreamState& state) {
  for (const drift::SubjectView& s : state.monitor.subjects()) {
    if (s.kind == "latent") return s.updates;
  }
  return 0;
}

std::size_t reference_patients(const state::Store& store) {
  const auto count = store.meta("latent_reference");
  return count.ok() ? std::stoul(count->content) : 0;
}

// Protects: what is in the field is read. Scores are the one thing that came to mean something else since.
TEST_F(Upgrade, ReadsTheStoreOf7804b1e) {
  const auto store = open_store();
  ASSERT_TRUE(store);
  expect_kept(config_, *store);
  StreamState state(config_);
  const Status loaded = state.load(config_, *store);
  ASSERT_TRUE(loaded.ok()) << loaded.to_string();
  EXPECT_THAT(state.begun_afresh, ElementsAre("scores"));
  EXPECT_EQ(state.scores.summary().count, 0u);
  EXPECT_EQ(calibration_updates(config_, state), kCalibrationUpdates);
  EXPECT_EQ(format_rfc3339(state.newest), kNewest);
  EXPECT_EQ(format_rfc3339(muted_until(state)), kMutedUntil);
  EXPECT_FALSE(state.reference.empty());
  EXPECT_EQ(reference_patients(*store), kReferencePatients);
}

// Protects: an older and a newer version of each part begin afresh alone, said once however often the state is loaded.
TEST_F(Upgrade, PartsOfAnotherVersionBeginAfreshAndNothingElseDoes) {
  for (const std::uint32_t version : {1u, 99u}) {
    for (const char* name : {"monitor", "scores"}) rewrite(name, version);
    const auto store = open_store();
    ASSERT_TRUE(store);
    StreamState state(config_);
    for (int again = 0; again < 3; ++again) {
      const Status loaded = state.load(config_, *store);
      ASSERT_TRUE(loaded.ok()) << loaded.to_string();
    }
    EXPECT_THAT(state.begun_afresh, ElementsAre("monitor", "scores"));
    EXPECT_EQ(muted_until(state), Time::min());
    EXPECT_EQ(state.monitor.patients(), 0u);
    EXPECT_TRUE(state.monitor.gathers_reference());
    EXPECT_TRUE(state.reference.empty()) << "the detector that counted them is gone";
    EXPECT_EQ(calibration_updates(config_, state), kCalibrationUpdates);
    EXPECT_EQ(format_rfc3339(state.newest), kNewest);
    Progress progress;
    state.report(progress);
    EXPECT_THAT(progress.recovery.state_parts_begun_afresh, ElementsAre("monitor", "scores"));
    // What is stored next is what was begun.
    state::StateChange change;
    state.save_new(*config_.schema, change);
    EXPECT_EQ(change.meta.at("latent_reference"), "0");
    expect_kept(config_, *store);
  }
  EXPECT_EQ(warnings(), 4u) << said_.str();
  EXPECT_THAT(said_.str(), HasSubstr("what operators accepted or muted"));
}

TEST_F(Upgrade, CalibrationOfANewerVersionBeginsAfresh) {
  rewrite("calibration", 2);
  const auto store = open_store();
  StreamState state(config_);
  ASSERT_TRUE(state.load(config_, *store).ok());
  EXPECT_THAT(state.begun_afresh, ElementsAre("calibration", "scores"));
  EXPECT_EQ(calibration_updates(config_, state), 0u);
  EXPECT_EQ(format_rfc3339(muted_until(state)), kMutedUntil);
}

// Protects: the detector of the codes and the reference that it counts begin together, whichever of them cannot be had: else they
// would never be complete at the same time, and gather for ever.
TEST_F(Upgrade, TheReferenceAndItsDetectorBeginTogether) {
  const auto store = open_store();
  ASSERT_TRUE(store);
  StreamState state(config_);
  ASSERT_TRUE(state.load(config_, *store).ok());
  EXPECT_EQ(gathered(state), kReferencePatients);
  std::string newer = store->meta("latent_reference/0")->content;
  newer[1] = static_cast<char>(state::kFormatVersion + 1);
  put(*store, "latent_reference/0", newer);
  ASSERT_TRUE(state.load(config_, *store).ok());
  EXPECT_THAT(state.begun_afresh, ElementsAre("latent_reference", "scores"));
  EXPECT_TRUE(state.reference.empty());
  EXPECT_EQ(gathered(state), 0u);
  EXPECT_EQ(format_rfc3339(muted_until(state)), kMutedUntil);
  // So it is after a lost disk: detectors came back as they were published, the reference was not.
  put(*store, "latent_reference", "0");
  StreamState restored(config_);
  ASSERT_TRUE(restored.load(config_, *store).ok());
  EXPECT_THAT(restored.begun_afresh, ElementsAre("scores"));
  EXPECT_EQ(gathered(restored), 0u);
}

// Protects: damage is not taken for another version: it is for the quarantine, and nothing is forgotten over it in silence.
TEST_F(Upgrade, DamagedPartsStayCorrupt) {
  for (const std::string name : {"monitor", "scores", "calibration", "latent_reference"}) {
    const auto store = open_store();
    ASSERT_TRUE(store);
    StreamState good(config_);
    put(*store, "scores", good.scores.save());
    const std::string whole = store->meta(name)->content;
    for (const std::string& damaged : {whole.substr(0, whole.size() / 2), whole.substr(0, 2) + "x", std::string(), std::string(8, '\0')}) {
      if (name == "latent_reference" && damaged == whole.substr(0, whole.size() / 2)) continue;  // a smaller number is one
      put(*store, name, damaged);
      StreamState state(config_);
      EXPECT_EQ(state.load(config_, *store).code(), Code::corrupt) << name << " of " << damaged.size() << " bytes";
      EXPECT_THAT(state.begun_afresh, IsEmpty());
    }
    put(*store, name, whole);
  }
}

// Protects: the whole daemon goes on where the one before stopped: nothing is set aside, wiped or read again, and the next start
// has nothing left to say.
TEST_F(Upgrade, TheDaemonGoesOnFromIt) {
  rewrite("monitor", 99);
  send_a_duplicate();
  const Progress first = run();
  EXPECT_EQ(first.recovery.state_parts_begun_afresh.size(), 2u);
  EXPECT_EQ(first.recovery.damaged_stores, 0u);
  EXPECT_EQ(first.recovery.wiped_ahead + first.recovery.wiped_too_old, 0u);
  EXPECT_EQ(first.recovery.records_restored, 0u);
  EXPECT_THAT(first.model_version, EndsWith("-bc5e0c9c"));  // the same weights, handed over once more at the end
  EXPECT_EQ(first.patients, kPatients);
  state::RecordCounts counts = kCounts;
  counts.consumed += 1;
  counts.duplicate += 1;
  state::RecordCounts found;
  for (const auto& [partition, of_partition] : first.partitions) found += of_partition;
  EXPECT_EQ(found, counts);
  EXPECT_EQ(warnings(), 2u) << said_.str();
  const auto store = open_store();
  ASSERT_TRUE(store);
  ASSERT_TRUE(store->for_each_snapshot([&](const Snapshot& s) { EXPECT_THAT(said_.str(), Not(HasSubstr(s.patient_id))); }).ok());
}

TEST_F(Upgrade, IsSaidOnceAndNotAtEachStart) {
  send_a_duplicate();
  EXPECT_THAT(run().recovery.state_parts_begun_afresh, ElementsAre("scores"));
  EXPECT_THAT(run().recovery.state_parts_begun_afresh, IsEmpty());
  EXPECT_EQ(warnings(), 1u) << said_.str();
}

}  // namespace
}  // namespace lacuna::daemon
