#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "daemon/pipeline/pipeline.h"
#include "state/store.h"
#include "streaming/messages/encoders.h"
#include "tests/robustness/pipeline_fixture.h"

namespace lacuna::daemon {

/// What the tests of persons share: a log, what is said of persons on it, and a loop that is run to the log's end.
class PersonsTest : public ::testing::Test {
 protected:
  struct Crash {};
  static constexpr Time kStart = Time(std::chrono::hours(24 * 365 * 56));
  static constexpr Time kNow = kStart + std::chrono::hours(24 * 30);

  explicit PersonsTest(std::string name) : name_(std::move(name)) {}
  void SetUp() override { begin(); }
  void TearDown() override {
    log_.reset();
    fs::remove_all(directory_);
  }
  /// What differs from small_config().
  virtual void configure() {}
  /// Anew, with nothing on the log or the disk.
  void begin() {
    log_.reset();
    if (!directory_.empty()) fs::remove_all(directory_);
    directory_ = scratch(name_);
    config_ = small_config(directory_);
    config_.checkpoint_every = std::chrono::hours(1);
    configure();
    reopen();
    ASSERT_TRUE(log_->ensure_topics({{config_.topics.events.front(), kPartitions, {}}}).ok());
  }
  void reopen() {
    log_.reset();
    log_ = open_log(config_);
  }

  void append(const std::string& key, std::optional<std::string> value, std::optional<std::int32_t> partition = {}) {
    auto appender = log_->appender();
    ASSERT_TRUE(appender.ok());
    ASSERT_TRUE((*appender)->append({config_.topics.events.front(), partition, key, std::move(value), {}}).ok());
    ASSERT_TRUE((*appender)->flush().ok());
  }
  void send(const Event& e, std::optional<std::int32_t> partition = {}) {
    append(e.patient_id, streaming::encode_event(*config_.schema, e), partition);
  }
  Event event(const std::string& patient, const std::string& id, int hour, double hr) const {
    Event out;
    out.event_id = id;
    out.patient_id = patient;
    out.time = kStart + std::chrono::hours(hour);
    out.modality = config_.schema->find_modality("vitals");
    out.values = {{0, hr}};
    return out;
  }
  Event about(const std::string& patient, const std::string& id, PersonChange what, const std::string& into = {}) const {
    Event out;
    out.event_id = id;
    out.patient_id = patient;
    out.time = kStart;
    out.person = what;
    out.merged_into = into;
    return out;
  }

  /// To the end of `log`, which may stand before the test's own.
  Result<Progress> run_on(streaming::LogFactory& log, Pipeline::Hooks hooks = {}) {
    auto pipeline = Pipeline::make(
        config_, log, [] { return kNow; }, std::move(hooks));
    if (!pipeline.ok()) return pipeline.status();
    const Status ran = (*pipeline)->run(true);
    if (!ran.ok()) return ran;
    return (*pipeline)->progress();
  }
  Result<Progress> run(Pipeline::Hooks hooks = {}) { return run_on(*log_, std::move(hooks)); }
  Progress must_run() {
    auto ran = run();
    EXPECT_TRUE(ran.ok()) << ran.status().to_string();
    return ran.ok() ? *ran : Progress{};
  }
  void lose_disk() { fs::remove_all(config_.store.path); }
  std::unique_ptr<state::Store> store() const {
    auto opened = state::Store::open(*config_.schema, config_.store);
    EXPECT_TRUE(opened.ok()) << opened.status().to_string();
    return std::move(*opened);
  }

  const std::string name_;  ///< of the folder
  fs::path directory_;
  Config config_;
  std::unique_ptr<streaming::LogFactory> log_;
};

}  // namespace lacuna::daemon
