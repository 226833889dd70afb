#include "daemon/pipeline/pipeline.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <exception>
#include <mutex>
#include <optional>
#include <typeinfo>
#include <utility>

#include "daemon/pipeline/partition_alignment.h"
#include "daemon/pipeline/batch.h"
#include "daemon/pipeline/store_quarantine.h"
#include "daemon/registry/learner_checkpoints.h"
#include "daemon/pipeline/learning_queue.h"
#include "daemon/registry/model_json.h"
#include "daemon/pipeline/retry.h"
#include "daemon/pipeline/imputation.h"
#include "daemon/pipeline/alert_response.h"
#include "daemon/pipeline/restore.h"
#include "daemon/pipeline/stage_timer.h"
#include "daemon/pipeline/loop_status.h"

namespace lacuna::daemon {

namespace {

using streaming::TopicPartition;
using std::chrono::steady_clock;

constexpr Millis kTurnMax{30'000};
/// How long partitions that are here wait for those that are being restored, a turn.
constexpr Millis kRestoreSlice{100};
/// Turns without work in a row, with no lag, after which `until_idle` believes that there is nothing more.
constexpr int kIdleTurns = 5;
/// An operator who asks something waits this long for the loop; the loop looks at least this often.
constexpr Millis kCommandMax{10'000};
constexpr Millis kPollMax{1'000};

/// A batch from decoding to the store. At most two live: one whose commit is under way, one that is prepared meanwhile.
struct StagedBatch {
  std::unique_ptr<Batch> batch;
  streaming::Transaction transaction;  ///< until its commit is started
  state::StateChange change;
  std::vector<Alert> alerts;
  int steps_multiplier = 1;                        ///< at which its examples are learned
  steady_clock::time_point start = steady_clock::now();
  bool committed = false;  ///< durable in the log, not yet in the store
};

class PipelineImpl final : public Pipeline {
 public:
  PipelineImpl(const Config& config, streaming::LogFactory& factory, Clock clock, Hooks hooks)
      : config_(config),
        factory_(factory),
        clock_(std::move(clock)),
        hooks_(std::move(hooks)),
        decoder_(*config_.schema, config_.limits),
        state_(config_) {}
  ~PipelineImpl() override = default;

  Status open() {
    Status outcome = open_store();
    if (outcome.code() == Code::corrupt) {
      store_.reset();
      LACUNA_RETURN_IF_ERROR(quarantine_store(config_, outcome));
      outcome = open_store();
    }
    recovery_.damaged_stores = count_quarantined_stores(config_);
    return outcome;
  }

  Status run(bool until_idle) override {
    Status outcome = loop(until_idle);
    commands_.close();
    // The batch at hand is committed, and the partitions are handed over before the slower rest.
    if (outcome.ok() && log_) outcome = finish_up(until_idle);
    log_.reset();
    // Whatever happened, what was learned and applied is kept.
    if (learner_) {
      if (const Status s = save_checkpoint(); !s.ok()) spdlog::error("checkpoint: {}", s.to_string());
    }
    if (const Status s = store_->sync(); !s.ok()) spdlog::error("store: {}", s.to_string());
    publish_progress(0);
    return outcome;
  }

  Result<bool> turn() override {
    heartbeat();
    bool worked = false;
    const Status outcome = work(worked);
    switch (outcome.code()) {
      case Code::ok:
        if (aborted_in_a_row_ == 0) retry_.reset();
        return worked;
      case Code::aborted:
        spdlog::warn("batch aborted, doing it again: {}", outcome.message());
        aborted_batches_ += 1;
        LACUNA_RETURN_IF_ERROR(discard());
        // One is done again at once; when it aborts again something is in its way (a topic or permission that is missing).
        if (++aborted_in_a_row_ > 1) out_of_reach({Code::unavailable, "batches are aborted: " + outcome.message()});
        return true;
      case Code::fenced: LACUNA_RETURN_IF_ERROR(rejoin(outcome)); return true;
      case Code::unavailable:
        if (ready().message() != outcome.message()) spdlog::warn("waiting: {}", outcome.message());
        out_of_reach(outcome);
        return true;
      default: return outcome;
    }
  }

  void stop() override { retry_.stop(); }

  Progress progress() const override { return loop_status_.progress(); }
  Status ready() const override { return loop_status_.ready(); }
  bool live() const override {
    // A commit that is not answered is waited for, and its outcome found out; nothing is wrong with the loop.
    const auto& kafka = config_.log.kafka;
    const Millis limit = kTurnMax + (config_.log.kind == LogKind::kafka ? 2 * kafka.transaction_timeout + kafka.request_timeout : Millis(0));
    return loop_status_.beat_within(limit);
  }

  Result<Snapshot> patient(const std::string& id) const override {
    auto found = store_->snapshot(id);
    if (!found.ok()) return found;
    // What the store has of a partition that moved away is old.
    if (loop_status_.holds({found->source.topic, found->source.partition})) return found;
    return Status(Code::not_found, "another instance holds this patient");
  }

  Result<Imputation> impute(const streaming::ImputeRequest& request) const override {
    const Snapshot& snapshot = request.snapshot;
    const auto learner = current_learner();
    if (!learner) return Status(Code::unavailable, "the model is not loaded yet");
    const auto version = learner->current();
    model::Query query{&snapshot, snapshot.last_time, features_to_impute(config_, snapshot, snapshot.last_time), {},
                       config_.model.seed, payloads_to_impute(config_, snapshot, snapshot.last_time),
                       config_.imputation_explain || request.explain};
    auto predictions = version->predict({&query, 1});
    if (!predictions.ok()) return predictions.status();
    const auto samples = sample_for(query, request, *version);
    if (!samples.ok()) return samples.status();
    const std::lock_guard lock(state_mutex_);
    Imputation out =
        make_imputation(config_, snapshot, snapshot.last_time, predictions->front(), state_.calibrator, version->id());
    for (std::size_t i = 0; i < out.values.size(); ++i) {
      for (std::size_t n = 0; n < samples->count(); ++n) out.values[i].samples.push_back(samples->at(n, i));
    }
    return out;
  }

  Status command(const OperatorCommand& command) override {
    if (const Status r = ready(); !r.ok()) return {Code::unavailable, r.message()};
    return commands_.ask(command, kCommandMax);
  }

  std::vector<drift::MissingnessMatrix::Row> missingness() const override {
    const std::lock_guard lock(state_mutex_);
    return state_.monitor.missingness();
  }

  std::string model_json() const override {
    const auto learner = current_learner();
    if (!learner) return "{}";
    const std::lock_guard lock(state_mutex_);
    return daemon::model_json(config_, *learner->current(), learner->stats(), state_.scores);
  }

 private:
  // --- getting there ---

  Status open_store() {
    auto opened = state::Store::open(*config_.schema, config_.store);
    if (!opened.ok()) return opened.status();
    store_ = std::move(*opened);
    checkpoints_.emplace(config_, *store_);
    restores_.emplace(config_, *store_);
    return reload();
  }

  /// Everything that needs the event log. Called again until it is ok.
  Status connect() {
    if (!reader_) {
      if (config_.log.create_topics) LACUNA_RETURN_IF_ERROR(factory_.ensure_topics(topics_to_make(config_)));
      auto reader = factory_.reader();
      if (!reader.ok()) return reader.status();
      reader_ = std::move(*reader);
    }
    if (!learner_) LACUNA_RETURN_IF_ERROR(open_learner());
    auto log = factory_.open(config_.log.group, config_.instance);
    if (!log.ok()) return log.status();
    log_ = std::move(*log);
    loop_status_.set_ready({Code::unavailable, "no partition is assigned yet"});
    return log_->subscribe(config_.topics.events,
                           {[this](const std::vector<TopicPartition>& added) { assigned(added); },
                            [this](const std::vector<TopicPartition>& removed, bool lost) { revoked(removed, lost); }});
  }

  Status open_learner() {
    auto learner = checkpoints_->start(*reader_);
    if (!learner.ok()) return learner.status();
    {
      const std::lock_guard lock(state_mutex_);
      learner_ = std::move(*learner);
    }
    return reload();  // a published checkpoint brings the state of detectors and calibration with it
  }

  /// From inside poll(). A partition gives nothing until its state is there.
  void assigned(const std::vector<TopicPartition>& added) {
    for (const TopicPartition& p : added) restores_->add(p);
    if (const Status s = log_->pause(added); !s.ok() && deferred_.ok()) deferred_ = s;
  }

  /// From inside poll(), before they are given up: what is under way for them is finished first.
  void revoked(const std::vector<TopicPartition>& removed, bool lost) {
    if (const Status s = finish_in_flight(); !s.ok() && deferred_.ok()) deferred_ = s;
    // It waits for room on the disk, and may hold records of what moves: only a new client reads the others again.
    if (prepared_) deferred_ = Status(Code::fenced, "partitions moved while a batch was waiting");
    for (const TopicPartition& p : removed) {
      restores_->remove(p);
      alignment_.revoke(p);
      applied_.erase(p);
      std::erase_if(pending_, [&p](const streaming::Record& r) {
        return r.position.topic == p.topic && r.position.partition == p.partition;
      });
    }
    if (!removed.empty()) spdlog::info("{} partitions {}", removed.size(), lost ? "lost" : "given up");
  }

  // --- the loop ---

  Status loop(bool until_idle) {
    int idle = 0;
    while (!retry_.stopped()) {
      const Result<bool> worked = turn();
      if (!worked.ok()) return worked.status();
      const bool all_read = !*worked && log_ && !log_->assignment().empty() && log_->lag() == 0;
      idle = all_read ? idle + 1 : 0;
      if (until_idle && idle >= kIdleTurns) return {};
    }
    return {};
  }

  Status work(bool& worked) {
    worked = true;
    if (!log_) return connect();
    const bool publish = steady_clock::now() - last_publication_ > config_.checkpoint_publish_every;
    if (publish && !prepared_) LACUNA_RETURN_IF_ERROR(publish_model());
    if (commands_.waiting() && !prepared_) LACUNA_RETURN_IF_ERROR(run_operator_commands());
    if (prepared_) {
      LACUNA_RETURN_IF_ERROR(stay_member());  // what it waits for is not there yet
    } else {
      LACUNA_RETURN_IF_ERROR(poll());
      LACUNA_RETURN_IF_ERROR(restore_some());
      if (!pending_.empty()) LACUNA_RETURN_IF_ERROR(prepare());
    }
    worked = prepared_ || in_flight_ || !pending_.empty() || !restores_->empty();
    LACUNA_RETURN_IF_ERROR(finish_in_flight());
    if (prepared_) start();
    LACUNA_RETURN_IF_ERROR(submit());
    if (!worked) LACUNA_RETURN_IF_ERROR(align({}));
    if (!worked) aborted_in_a_row_ = 0;
    if (restores_->empty() && !log_->assignment().empty() && aborted_in_a_row_ < 2) loop_status_.set_ready({});
    if (steady_clock::now() - last_checkpoint_ > config_.checkpoint_every) {
      LACUNA_RETURN_IF_ERROR(save_checkpoint());
      last_checkpoint_ = steady_clock::now();
    }
    if (!worked) publish_progress(0);
    return {};
  }

  /// At a stop, and once all is read: nothing is left half done.
  Status finish_up(bool until_idle) {
    Status outcome = finish_in_flight();
    if (outcome.ok() && prepared_) {
      start();
      outcome = finish_in_flight();
    }
    if (!outcome.ok()) {
      // None of it is durable here: whoever holds the partition next reads it again, or restores it.
      spdlog::warn("the last batch is left to the next start: {}", outcome.message());
      return until_idle ? outcome : Status();
    }
    if (until_idle) {
      learning_queue_.hand_over(*learner_);
      learner_->drain();
    }
    // A failure is no reason to fail: what is lost is what was learned since the last time, and only with the disk. A log that is
    // out of reach would hold the stop up.
    const Status published = ready().ok() ? publish_model() : ready();
    if (!published.ok()) spdlog::warn("the model is not published: {}", published.message());
    return {};
  }

  Status publish_model() {
    last_publication_ = steady_clock::now();
    LACUNA_RETURN_IF_ERROR(finish_in_flight());
    const Status published = commit_alone(checkpoints_->publish(*learner_, state_.save()));
    if (published.code() != Code::invalid) return published;
    spdlog::error("publishing the model: {}", published.message());
    return {};
  }

  /// In a transaction of its own, between two batches: what is wrong with it must not be taken for a fault of theirs.
  Status commit_alone(std::vector<streaming::OutputRecord> outputs) {
    streaming::Transaction transaction;
    transaction.outputs = std::move(outputs);
    const auto committed = log_->commit(std::move(transaction));
    // Unknown outcome: no position moves, so nothing could tell; a new client fences what the old one may have left.
    if (committed.code() == Code::internal) return {Code::fenced, committed.status().message()};
    if (committed.code() == Code::invalid) LACUNA_RETURN_IF_ERROR(discard());  // the read positions were put back
    return committed.status();
  }

  /// Does what operators ask, between two batches.
  Status run_operator_commands() {
    LACUNA_RETURN_IF_ERROR(finish_in_flight());
    while (const auto asked = commands_.next()) {
      std::vector<Alert> alerts;
      Status done;
      {
        const std::lock_guard lock(state_mutex_);
        done = carry_out(asked->command, state_.monitor, state_.newest == Time{} ? clock_() : state_.newest);
        alerts = state_.monitor.take_alerts();
        alert_response_.annotate(alerts, state_.monitor.open_alerts(), learner_->current()->id());
      }
      const Status persisted = done.ok() ? persist(alerts) : Status();
      if (persisted.ok()) publish_progress(0);
      commands_.answer(asked, persisted.ok() ? done : Status(Code::unavailable, "it could not be kept: " + persisted.message()));
      if (persisted.code() == Code::invalid) continue;  // discarded
      LACUNA_RETURN_IF_ERROR(persisted);
    }
    return {};
  }

  /// Makes what an operator changed durable. Where that fails it is forgotten.
  Status persist(const std::vector<Alert>& alerts) {
    std::vector<streaming::OutputRecord> outputs;
    for (const Alert& alert : alerts) outputs.push_back(alert_record(config_, alert));
    Status persisted = outputs.empty() ? Status() : commit_alone(std::move(outputs));
    state::StateChange change;
    change.meta = state_.save_new(*config_.schema);
    if (persisted.ok()) persisted = store_->apply(change);
    if (persisted.ok()) persisted = store_->sync();
    if (!persisted.ok()) {
      LACUNA_RETURN_IF_ERROR(reload());
      return persisted;
    }
    counts_.alerts += alerts.size();
    for (const Alert& alert : alerts) announce(alert);
    return {};
  }

  void announce(const Alert& alert) {
    spdlog::info("alert {} {}: {}", to_string(alert.state), alert.alert_id, alert.summary);
    if (hooks_.on_alert) hooks_.on_alert(alert);
  }

  /// Reads the next records into pending_. Without waiting, where there is something else to do.
  Status poll() {
    const StageTimer timer(stages_, "poll");
    if (!pending_.empty()) return stay_member();
    const bool busy = in_flight_ || (!restores_->empty() && !restores_->waiting());
    return take(log_->poll(poison_search_.limit(), busy ? Millis(0) : std::min(config_.batch.max_delay, kPollMax)));
  }

  /// Polls without taking anything, so that the group does not take the partitions away.
  Status stay_member() {
    LACUNA_RETURN_IF_ERROR(log_->pause(log_->assignment()));
    auto polled = log_->poll(1, Millis(0));
    LACUNA_RETURN_IF_ERROR(log_->resume(alignment_.runnable(log_->assignment())));
    return take(std::move(polled));
  }

  Status take(Result<std::vector<streaming::Record>> polled) {
    if (polled.ok()) {
      for (streaming::Record& record : *polled) pending_.push_back(std::move(record));
    }
    if (const Status deferred = std::exchange(deferred_, Status()); !deferred.ok()) return deferred;
    if (!pending_.empty()) point("polled", pending_);
    return polled.status();
  }

  /// Brings the states of newly assigned partitions here, for as long as those that are here can wait. Partitions that need
  /// nothing start together this way, so that none runs ahead of the others.
  Status restore_some() {
    if (restores_->empty()) return {};
    const StageTimer timer(stages_, "restore");
    const auto start = steady_clock::now();
    do {
      auto restored = restores_->step(*log_, *reader_, clock_(), applied_.empty());
      // While one is out of reach the partitions that are here go on.
      if (restored.code() == Code::unavailable && !applied_.empty()) {
        loop_status_.set_ready(restored.status());
        return {};
      }
      if (!restored.ok()) return restored.status();
      loop_status_.set_ready({Code::unavailable, restores_->describe()});
      point("restored", {});
      if (!*restored) continue;
      const TopicPartition& p = (*restored)->partition();
      applied_[p] = tallies_[p] = (*restored)->counts();
      alignment_.assign(p);
      LACUNA_RETURN_IF_ERROR(log_->resume({p}));
    } while (!restores_->empty() && steady_clock::now() - start < kRestoreSlice);
    return {};
  }

  /// From records to a step that waits for its commit.
  Status prepare() {
    const auto end = pending_.begin() + static_cast<std::ptrdiff_t>(std::min(poison_search_.limit(), pending_.size()));
    StagedBatch step;
    step.batch = std::make_unique<Batch>(config_, std::vector<streaming::Record>(pending_.begin(), end));
    Status outcome;
    bool faulty = false;
    try {
      outcome = fill(step);
    } catch (const std::exception& e) {
      faulty = true;
      // What it says may hold a part of a message.
      outcome = Status(Code::invalid, std::string("threw ") + typeid(e).name());
    }
    if (outcome.ok()) {
      pending_.erase(pending_.begin(), end);
      prepared_.emplace(std::move(step));
      return align(prepared_->batch->newest_by_partition());
    }
    if (!faulty) return outcome;
    // What the batch before did has to be durable before what this one did to the detectors is forgotten.
    const char* const stage = stage_;
    LACUNA_RETURN_IF_ERROR(finish_in_flight());
    LACUNA_RETURN_IF_ERROR(poison_search_.failed(step.batch->records(), stage, outcome));
    return reload();
  }

  Status fill(StagedBatch& step) {
    Batch& batch = *step.batch;
    const auto version = learner_->current();
    {
      const StageTimer timer(stages_, stage_ = "decode");
      batch.decode(decoder_, clock_(), poison_search_.list());
      point("decoded", batch.records());
    }
    {
      const StageTimer timer(stages_, stage_ = "load");
      LACUNA_RETURN_IF_ERROR(batch.load(*store_, in_flight_ ? &in_flight_->change : nullptr));
    }
    const std::lock_guard lock(state_mutex_);
    {
      const StageTimer timer(stages_, stage_ = "score");
      batch.advance(state_.monitor);
      // The watermark of the batches before: what of this one lies behind it is late.
      state_.monitor.advance(alignment_.watermark());
      batch.score(*version, state_);
      step.alerts = state_.monitor.take_alerts();
      if (alert_response_.reacts() || !step.alerts.empty()) {
        const std::vector<Alert> open = state_.monitor.open_alerts();
        step.steps_multiplier = alert_response_.steps_multiplier(open);
        alert_response_.annotate(step.alerts, open, version->id());
      }
      point("scored", batch.records());
    }
    {
      const StageTimer timer(stages_, stage_ = "impute");
      batch.impute(*version, state_.calibrator);
      point("imputed", batch.records());
    }
    const StageTimer timer(stages_, stage_ = "encode");
    step.transaction = batch.encode(step.alerts, tallies_);
    step.change = batch.change(state_, tallies_, clock_());
    point("encoded", batch.records());
    return {};
  }

  void start() {
    log_->start_commit(std::move(prepared_->transaction));
    in_flight_ = std::move(prepared_);
    prepared_.reset();
    point("commit_started", in_flight_->batch->records());
  }

  /// Waits for the commit under way, and writes what it carried into the store.
  Status finish_in_flight() {
    if (!in_flight_) return {};
    if (!in_flight_->committed) {
      const StageTimer timer(stages_, "commit");
      auto committed = log_->finish_commit();
      if (!committed.ok()) return not_committed(committed.status());
      for (const auto& [p, next] : *committed) in_flight_->change.positions[{p.topic, p.partition}].changelog_next = next;
      in_flight_->committed = true;
      point("committed", in_flight_->batch->records());
    }
    {
      const StageTimer timer(stages_, "apply");
      LACUNA_RETURN_IF_ERROR(store_->apply(in_flight_->change));
      point("applied", in_flight_->batch->records());
    }
    const StagedBatch done = std::move(*in_flight_);
    in_flight_.reset();
    poison_search_.succeeded(done.batch->records());
    aborted_in_a_row_ = 0;
    for (const auto& [p, position] : done.change.positions) {
      const auto held = applied_.find({p.first, p.second});
      if (held != applied_.end()) held->second = position.counts;  // not where it moved away before there was room on the disk
    }
    counts_ += done.batch->counts();
    batches_ += 1;
    const double seconds = seconds_since(done.start);
    batch_durations_.add(seconds);
    for (const Alert& alert : done.alerts) announce(alert);
    if (hooks_.on_imputations) hooks_.on_imputations(done.batch->imputations());
    learning_queue_.add(done.batch->take_examples(), done.steps_multiplier);
    publish_progress(seconds);
    return {};
  }

  Status not_committed(const Status& why) {
    switch (why.code()) {
      case Code::invalid:
        // The log gives the records again; they come in smaller batches now.
        LACUNA_RETURN_IF_ERROR(poison_search_.failed(in_flight_->batch->records(), "commit", why));
        return {Code::aborted, why.message()};
      // Unknown outcome, or a client that is dead: a new one finds out.
      case Code::internal: return {Code::fenced, why.message()};
      default: return why;
    }
  }

  /// Forgets what is not durable: the log gives it again.
  Status discard() {
    pending_.clear();
    prepared_.reset();
    in_flight_.reset();
    return reload();
  }

  /// Detectors, scores, calibration and counts as they were after the last batch in the store.
  Status reload() {
    tallies_ = applied_;
    const std::lock_guard lock(state_mutex_);
    return state_.load(config_, *store_);
  }

  /// After a take-over, a transaction that timed out, or an unknown outcome: a new client, which starts from what is committed.
  Status rejoin(const Status& why) {
    if (!rejoins_.allow()) return why;
    recovery_.rejoins += 1;
    spdlog::warn("joining the group anew: {}", why.message());
    loop_status_.set_ready({Code::unavailable, "joining the group anew: " + why.message()});
    LACUNA_RETURN_IF_ERROR(discard());
    deferred_ = Status();
    log_.reset();
    restores_->clear();
    applied_.clear();
    alignment_ = PartitionAlignment();
    sleep();
    return {};
  }

  /// Back-pressure: while the learner's queue is full the partitions are paused, and polled so that the group keeps us.
  Status submit() {
    const StageTimer timer(stages_, "learn");
    while (!learning_queue_.fit(*learner_, config_.train.queue_examples_max) && !retry_.stopped()) {
      LACUNA_RETURN_IF_ERROR(stay_member());
      heartbeat();
      retry_.wait(Millis(10));
    }
    learning_queue_.hand_over(*learner_);
    return {};
  }

  Status align(const std::map<TopicPartition, Time>& newest) {
    const PartitionAlignment::Change change = alignment_.observe(newest, [this](const TopicPartition& p) { return log_->lag(p) > 0; });
    if (!change.pause.empty()) LACUNA_RETURN_IF_ERROR(log_->pause(change.pause));
    return change.resume.empty() ? Status() : log_->resume(change.resume);
  }

  Status save_checkpoint() {
    LACUNA_RETURN_IF_ERROR(checkpoints_->save(*learner_));
    point("checkpointed", {});
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
    if (learner_) {
      p.model_version = learner_->current()->id();
      p.learner = learner_->stats();
    }
    p.recovery = recovery_;
    restores_->report(p.recovery);
    p.partitions = applied_;
    state_.report(p);
    p.steps_multiplier = alert_response_.steps_multiplier(p.open_alerts);
    alert_response_.annotate(p.open_alerts, p.open_alerts, p.model_version);
    p.replay_size = store_->replay_size();
    p.patients = store_->patient_count_estimate();
    p.store_bytes = store_->usage();
    if (hooks_.after_batch) hooks_.after_batch(p);
    loop_status_.publish(std::move(p));
  }

  std::shared_ptr<model::Learner> current_learner() const {
    const std::lock_guard lock(state_mutex_);
    return learner_;
  }
  void point(std::string_view name, std::span<const streaming::Record> records) {
    if (hooks_.at_point) hooks_.at_point(name, records);
  }
  void heartbeat() {
    loop_status_.heartbeat();
    if (hooks_.alive) hooks_.alive(ready());
  }
  void out_of_reach(const Status& why) {
    loop_status_.set_ready(why);
    const auto start = steady_clock::now();
    sleep();
    recovery_.unavailable_seconds += seconds_since(start);
    publish_progress(0);
  }
  void sleep() {
    const Millis pause = retry_.next_delay();
    if (hooks_.sleep) hooks_.sleep(pause);
    else retry_.wait(pause);
  }

  const Config config_;
  streaming::LogFactory& factory_;
  const Clock clock_;
  const Hooks hooks_;

  // The loop's thread only.
  streaming::EventDecoder decoder_;
  std::unique_ptr<streaming::TopicReader> reader_;
  std::unique_ptr<streaming::EventLog> log_;  ///< null until connected
  std::vector<streaming::Record> pending_;    ///< polled, not yet worked on
  std::optional<StagedBatch> prepared_;              ///< waits for the one in flight
  std::optional<StagedBatch> in_flight_;             ///< its commit is under way, or done and not yet in the store
  Status deferred_;                           ///< what went wrong inside a callback of poll()
  PoisonSearch poison_search_{config_.batch.max_events};
  const char* stage_ = "decode";              ///< for the dead letter of what fails in it
  Tallies applied_;                           ///< of the partitions assigned and restored: up to what is in the store
  Tallies tallies_;                           ///< up to what is prepared
  PartitionAlignment alignment_;
  LearningQueue learning_queue_;
  const AlertResponse alert_response_{config_.alert_response};
  RejoinLimit rejoins_;
  std::map<std::string, double> stages_;
  EventCounts counts_;
  std::uint64_t batches_ = 0, aborted_batches_ = 0;
  int aborted_in_a_row_ = 0;
  BatchDurations batch_durations_;
  Recovery recovery_;
  steady_clock::time_point last_checkpoint_ = steady_clock::now(), last_publication_ = last_checkpoint_;

  // Self-synchronised. The learner reads the store from its own thread: it goes first.
  std::unique_ptr<state::Store> store_;
  std::optional<LearnerCheckpoints> checkpoints_;  ///< the loop's thread only, as is the next
  std::optional<RestoreQueue> restores_;
  std::shared_ptr<model::Learner> learner_;  ///< set once, under state_mutex_; the loop's thread reads it without
  RetryBackoff retry_;
  OperatorCommands commands_;
  LoopStatus loop_status_;

  mutable std::mutex state_mutex_;  ///< guards state_ and learner_ against the HTTP threads
  StreamState state_;
};

}  // namespace

Result<std::unique_ptr<Pipeline>> Pipeline::make(const Config& config, streaming::LogFactory& log, Clock clock,
                                                 Hooks hooks) {
  auto pipeline = std::make_unique<PipelineImpl>(config, log, std::move(clock), std::move(hooks));
  if (Status s = pipeline->open(); !s.ok()) return s;
  return std::unique_ptr<Pipeline>(std::move(pipeline));
}

}  // namespace lacuna::daemon
