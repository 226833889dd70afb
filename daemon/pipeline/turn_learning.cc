#include "daemon/pipeline/turn.h"

#include <algorithm>
#include <utility>

#include "daemon/pipeline/stage_timer.h"

// What the loop and the learner owe each other: examples, and the version that serves.

namespace lacuna::daemon {

using std::chrono::steady_clock;

namespace {

/// The group hears from us this often while the learner is waited for.
constexpr Millis kLearnerPatience{100};
/// A batch of a model that has seen little: a kYoungBatches-th of it, and no less than kYoungBatch records.
constexpr std::uint64_t kYoungBatches = 8, kYoungBatch = 64;

}  // namespace

/// Back-pressure: while the learner's queue is full the partitions are paused, and polled so that the group keeps us.
Status Turn::hand_to_learner() {
  const StageTimer timer(context_.stage_seconds, "learn");
  checkpoints_.mask(context_.stream.mask);
  while (!learning_queue_.fit(*context_.learner, context_.config.train.queue_examples_max) && !context_.retry.stopped()) {
    LACUNA_RETURN_IF_ERROR(group_.stay_member());
    context_.heartbeat();
    context_.retry.wait(Millis(10));
  }
  learning_queue_.hand_over(*context_.learner);
  return {};
}

/// What serves the next batch is what was learned up to the end of the one train.serve_after before it: by counts, however fast batches
/// follow each other. Of these at most one is not committed yet, so the learner has been given all that is waited for.
Status Turn::choose_version() {
  LACUNA_RETURN_IF_ERROR(hand_to_learner());
  const std::uint64_t next = learning_queue_.handed_over() + (commit_.in_flight() != nullptr ? 1 : 0);
  const auto after = static_cast<std::uint64_t>(context_.config.train.serve_after);
  if (!serving_) serving_ = context_.learner->current();
  if (next < after) return {};
  const auto start = steady_clock::now();
  auto version = context_.learner->version_after(next - after, Millis(0));
  while (!version && !context_.retry.stopped()) {
    LACUNA_RETURN_IF_ERROR(group_.stay_member());
    context_.heartbeat();
    version = context_.learner->version_after(next - after, kLearnerPatience);
  }
  learner_wait_seconds_ += seconds_since(start);
  if (version) serving_ = std::move(version);
  return {};
}

/// While something is alarmed that holds values against predictions, what is learned may be of the fault.
Status Turn::keep_earlier_version() {
  if (context_.stream.monitor.onset_to_ask_before()) return {};
  return earlier_versions_.keep(*context_.learner, context_.stream.newest);
}

/// Null: nothing is alarmed, or no version from before it was kept.
std::shared_ptr<const model::ModelVersion> Turn::version_before_alerts() {
  drift::Monitor& monitor = context_.stream.monitor;
  const auto onset = monitor.onset_to_ask_before();
  auto version = onset ? earlier_versions_.before(*onset) : nullptr;
  monitor.set_earlier_at_hand(version != nullptr);
  return version;
}

/// Of an input that ends, and while a model is young, batches are small beside what it has seen: else a short one would be over before it
/// is learned from.
std::size_t Turn::batch_limit() const {
  if (!ends_) return poison_search_.limit();
  const std::uint64_t seen = learned_before_ + counts_.consumed;
  return std::min<std::size_t>(poison_search_.limit(), std::max<std::uint64_t>(seen / kYoungBatches, kYoungBatch));
}

}  // namespace lacuna::daemon
