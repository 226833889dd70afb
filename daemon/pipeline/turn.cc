#include "daemon/pipeline/turn.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <exception>
#include <mutex>
#include <string>
#include <typeinfo>
#include <utility>

#include "daemon/pipeline/stage_timer.h"

namespace lacuna::daemon {

using std::chrono::steady_clock;

Turn::Turn(LoopContext& context, std::size_t quarantined)
    : context_(context),
      guard_(context),
      decoder_(context.config),
      group_(context,
             {[this] { return finish_in_flight(); }, [this] { return prepared_.has_value(); },
              [this](const auto& p, std::int64_t next) { guard_.restored(p, next); }, [this](const auto& p) { guard_.given_up(p); }}),
      commit_(context),
      checkpoints_(context.config, *context.store),
      earlier_versions_(context.config, *context.store),
      poison_search_(context.config.batch.max_events),
      rehearsal_(context, checkpoints_),
      alert_response_(context.config.alert_response),
      warming_up_(context.config) {
  recovery_.damaged_stores = quarantined;
  context_.forget = [this](const std::vector<std::string>& patient_ids) { return forget(patient_ids); };
}

Result<bool> Turn::run() {
  context_.heartbeat();
  bool worked = false;
  const Status outcome = work(worked);
  if (!outcome.ok()) {
    LACUNA_RETURN_IF_ERROR(recover(outcome));
    return true;
  }
  if (aborted_in_a_row_ == 0) context_.retry.reset();
  return worked;
}

bool Turn::all_read() const { return group_.all_read(); }

/// What can be mended by doing it again, by a new client or by waiting.
Status Turn::recover(const Status& outcome) {
  switch (outcome.code()) {
    case Code::aborted:
      spdlog::warn("batch aborted, doing it again: {}", outcome.message());
      aborted_batches_ += 1;
      LACUNA_RETURN_IF_ERROR(discard());
      // One is done again at once; when it aborts again something is in its way (a topic or permission that is missing).
      if (++aborted_in_a_row_ > 1) out_of_reach({Code::unavailable, "batches are aborted: " + outcome.message()});
      return {};
    case Code::fenced: return rejoin(outcome);
    case Code::unavailable:
      if (context_.status.ready().message() != outcome.message()) spdlog::warn("waiting: {}", outcome.message());
      out_of_reach(outcome);
      return {};
    default: return outcome;
  }
}

Status Turn::work(bool& worked) {
  worked = true;
  if (!group_.joined()) return connect();
  const bool publish = context_.steady_now() - last_publication_ > context_.config.checkpoint_publish_every;
  if (publish && !prepared_) LACUNA_RETURN_IF_ERROR(publish_model());
  if (context_.commands.waiting() && !prepared_) LACUNA_RETURN_IF_ERROR(run_operator_commands());
  if (!prepared_) LACUNA_RETURN_IF_ERROR(follow_decisions());
  if (!prepared_ && guard_.due(context_.clock(), commit_.in_flight() != nullptr)) LACUNA_RETURN_IF_ERROR(guard_changelog());
  if (prepared_) {
    LACUNA_RETURN_IF_ERROR(group_.stay_member());  // what it waits for is not there yet
  } else {
    LACUNA_RETURN_IF_ERROR(choose_version());
    LACUNA_RETURN_IF_ERROR(group_.poll(batch_limit(), commit_.in_flight() != nullptr));
    LACUNA_RETURN_IF_ERROR(group_.restore_some());
    if (!group_.pending().empty()) LACUNA_RETURN_IF_ERROR(prepare());
  }
  worked = prepared_ || commit_.in_flight() != nullptr || !group_.pending().empty() || group_.restoring();
  LACUNA_RETURN_IF_ERROR(finish_in_flight());
  if (prepared_) commit_.start(group_.log(), *std::exchange(prepared_, std::nullopt));
  LACUNA_RETURN_IF_ERROR(hand_to_learner());
  if (!worked) LACUNA_RETURN_IF_ERROR(group_.align({}));
  if (!worked) aborted_in_a_row_ = 0;
  if (group_.complete() && aborted_in_a_row_ < 2) context_.status.set_ready({});
  if (context_.steady_now() - last_checkpoint_ > context_.config.checkpoint_every) {
    LACUNA_RETURN_IF_ERROR(save_checkpoint());
    last_checkpoint_ = context_.steady_now();
  }
  LACUNA_RETURN_IF_ERROR(keep_earlier_version());
  if (!worked) publish_progress(0);
  return {};
}

/// Everything that needs the event log. Called again until it is ok.
Status Turn::connect() {
  LACUNA_RETURN_IF_ERROR(group_.open_reader());
  if (!context_.learner) {
    auto learner = checkpoints_.start(group_.reader());
    if (!learner.ok()) return learner.status();
    {
      const std::lock_guard lock(context_.stream_mutex);
      context_.learner = std::move(*learner);
    }
    learned_before_ = static_cast<std::uint64_t>(context_.learner->stats().examples);
    LACUNA_RETURN_IF_ERROR(context_.reload());  // a published checkpoint brings the state of detectors and calibration with it
  }
  return group_.join();
}

/// After a take-over, a transaction that timed out, or an unknown outcome: a new client, which starts from what is committed.
Status Turn::rejoin(const Status& why) {
  if (!rejoins_.allow(context_.steady_now())) return why;
  recovery_.rejoins += 1;
  spdlog::warn("joining the group anew: {}", why.message());
  context_.status.set_ready({Code::unavailable, "joining the group anew: " + why.message()});
  LACUNA_RETURN_IF_ERROR(discard());
  group_.leave();
  guard_.clear();
  sleep();
  return {};
}

/// From records to a batch that waits for its commit.
Status Turn::prepare() {
  std::vector<streaming::Record>& pending = group_.pending();
  auto end = pending.begin() + static_cast<std::ptrdiff_t>(std::min(poison_search_.limit(), pending.size()));
  StagedBatch staged;
  Status outcome;
  bool faulty = false;
  const auto guarded = [&](const auto& step) {
    try {
      outcome = step();
    } catch (const std::exception& e) {
      faulty = true;
      // What it says may hold a part of a message.
      outcome = Status(Code::invalid, std::string("threw ") + typeid(e).name());
    }
  };
  guarded([&] {
    for (bool whole = false; !whole;) {
      staged.batch =
          std::make_unique<Batch>(context_.config, std::vector<streaming::Record>(pending.begin(), end), group_.inputs(), group_.homes());
      decode(*staged.batch);
      const auto prefix = pending.begin() + static_cast<std::ptrdiff_t>(staged.batch->prefix());
      whole = prefix == end;
      end = prefix;
    }
    return Status();
  });
  if (outcome.ok() && needs_quiet(*staged.batch)) LACUNA_RETURN_IF_ERROR(finish_in_flight());
  if (outcome.ok()) guarded([&] { return fill(staged); });
  if (outcome.ok()) {
    pending.erase(pending.begin(), end);
    prepared_.emplace(std::move(staged));
    return group_.align(prepared_->batch->newest_by_partition());
  }
  if (!faulty) return outcome;
  // What the batch before did has to be durable before what this one did to the detectors is forgotten.
  const char* const stage = stage_;
  LACUNA_RETURN_IF_ERROR(finish_in_flight());
  LACUNA_RETURN_IF_ERROR(poison_search_.failed(staged.batch->records(), stage, outcome));
  return context_.reload();
}

void Turn::decode(Batch& batch) {
  const StageTimer timer(context_.stage_seconds, stage_ = "decode");
  batch.decode(decoder_, context_.clock(), poison_search_.list());
}

/// Whoever reads the store must find in it what was committed before.
bool Turn::needs_quiet(const Batch& batch) const {
  const StagedBatch* const in_flight = commit_.in_flight();
  return in_flight != nullptr && (batch.alone() || in_flight->batch->alone());
}

Status Turn::fill(StagedBatch& staged) {
  Batch& batch = *staged.batch;
  StreamState& stream = context_.stream;
  const auto version = serving_;
  context_.point("decoded", batch.records());
  {
    const StageTimer timer(context_.stage_seconds, stage_ = "load");
    LACUNA_RETURN_IF_ERROR(batch.load(*context_.store, commit_.in_flight() != nullptr ? &commit_.in_flight()->change : nullptr));
  }
  const std::lock_guard lock(context_.stream_mutex);
  {
    const StageTimer timer(context_.stage_seconds, stage_ = "score");
    batch.advance(stream.monitor);
    // The detectors have seen the batch: where it cannot go on they go back to where they were.
    if (const Status settled = batch.settle(*context_.store); !settled.ok()) {
      return settled.code() == Code::unavailable ? Status(Code::aborted, settled.message()) : settled;
    }
    // The watermark of the batches before: what of this one lies behind it is late.
    stream.monitor.advance(group_.watermark());
    batch.score(*version, stream, version_before_alerts().get());
    staged.alerts = stream.monitor.take_alerts();
    const std::vector<Alert> open = stream.monitor.open_alerts();
    staged.steps_multiplier = alert_response_.steps_multiplier(open, stream.newest);
    alert_response_.annotate(staged.alerts, open, version->id(), stream.newest);
    stream.mask.follow(staged.alerts, open, stream.newest, context_.config.alert_response.react_for);
    context_.point("scored", batch.records());
  }
  {
    const StageTimer timer(context_.stage_seconds, stage_ = "impute");
    batch.impute(*version, stream.calibrator);
    context_.point("imputed", batch.records());
  }
  const StageTimer timer(context_.stage_seconds, stage_ = "encode");
  staged.transaction = batch.encode(staged.alerts, context_.prepared_counts, context_.store->schemas(), context_.described);
  staged.changelog_records = changelog_records(staged.transaction);
  staged.change = batch.change(stream, context_.prepared_counts, context_.clock());
  context_.point("encoded", batch.records());
  return {};
}

Status Turn::finish_in_flight() {
  auto done = commit_.finish(group_.log());
  if (done.code() == Code::invalid) {
    // The log gives the records again; they come in smaller batches now.
    LACUNA_RETURN_IF_ERROR(poison_search_.failed(commit_.in_flight()->batch->records(), "commit", done.status()));
    return {Code::aborted, done.status().message()};
  }
  if (!done.ok()) return done.status();
  return *done ? complete(std::move(**done)) : Status();
}

/// What is left to do once a batch is durable in the log and in the store.
Status Turn::complete(StagedBatch done) {
  poison_search_.succeeded(done.batch->records());
  aborted_in_a_row_ = 0;
  for (const auto& [p, position] : done.change.positions) {
    const auto held = context_.applied_counts.find({p.first, p.second});
    if (held != context_.applied_counts.end()) held->second = position.counts;  // not where it moved away before there was room on the disk
  }
  guard_.committed(done.change.positions, done.changelog_records, group_.log().marker_offsets());
  context_.described.merge(done.batch->changelog_partitions());
  counts_ += done.batch->counts();
  identity_.add(done.batch->identity(), context_.clock());
  batches_ += 1;
  const double seconds = seconds_since(done.start);
  batch_durations_.add(seconds);
  for (const Alert& alert : done.alerts) announce(alert);
  if (context_.hooks.on_imputations) context_.hooks.on_imputations(done.batch->imputations());
  learning_queue_.add(done.batch->take_examples(), done.steps_multiplier);
  publish_progress(seconds);
  return {};
}

Status Turn::finish(Status outcome, bool until_idle) {
  // The batch at hand is committed, and the partitions are handed over before the slower rest.
  if (outcome.ok() && group_.joined()) outcome = last_batch(until_idle);
  group_.close();
  const auto undecided = std::exchange(undecided_, {});
  for (const auto& [id, asked] : undecided) {
    context_.commands.answer(asked, {Code::unavailable, "it is published, but the daemon is stopping: the next start carries it out"});
  }
  // Whatever happened, what was learned and applied is kept. Where nothing was, nothing stands in the way of another schema.
  if (context_.learner && (context_.learner->stats().steps > 0 || context_.learner->stats().examples > 0)) {
    if (const Status s = save_checkpoint(); !s.ok()) spdlog::error("checkpoint: {}", s.to_string());
  }
  if (const Status s = context_.store->sync(); !s.ok()) spdlog::error("store: {}", s.to_string());
  publish_progress(0);
  return outcome;
}

Status Turn::last_batch(bool until_idle) {
  Status outcome = finish_in_flight();
  if (outcome.ok() && prepared_) {
    commit_.start(group_.log(), *std::exchange(prepared_, std::nullopt));
    outcome = finish_in_flight();
  }
  if (!outcome.ok()) {
    // None of it is durable here: whoever holds the partition next reads it again, or restores it.
    spdlog::warn("the last batch is left to the next start: {}", outcome.message());
    return until_idle ? outcome : Status();
  }
  // The next start begins to look behind it.
  if (guard_.suspicious()) {
    if (const Status s = guard_changelog(); !s.ok()) spdlog::warn("the changelog is not reviewed: {}", s.message());
  }
  if (until_idle) {
    learning_queue_.hand_over(*context_.learner);
    serving_ = context_.learner->drain();
  }
  // A failure is no reason to fail: what is lost is what was learned since the last time, and only with the disk. A log that is
  // out of reach would hold the stop up.
  const Status ready = context_.status.ready();
  const Status published = ready.ok() ? publish_model() : ready;
  if (!published.ok()) spdlog::warn("the model is not published: {}", published.message());
  return {};
}

Status Turn::publish_model() {
  last_publication_ = context_.steady_now();
  LACUNA_RETURN_IF_ERROR(finish_in_flight());
  const Status published = commit_alone(checkpoints_.publish(*context_.learner, context_.stream.save()));
  if (published.code() != Code::invalid) return published;
  spdlog::error("publishing the model: {}", published.message());
  return {};
}

Status Turn::commit_alone(std::vector<streaming::OutputRecord> outputs) {
  const Status committed = commit_.commit_alone(group_.log(), std::move(outputs));
  if (committed.code() == Code::invalid) LACUNA_RETURN_IF_ERROR(discard());  // the read positions were put back
  return committed;
}

/// What somebody else has written into the changelog is noticed, and written anew. Between two batches: the store knows all then.
Status Turn::guard_changelog() {
  LACUNA_RETURN_IF_ERROR(finish_in_flight());
  const Status checked = guard_.check(group_.log(), group_.reader(), commit_, group_.inputs());
  if (checked.code() != Code::invalid) return checked;
  spdlog::error("writing the changelog anew: {}", checked.message());
  return discard();  // the read positions were put back
}

Status Turn::save_checkpoint(bool alone) {
  LACUNA_RETURN_IF_ERROR(checkpoints_.save(*context_.learner, alone));
  context_.point("checkpointed", {});
  return {};
}

Status Turn::forget(const std::vector<std::string>& patient_ids) {
  if (patient_ids.empty()) return {};
  for (const std::string& id : patient_ids) {
    learning_queue_.forget(id);
    context_.learner->forget(model::patient_hash(id));
  }
  LACUNA_RETURN_IF_ERROR(earlier_versions_.drop_all());
  return save_checkpoint(true);
}

/// Forgets what is not durable: the log gives it again.
Status Turn::discard() {
  group_.pending().clear();
  prepared_.reset();
  commit_.discard();
  context_.described.clear();  // a topic may have been made anew
  control_.reset();
  LACUNA_RETURN_IF_ERROR(context_.reload());
  return group_.rewind_transfers();
}

void Turn::announce(const Alert& alert) {
  spdlog::info("alert {} {}: {}", to_string(alert.state), alert.alert_id, alert.summary);
  if (context_.hooks.on_alert) context_.hooks.on_alert(alert);
}

void Turn::publish_progress(double batch_seconds) {
  Progress p;
  p.counts = counts_;
  p.batches = batches_;
  p.aborted_batches = aborted_batches_;
  p.batch_seconds = batch_seconds;
  p.batch_durations = batch_durations_;
  p.stage_seconds = context_.stage_seconds;
  if (group_.joined()) {
    const std::vector<streaming::TopicPartition> assigned = group_.log().assignment();
    if (!assigned.empty()) lag_ = group_.log().lag();
    p.assigned_partitions = assigned.size();
    for (const streaming::TopicPartition& partition : assigned) p.lags[partition] = group_.log().lag(partition);
  }
  p.lag = lag_;
  if (context_.learner) {
    const auto version = serving_ ? serving_ : context_.learner->current();
    warming_up_.follow(*version, context_.clock());
    p.model_version = version->id();
    p.learner = context_.learner->stats();
  }
  p.learner_wait_seconds = learner_wait_seconds_;
  p.recovery = recovery_;
  group_.report(p.recovery);
  p.recovery.values_dropped += context_.store->dropped();
  p.partitions = context_.applied_counts;
  p.identity = identity_.counts();
  p.degraded = identity_.degraded(context_.clock());
  p.learned = warming_up_.learned();
  for (const Degradation& d : warming_up_.degraded()) p.degraded.push_back(d);
  p.changelog = guard_.findings();
  for (const Degradation& d : guard_.degraded(context_.clock())) p.degraded.push_back(d);
  context_.stream.report(p);
  p.steps_multiplier = alert_response_.steps_multiplier(p.open_alerts, p.event_time);
  alert_response_.annotate(p.open_alerts, p.open_alerts, p.model_version, p.event_time);
  p.replay_size = context_.store->replay_size();
  p.patients = context_.store->patient_count_estimate();
  p.store_bytes = context_.store->usage();
  if (context_.hooks.after_batch) context_.hooks.after_batch(p);
  context_.status.publish(std::move(p));
}

void Turn::out_of_reach(const Status& why) {
  context_.status.set_ready(why);
  const auto start = steady_clock::now();
  sleep();
  recovery_.unavailable_seconds += seconds_since(start);
  publish_progress(0);
}

void Turn::sleep() {
  const Millis pause = context_.retry.next_delay();
  if (context_.hooks.sleep) context_.hooks.sleep(pause);
  else context_.retry.wait(pause);
}

}  // namespace lacuna::daemon
