#include "daemon/pipeline/rehearsal.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <deque>
#include <mutex>
#include <numeric>
#include <span>
#include <utility>

#include "daemon/pipeline/imputation.h"
#include "model/predictive/recency.h"
#include "model/predictive/scores.h"
#include "state/records/counter_random.h"
#include "state/records/feature_state.h"
#include "state/records/hash.h"
#include "state/records/scale.h"

namespace lacuna::daemon {

namespace {

constexpr std::size_t kExamplesPerRead = 256;
/// Of fewer nobody is left out: too few would be to calibrate by, and each is needed to learn from.
constexpr std::uint64_t kPatientsMin = 64;
constexpr std::chrono::seconds kTellEvery{10};
constexpr Millis kFull{50};

}  // namespace

Result<bool> Rehearsal::go_on(int passes) {
  const std::size_t queue_max = context_.config.train.queue_examples_max;
  while (true) {
    if (given_ == order_.size()) {
      if (pass_ >= passes || context_.store->replay_size() == 0) {
        if (leaves_out_) LACUNA_RETURN_IF_ERROR(calibrate());
        return false;
      }
      ++pass_;
      if (pass_ == 2) leaves_out_ = context_.store->patient_count_estimate() >= kPatientsMin;
      if (leaves_out_) checkpoints_.leave_out();
      given_ = 0;
      order_.resize(context_.store->replay_size());
      std::iota(order_.begin(), order_.end(), std::size_t{0});
      CounterRandom random(mix64(context_.config.model.seed + static_cast<std::uint64_t>(pass_)));
      for (std::size_t i = order_.size(); i > 1; --i) std::swap(order_[i - 1], order_[random.below(i)]);
      spdlog::info("pass {} of {} over {} examples", pass_, passes, order_.size());
    }
    const std::size_t queued = context_.learner->stats().queued, count = std::min(order_.size() - given_, kExamplesPerRead);
    if (queued > 0 && queued + count > queue_max) break;
    LACUNA_RETURN_IF_ERROR(give(count));
  }
  tell(passes);
  context_.retry.wait(kFull);
  return true;
}

Status Rehearsal::give(std::size_t count) {
  auto examples = context_.store->replayed(std::span(order_).subspan(given_, count));
  if (!examples.ok()) return examples.status();
  given_ += count;
  std::erase_if(*examples, [this](const Example& e) { return leaves_out_ && is_left_out(context_.config, e.before.patient_id); });
  context_.learner->submit_again(std::move(*examples));
  return {};
}

Status Rehearsal::calibrate() {
  const auto version = context_.learner->drain();
  std::size_t asked = 0;
  for (std::size_t begin = 0; begin < order_.size(); begin += kExamplesPerRead) {
    auto examples = context_.store->replayed(std::span(order_).subspan(begin, std::min(kExamplesPerRead, order_.size() - begin)));
    if (!examples.ok()) return examples.status();
    std::erase_if(*examples, [this](const Example& e) { return !is_left_out(context_.config, e.before.patient_id); });
    LACUNA_RETURN_IF_ERROR(calibrate_by(*version, *examples));
    asked += examples->size();
    context_.heartbeat();
  }
  spdlog::info("intervals are calibrated by {} examples of patients who were left out", asked);
  state::StateChange change;
  context_.stream.save_new(*context_.config.schema, change);
  return context_.store->apply(change);
}

/// Of each moment a part, given the rest, as where an imputation of the moment is published; and the same as if it had never been measured.
Status Rehearsal::calibrate_by(const model::ModelVersion& version, const std::vector<Example>& examples) {
  const Schema& schema = *context_.config.schema;
  std::deque<Snapshot> known;
  std::vector<model::Query> queries;
  std::vector<const Example*> asked;
  for (const Example& example : examples) {
    CounterRandom random(mix64(hash64(example.before.patient_id, static_cast<std::uint64_t>(example.time.time_since_epoch().count()))));
    Snapshot& partly = known.emplace_back(example.before);
    partly.first_time = partly.event_count == 0 ? example.time : partly.first_time;
    partly.last_time = example.time;
    ++partly.event_count;
    model::Query query{&partly, example.time, {}, {}, random.bits()};
    for (const FeatureValue& v : example.arrived) {
      if (random.unit() < 0.5)
        apply_value(schema.features()[v.feature].likelihood, partly.features[v.feature], v.value, example.time, v.comparator);
      else if (informed(context_.config, version.learned_from(v.feature))) query.wanted.push_back(v.feature);
    }
    if (query.wanted.empty()) continue;
    queries.push_back(query);
    query.snapshot = &known.emplace_back(partly);
    for (const FeatureId f : query.wanted) known.back().features[f] = {};
    queries.push_back(std::move(query));
    asked.insert(asked.end(), 2, &example);
  }
  if (queries.empty()) return {};
  const auto predictions = version.predict(queries);
  if (!predictions.ok()) return predictions.status();
  const std::lock_guard lock(context_.stream_mutex);
  for (std::size_t i = 0; i < queries.size(); ++i) {
    CounterRandom random(mix64(queries[i].seed + i % 2));
    for (std::size_t k = 0; k < queries[i].wanted.size(); ++k) {
      const FeatureId f = queries[i].wanted[k];
      const auto value =
          std::find_if(asked[i]->arrived.begin(), asked[i]->arrived.end(), [f](const FeatureValue& v) { return v.feature == f; });
      const model::Recency recency = model::recency_of(schema, f, queries[i].snapshot->features[f], queries[i].time);
      const auto [mean, sd] = version.moments(f);
      (void)model::score_arrival(context_.stream.calibrator, {schema.features()[f].likelihood, mean, sd}, recency,
                                 (*predictions)[i].predictive[k], {f, value->value, std::nullopt, random.unit(), value->comparator});
    }
  }
  return {};
}

void Rehearsal::tell(int passes) {
  const auto now = std::chrono::steady_clock::now();
  if (now - told_ < kTellEvery) return;
  told_ = now;
  spdlog::info("pass {} of {}: {} of {} examples, {} of them wait; {} steps", pass_, passes, given_, order_.size(),
               context_.learner->stats().queued, context_.learner->stats().steps);
}

}  // namespace lacuna::daemon
