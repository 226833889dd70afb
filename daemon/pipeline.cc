#include "daemon/pipeline.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "daemon/alignment.h"
#include "daemon/batch.h"
#include "daemon/restore.h"

namespace lacuna::daemon {

namespace {

using streaming::TopicPartition;
using std::chrono::steady_clock;

constexpr Millis kLiveLimit{30'000};
constexpr Millis kBackOffMin{100};
constexpr Millis kBackOffMax{10'000};
/// Empty polls in a row, with no lag, after which `until_idle` believes that there is nothing more.
constexpr int kIdlePolls = 5;
constexpr const char* kCheckpointPrefix = "learner-";

double seconds_since(steady_clock::time_point start) {
  return std::chrono::duration<double>(steady_clock::now() - start).count();
}

/// Adds the time of a stage to its sum when it goes out of scope.
class StageTimer {
 public:
  StageTimer(std::map<std::string, double>& sums, const char* stage) : sum_(sums[stage]) {}
  ~StageTimer() { sum_ += seconds_since(start_); }

 private:
  double& sum_;
  steady_clock::time_point start_ = steady_clock::now();
};

void add(Counts& total, const Counts& batch) {
  total.consumed += batch.consumed;
  total.applied += batch.applied;
  total.duplicate += batch.duplicate;
  total.late += batch.late;
  total.refused += batch.refused;
  total.partial += batch.partial;
  for (std::size_t i = 0; i < total.refused_by.size(); ++i) total.refused_by[i] += batch.refused_by[i];
  total.imputations += batch.imputations;
  total.imputed_values += batch.imputed_values;
  total.alerts += batch.alerts;
  total.dead_letters += batch.dead_letters;
}

class PipelineImpl final : public Pipeline {
 public:
  PipelineImpl(const Config& config, streaming::LogFactory& factory, Clock clock, Hooks hooks)
      : config_(config),
        factory_(factory),
        clock_(std::move(clock)),
        hooks_(std::move(hooks)),
        decoder_(*config_.schema, config_.limits),
        state_(config_) {}

  Status open() {
    state::StoreOptions store = config_.store;
    store.path = config_.data_dir + "/state";
    auto opened = state::Store::open(*config_.schema, store);
    if (!opened.ok()) return opened.status();
    store_ = std::move(*opened);
    LACUNA_RETURN_IF_ERROR(state_.load(config_, *store_));
    LACUNA_RETURN_IF_ERROR(open_learner());
    if (config_.log.create_topics) LACUNA_RETURN_IF_ERROR(make_topics());
    auto reader = factory_.reader();
    if (!reader.ok()) return reader.status();
    reader_ = std::move(*reader);
    return open_log();
  }

  ~PipelineImpl() override = default;

  Status run(bool until_idle) override {
    moved();
    const Status outcome = loop(until_idle);
    // Whatever happened, what was learned and applied is kept.
    if (until_idle && outcome.ok()) learner_->drain();
    if (const Status s = save_checkpoint(); !s.ok()) spdlog::error("checkpoint: {}", s.to_string());
    if (const Status s = store_->sync(); !s.ok()) spdlog::error("store: {}", s.to_string());
    log_.reset();  // leaves the group at once
    publish_progress(0);
    return outcome;
  }

  void stop() override {
    stopping_ = true;
    wake_.notify_all();
  }

  Progress progress() const override {
    const std::lock_guard lock(progress_mutex_);
    return progress_;
  }

  bool live() const override {
    return steady_clock::now() - steady_clock::time_point(steady_clock::duration(moved_.load())) < kLiveLimit;
  }

  Status ready() const override {
    const std::lock_guard lock(progress_mutex_);
    return ready_;
  }

  Result<Snapshot> patient(const std::string& id) const override { return store_->snapshot(id); }

  Result<Imputation> impute(const Snapshot& snapshot) const override {
    const auto version = learner_->current();
    model::Query query{&snapshot, snapshot.last_time, features_to_impute(config_, snapshot, snapshot.last_time), {},
                       config_.model.seed};
    auto predictions = version->predict({&query, 1});
    if (!predictions.ok()) return predictions.status();
    const std::lock_guard lock(state_mutex_);
    return make_imputation(config_, snapshot, snapshot.last_time, predictions->front(), state_.calibrator, version->id());
  }

  std::string model_json() const override {
    const auto version = learner_->current();
    const model::LearnerStats stats = learner_->stats();
    nlohmann::ordered_json out{{"version", version->id()},
                               {"steps", version->steps()},
                               {"parameters", version->parameter_count()},
                               {"loss", version->loss()},
                               {"device", model::describe_device(config_.model)},
                               {"examples", stats.examples},
                               {"replayed", stats.replayed},
                               {"skipped_steps", stats.skipped_steps}};
    const std::lock_guard lock(state_mutex_);
    for (FeatureId f = 0; f < config_.schema->feature_count(); ++f) {
      const model::ScoreBoard::Row& row = state_.scores.row(f);
      if (row.count == 0) continue;
      const double n = static_cast<double>(row.count);
      const auto [mean, sd] = version->moments(f);
      out["features"][config_.schema->qualified_name(f)] = {
          {"count", row.count},         {"mae", row.error_model / n},  {"mae_last_value", row.error_last / n},
          {"mae_mean", row.error_mean / n}, {"crps", row.crps / n},    {"coverage", static_cast<double>(row.covered) / n},
          {"mean", mean},               {"sd", sd}};
    }
    return out.dump(2);
  }

 private:
  Status open_learner() {
    auto names = store_->checkpoint_names();
    if (!names.ok()) return names.status();
    std::sort(names->begin(), names->end(), std::greater<>());
    std::vector<std::string> checkpoints;
    for (const std::string& name : *names) {
      if (name.rfind(kCheckpointPrefix, 0) == 0) checkpoints.push_back(name);
    }
    if (!checkpoints.empty()) {
      checkpoint_number_ = std::stoll(checkpoints.front().substr(std::string_view(kCheckpointPrefix).size()));
    }
    checkpoints.emplace_back();  // after all others: begin anew
    for (const std::string& name : checkpoints) {
      std::string bytes;
      if (!name.empty()) {
        auto read = store_->checkpoint(name);
        if (!read.ok()) {
          spdlog::warn("checkpoint {} cannot be read ({}): trying the one before", name, read.status().to_string());
          continue;
        }
        bytes = std::move(*read);
      }
      const auto replay = [store = store_.get()](std::size_t count, std::uint64_t seed) -> std::vector<Example> {
        auto drawn = store->draw(count, seed);
        if (!drawn.ok()) {
          spdlog::warn("replay: {}", drawn.status().to_string());
          return {};
        }
        return std::move(*drawn);
      };
      auto learner =
          model::Learner::make(*config_.schema, config_.model, config_.train, config_.predict, replay, bytes);
      if (learner.ok()) {
        learner_ = std::move(*learner);
        const auto version = learner_->current();
        if (name.empty()) spdlog::info("model: new, {} parameters, on {}", version->parameter_count(), model::describe_device(config_.model));
        else spdlog::info("model: {} from {}, {} steps, on {}", version->id(), name, version->steps(), model::describe_device(config_.model));
        return {};
      }
      if (learner.code() != Code::corrupt || name.empty()) return learner.status();
      spdlog::warn("checkpoint {}: {}: trying the one before", name, learner.status().to_string());
    }
    return {Code::internal, "no learner"};
  }

  Status make_topics() {
    const std::int32_t n = config_.log.partitions;
    const std::string replication = std::to_string(config_.log.replication);
    std::vector<streaming::TopicSpec> specs;
    const auto want = [&](const std::string& name, const char* cleanup) {
      if (!name.starts_with('^')) {
        specs.push_back({name, n, {{"cleanup.policy", cleanup}, {"replication.factor", replication}}});
      }
    };
    for (const std::string& topic : config_.topics.events) want(topic, "delete");
    want(config_.topics.imputations, "compact,delete");
    want(config_.topics.alerts, "compact,delete");
    want(config_.topics.dead_letters, "delete");
    want(config_.topics.state, "compact");
    want(config_.topics.model, "compact");
    for (Millis pause = kBackOffMin;; pause = std::min(pause * 2, kBackOffMax)) {
      const Status s = factory_.ensure_topics(specs);
      if (s.code() != Code::unavailable || stopping_) return s;
      spdlog::warn("waiting for the event log: {}", s.message());
      wait(pause);
    }
  }

  Status open_log() {
    for (Millis pause = kBackOffMin;; pause = std::min(pause * 2, kBackOffMax)) {
      auto log = factory_.open(config_.log.group, config_.instance);
      if (log.ok()) {
        log_ = std::move(*log);
        break;
      }
      if (log.code() != Code::unavailable || stopping_) return log.status();
      set_ready({Code::unavailable, "the event log is out of reach: " + log.status().message()});
      spdlog::warn("waiting for the event log: {}", log.status().message());
      wait(pause);
    }
    set_ready({Code::unavailable, "no partition is assigned yet"});
    return log_->subscribe(config_.topics.events,
                           {[this](const std::vector<TopicPartition>& added) {
                              to_restore_.insert(added.begin(), added.end());
                              for (const TopicPartition& p : added) alignment_.assign(p);
                            },
                            [this](const std::vector<TopicPartition>& removed, bool lost) {
                              for (const TopicPartition& p : removed) {
                                to_restore_.erase(p);
                                changelog_.erase(p);
                                alignment_.revoke(p);
                                std::erase_if(pending_, [&p](const streaming::Record& r) {
                                  return r.position.topic == p.topic && r.position.partition == p.partition;
                                });
                              }
                              if (!removed.empty()) {
                                spdlog::info("{} partitions {}", removed.size(), lost ? "lost" : "given up");
                              }
                            }});
  }

  Status loop(bool until_idle) {
    int idle = 0;
    while (!stopping_) {
      const Result<bool> worked = turn();
      if (!worked.ok()) return worked.status();
      if (*worked) {
        idle = 0;
        continue;
      }
      const bool all_read = !log_->assignment().empty() && log_->lag() == 0;
      idle = all_read ? idle + 1 : 0;
      if (until_idle && idle >= kIdlePolls) return {};
    }
    return {};
  }

  Result<bool> turn() override {
    moved();
    Status outcome = poll();
    if (outcome.ok() && !to_restore_.empty()) outcome = restore();
    const bool worked = !pending_.empty();
    if (outcome.ok() && worked) outcome = process(pending_);
    switch (outcome.code()) {
      case Code::ok: pause_ = kBackOffMin; break;
      case Code::aborted: {
        // Nothing of the batch is durable and the log will give it again: forget what it did to the detectors.
        spdlog::warn("batch aborted, doing it again: {}", outcome.message());
        aborted_batches_ += 1;
        pending_.clear();
        const std::lock_guard lock(state_mutex_);
        LACUNA_RETURN_IF_ERROR(state_.load(config_, *store_));
        return true;
      }
      case Code::unavailable:
        spdlog::warn("waiting: {}", outcome.message());
        set_ready(outcome);
        wait(pause_);
        pause_ = std::min(pause_ * 2, kBackOffMax);
        return true;
      default: return outcome;
    }
    if (!worked) LACUNA_RETURN_IF_ERROR(align({}));
    pending_.clear();
    if (to_restore_.empty() && !log_->assignment().empty()) set_ready({});
    if (steady_clock::now() - last_checkpoint_ > config_.checkpoint_every) {
      LACUNA_RETURN_IF_ERROR(save_checkpoint());
      last_checkpoint_ = steady_clock::now();
    }
    if (!worked) publish_progress(0);
    return worked;
  }

  /// Reads the next batch into pending_. A batch that could not be worked on yet is kept, and the partitions stay paused
  /// but polled, so that the group does not take them away.
  Status poll() {
    const StageTimer timer(stages_, "poll");
    const bool waiting = !pending_.empty();
    if (waiting) LACUNA_RETURN_IF_ERROR(log_->pause(log_->assignment()));
    auto polled = waiting ? log_->poll(1, Millis(0)) : log_->poll(config_.batch.max_events, config_.batch.max_delay);
    if (waiting) LACUNA_RETURN_IF_ERROR(log_->resume(alignment_.going()));
    if (!polled.ok()) return polled.status();
    for (streaming::Record& record : *polled) pending_.push_back(std::move(record));
    return {};
  }

  Status restore() {
    const StageTimer timer(stages_, "restore");
    const auto partitions = to_restore_;
    for (const TopicPartition& p : partitions) {
      set_ready({Code::unavailable, "restoring " + p.topic + "/" + std::to_string(p.partition)});
      auto committed = log_->committed(p);
      if (!committed.ok()) return committed.status();
      const auto start = steady_clock::now();
      std::int64_t restored = 0;
      LACUNA_RETURN_IF_ERROR(restore_partition(config_, p, *committed, *reader_, *store_,
                                               [&](std::int64_t done, std::int64_t all) {
                                                 restored = done;
                                                 moved();
                                                 spdlog::debug("restore {}/{}: {} of {}", p.topic, p.partition, done, all);
                                               }));
      if (restored > 0) {
        spdlog::info("restored {}/{}: {} changelog records in {:.2f} s", p.topic, p.partition, restored, seconds_since(start));
      }
      if (committed->changelog_next) changelog_[p] = *committed->changelog_next;
      to_restore_.erase(p);
    }
    return {};
  }

  Status process(const std::vector<streaming::Record>& records) {
    const auto start = steady_clock::now();
    Batch batch(config_, records);
    const auto version = learner_->current();
    {
      const StageTimer timer(stages_, "decode");
      batch.decode(decoder_, clock_());
    }
    {
      const StageTimer timer(stages_, "load");
      LACUNA_RETURN_IF_ERROR(batch.load(*store_));
    }
    streaming::Transaction transaction;
    std::vector<Alert> alerts;
    {
      const std::lock_guard lock(state_mutex_);
      {
        const StageTimer timer(stages_, "score");
        batch.advance(state_.monitor);
        // The watermark of the batches before: what of this one lies behind it is late.
        state_.monitor.advance(alignment_.watermark());
        batch.score(*version, state_);
        alerts = state_.monitor.take_alerts();
      }
      const StageTimer timer(stages_, "impute");
      batch.impute(*version, state_.calibrator);
    }
    {
      const StageTimer timer(stages_, "encode");
      transaction = batch.encode(alerts, version->id());
    }
    {
      const StageTimer timer(stages_, "commit");
      auto committed = log_->commit(transaction);
      if (!committed.ok()) return committed.status();
      for (const auto& [partition, next] : *committed) changelog_[partition] = next;
    }
    {
      const StageTimer timer(stages_, "apply");
      const std::lock_guard lock(state_mutex_);
      LACUNA_RETURN_IF_ERROR(store_->apply(batch.change(changelog_, state_)));
    }
    add(counts_, batch.counts());
    batches_ += 1;
    event_time_ = std::max(event_time_, batch.newest());
    batch_durations_.add(seconds_since(start));
    LACUNA_RETURN_IF_ERROR(align(batch.newest_by_partition()));
    for (const Alert& alert : alerts) {
      spdlog::info("alert {} {}: {}", to_string(alert.state), alert.alert_id, alert.summary);
      if (hooks_.on_alert) hooks_.on_alert(alert);
    }
    if (hooks_.on_imputations) hooks_.on_imputations(batch.imputations());
    {
      const StageTimer timer(stages_, "learn");
      LACUNA_RETURN_IF_ERROR(submit(batch.take_examples()));
    }
    publish_progress(seconds_since(start));
    return {};
  }

  /// Back-pressure: while the learner's queue is full the partitions are paused, and polled so that the group keeps us.
  Status submit(std::vector<Example> examples) {
    bool paused = false;
    const std::size_t room = config_.train.queue_examples_max - std::min(config_.train.queue_examples_max, examples.size());
    while (learner_->stats().queued > room && !stopping_) {
      if (!paused) LACUNA_RETURN_IF_ERROR(log_->pause(log_->assignment()));
      paused = true;
      auto polled = log_->poll(1, Millis(50));
      if (!polled.ok() && polled.code() != Code::unavailable) return polled.status();
      moved();
    }
    if (paused) LACUNA_RETURN_IF_ERROR(log_->resume(alignment_.going()));
    learner_->submit(std::move(examples));
    return {};
  }

  Status align(const std::map<TopicPartition, Time>& newest) {
    const Alignment::Change change = alignment_.observe(newest);
    if (!change.pause.empty()) LACUNA_RETURN_IF_ERROR(log_->pause(change.pause));
    return change.resume.empty() ? Status() : log_->resume(change.resume);
  }

  Status save_checkpoint() {
    const std::string bytes = learner_->checkpoint();
    const std::string number = std::to_string(++checkpoint_number_);
    const std::string name = kCheckpointPrefix + std::string(9 - std::min<std::size_t>(9, number.size()), '0') + number;
    LACUNA_RETURN_IF_ERROR(store_->put_checkpoint(name, bytes));
    auto names = store_->checkpoint_names();
    if (!names.ok()) return names.status();
    std::sort(names->begin(), names->end());
    std::erase_if(*names, [](const std::string& n) { return n.rfind(kCheckpointPrefix, 0) != 0; });
    for (std::size_t i = 0; i + config_.checkpoints_kept < names->size(); ++i) {
      LACUNA_RETURN_IF_ERROR(store_->drop_checkpoint((*names)[i]));
    }
    spdlog::debug("checkpoint {} ({} bytes)", name, bytes.size());
    return {};
  }

  void publish_progress(double batch_seconds) {
    Progress p;
    p.counts = counts_;
    p.batches = batches_;
    p.aborted_batches = aborted_batches_;
    p.batch_seconds = batch_seconds;
    p.batch_durations = batch_durations_;
    p.stage_seconds = stages_;
    if (log_) {
      p.lag = log_->lag();
      p.assigned_partitions = log_->assignment().size();
    }
    p.event_time = event_time_;
    p.model_version = learner_->current()->id();
    p.learner = learner_->stats();
    p.scores = state_.scores.summary();
    p.recent = state_.scores.recent();
    for (FeatureId f = 0; f < state_.scores.size(); ++f) p.features.push_back(state_.scores.row(f));
    p.subjects = state_.monitor.subjects();
    p.open_alerts = state_.monitor.open_alerts();
    p.replay_size = store_->replay_size();
    p.patients = store_->patient_count_estimate();
    p.store_bytes = store_->usage();
    {
      const std::lock_guard lock(progress_mutex_);
      progress_ = p;
    }
    if (hooks_.after_batch) hooks_.after_batch(p);
  }

  void set_ready(Status status) {
    const std::lock_guard lock(progress_mutex_);
    ready_ = std::move(status);
  }
  void moved() { moved_ = steady_clock::now().time_since_epoch().count(); }
  void wait(Millis duration) {
    std::unique_lock lock(wait_mutex_);
    wake_.wait_for(lock, duration, [this] { return stopping_.load(); });
    moved();
  }

  const Config config_;
  streaming::LogFactory& factory_;
  const Clock clock_;
  const Hooks hooks_;

  // The loop's thread only.
  streaming::EventDecoder decoder_;
  std::unique_ptr<streaming::TopicReader> reader_;
  std::unique_ptr<streaming::EventLog> log_;
  std::vector<streaming::Record> pending_;  ///< the batch being worked on
  std::set<TopicPartition> to_restore_;
  Alignment alignment_;
  std::map<TopicPartition, std::int64_t> changelog_;  ///< next changelog offset by input partition
  std::map<std::string, double> stages_;
  Counts counts_;
  std::uint64_t batches_ = 0, aborted_batches_ = 0;
  BatchDurations batch_durations_;
  Time event_time_{};
  std::int64_t checkpoint_number_ = 0;
  steady_clock::time_point last_checkpoint_ = steady_clock::now();
  Millis pause_ = kBackOffMin;  ///< before the next try to reach what is out of reach

  // Self-synchronised. The learner reads the store from its own thread: it goes first.
  std::unique_ptr<state::Store> store_;
  std::unique_ptr<model::Learner> learner_;
  std::atomic<bool> stopping_ = false;
  std::atomic<steady_clock::rep> moved_ = 0;

  mutable std::mutex state_mutex_;  ///< guards state_ against the HTTP threads
  StreamState state_;
  mutable std::mutex progress_mutex_;  ///< guards progress_, ready_
  Progress progress_;
  Status ready_{Code::unavailable, "starting"};
  std::mutex wait_mutex_;
  std::condition_variable wake_;
};

}  // namespace

Result<std::unique_ptr<Pipeline>> Pipeline::make(const Config& config, streaming::LogFactory& log, Clock clock,
                                                 Hooks hooks) {
  auto pipeline = std::make_unique<PipelineImpl>(config, log, std::move(clock), std::move(hooks));
  if (Status s = pipeline->open(); !s.ok()) return s;
  return std::unique_ptr<Pipeline>(std::move(pipeline));
}

}  // namespace lacuna::daemon
