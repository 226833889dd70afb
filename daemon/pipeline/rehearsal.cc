#include "daemon/pipeline/rehearsal.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <numeric>
#include <span>
#include <utility>

#include "state/records/counter_random.h"
#include "state/records/hash.h"

namespace lacuna::daemon {

namespace {

constexpr std::size_t kExamplesPerRead = 256;
constexpr std::chrono::seconds kTellEvery{10};
constexpr Millis kFull{50};

}  // namespace

Result<bool> Rehearsal::go_on(int passes) {
  const std::size_t queue_max = context_.config.train.queue_examples_max;
  while (true) {
    if (given_ == order_.size()) {
      if (pass_ >= passes || context_.store->replay_size() == 0) return false;
      ++pass_;
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
  context_.learner->submit_again(std::move(*examples));
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
