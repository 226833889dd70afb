#include "daemon/pipeline/pipeline.h"

#include <mutex>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "daemon/pipeline/imputation.h"
#include "daemon/pipeline/loop_context.h"
#include "daemon/pipeline/store_quarantine.h"
#include "daemon/pipeline/turn.h"
#include "daemon/registry/model_json.h"
#include "state/deliveries.h"

namespace lacuna::daemon {

namespace {

constexpr Millis kTurnMax{30'000};
/// Turns without work in a row, with no lag, after which `until_idle` believes that there is nothing more.
constexpr int kIdleTurns = 5;
/// An operator who asks something waits this long for the loop.
constexpr Millis kCommandMax{10'000};

/// Runs the turns, and answers those who ask from other threads.
class PipelineImpl final : public Pipeline {
 public:
  PipelineImpl(const Config& config, streaming::LogFactory& factory, Clock clock, Hooks hooks)
      : context_(config, factory, std::move(clock), std::move(hooks)) {}

  Status open() {
    const Config& config = context_.config;
    Status outcome = open_store();
    if (outcome.code() == Code::corrupt) {
      context_.store.reset();
      LACUNA_RETURN_IF_ERROR(quarantine_store(config, outcome));
      context_.stream.begun_afresh.clear();  // of the one that was set aside
      outcome = open_store();
    }
    if (outcome.ok()) turn_.emplace(context_, count_quarantined_stores(config));
    return outcome;
  }

  Status run(bool until_idle, int passes) override {
    Status outcome = loop(until_idle, passes);
    context_.commands.close();
    return turn_->finish(std::move(outcome), until_idle);
  }
  Result<bool> turn() override { return turn_->run(); }
  void stop() override { context_.retry.stop(); }

  Progress progress() const override { return context_.status.progress(); }
  Status ready() const override { return context_.status.ready(); }
  bool live() const override {
    // A commit that is not answered is waited for, and its outcome found out; nothing is wrong with the loop.
    const Config::Log& log = context_.config.log;
    const Millis limit =
        kTurnMax + (log.kind == LogKind::kafka ? 2 * log.kafka.transaction_timeout + log.kafka.request_timeout : Millis(0));
    return context_.status.beat_within(limit);
  }

  Result<Snapshot> patient(const std::string& id) const override {
    auto found = context_.store->snapshot(id);
    if (!found.ok()) return found;
    // What the store has of a partition that moved away is old.
    if (context_.status.holds({found->source.topic, found->source.partition})) return found;
    return Status(Code::not_found, "another instance holds this patient");
  }

  Result<KeptOfPerson> kept(const std::string& id) const override;

  Result<Imputation> impute(const streaming::ImputeRequest& request) const override;

  Status command(const OperatorCommand& command) override {
    if (const Status r = ready(); !r.ok()) return {Code::unavailable, r.message()};
    return context_.commands.ask(command, kCommandMax);
  }

  std::vector<drift::MissingnessMatrix::Row> missingness() const override {
    const std::lock_guard lock(context_.stream_mutex);
    return context_.stream.monitor.missingness();
  }

  std::string model_json() const override {
    const auto learner = context_.current_learner();
    if (!learner) return "{}";
    const std::lock_guard lock(context_.stream_mutex);
    return daemon::model_json(context_.config, *learner->current(), learner->stats(), context_.stream.scores);
  }

 private:
  Status open_store() {
    auto opened = state::Store::open(*context_.config.schema, context_.config.store);
    if (!opened.ok()) return opened.status();
    context_.store = std::move(*opened);
    return context_.reload();
  }

  Status loop(bool until_idle, int passes) {
    if (until_idle) turn_->expect_end();
    int idle = 0;
    while (!context_.retry.stopped()) {
      const Result<bool> worked = turn_->run();
      if (!worked.ok()) return worked.status();
      if (!until_idle) continue;
      idle = !*worked && turn_->all_read() ? idle + 1 : 0;
      if (idle < kIdleTurns) continue;
      const Result<bool> again = turn_->learn_again(passes);
      if (!again.ok()) return again.status();
      if (!*again) return {};
    }
    return {};
  }

  LoopContext context_;
  std::optional<Turn> turn_;  ///< once the store is open
};

Result<KeptOfPerson> PipelineImpl::kept(const std::string& id) const {
  const Schema& schema = *context_.config.schema;
  const state::PartKeys keys(schema);
  std::vector<state::PartKey> parts;
  for (FeatureId f = 0; f < schema.feature_count(); ++f) parts.push_back(keys.feature(f));
  const auto states = context_.store->persons({&id, 1});
  if (!states.ok()) return states.status();
  const auto past = context_.store->past(id, states->front(), parts);
  if (!past.ok()) return past.status();
  const auto records = context_.store->person_keys(id);
  if (!records.ok()) return records.status();
  std::set<state::PartKey> with_results;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (past->histories[i]) with_results.insert(parts[i]);
  }
  for (const state::PersonJournal& journal : past->pending) {
    for (const state::ValueChange& change : journal.changes) with_results.insert(change.part);
  }
  return KeptOfPerson{states->front().ids, with_results.size(), context_.store->replay_size(id), records->size() + 1};
}

Result<Imputation> PipelineImpl::impute(const streaming::ImputeRequest& request) const {
  const Config& config = context_.config;
  const Snapshot& snapshot = request.snapshot;
  const auto learner = context_.current_learner();
  if (!learner) return Status(Code::unavailable, "the model is not loaded yet");
  const auto version = learner->current();
  model::Query query{&snapshot,
                     snapshot.last_time,
                     features_to_impute(config, snapshot, snapshot.last_time, *version),
                     {},
                     config.model.seed,
                     payloads_to_impute(config, snapshot, snapshot.last_time, *version),
                     config.imputation_explain || request.explain};
  query.latent = config.imputation_latent || request.latent;
  auto predictions = version->predict({&query, 1});
  if (!predictions.ok()) return predictions.status();
  const auto samples = sample_for(query, request, *version);
  if (!samples.ok()) return samples.status();
  const std::lock_guard lock(context_.stream_mutex);
  Imputation out = make_imputation(config, snapshot, snapshot.last_time, predictions->front(), context_.stream.calibrator, *version);
  std::size_t i = 0;  // of the samples, which are of what was predicted
  for (ImputedValue& value : out.values) {
    if (i == query.wanted.size() || query.wanted[i] != value.feature) continue;
    for (std::size_t n = 0; n < samples->count(); ++n) value.samples.push_back(samples->at(n, i));
    ++i;
  }
  return out;
}

}  // namespace

Result<std::unique_ptr<Pipeline>> Pipeline::make(const Config& config, streaming::LogFactory& log, Clock clock, Hooks hooks) {
  auto pipeline = std::make_unique<PipelineImpl>(config, log, std::move(clock), std::move(hooks));
  if (Status s = pipeline->open(); !s.ok()) return s;
  return std::unique_ptr<Pipeline>(std::move(pipeline));
}

}  // namespace lacuna::daemon
