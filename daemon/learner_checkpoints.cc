#include "daemon/learner_checkpoints.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <string_view>
#include <utility>

namespace lacuna::daemon {

namespace {
constexpr std::string_view kPrefix = "learner-";
}  // namespace

/// Oldest first: numbers have a fixed width.
Result<std::vector<std::string>> LearnerCheckpoints::names() const {
  auto all = store_.checkpoint_names();
  if (!all.ok()) return all.status();
  std::erase_if(*all, [](const std::string& name) { return !name.starts_with(kPrefix); });
  std::sort(all->begin(), all->end());
  return all;
}

Result<std::unique_ptr<model::Learner>> LearnerCheckpoints::make(std::string_view bytes) {
  const auto replay = [store = &store_](std::size_t count, std::uint64_t seed) -> std::vector<Example> {
    auto drawn = store->draw(count, seed);
    if (!drawn.ok()) {
      spdlog::warn("replay: {}", drawn.status().to_string());
      return {};
    }
    return std::move(*drawn);
  };
  return model::Learner::make(*config_.schema, config_.model, config_.train, config_.predict, replay, bytes);
}

Result<std::unique_ptr<model::Learner>> LearnerCheckpoints::open() {
  const auto all = names();
  if (!all.ok()) return all.status();
  if (!all->empty()) number_ = std::stoll(all->back().substr(kPrefix.size()));
  for (auto name = all->rbegin(); name != all->rend(); ++name) {
    const auto bytes = store_.checkpoint(*name);
    auto learner = bytes.ok() ? make(*bytes) : Result<std::unique_ptr<model::Learner>>(bytes.status());
    if (learner.ok()) {
      spdlog::info("model: {} from {}, {} steps, on {}", (*learner)->current()->id(), *name, (*learner)->current()->steps(),
                   model::describe_device(config_.model));
      return learner;
    }
    if (learner.code() != Code::corrupt) return learner.status();
    spdlog::warn("checkpoint {}: {}: trying the one before", *name, learner.status().to_string());
  }
  return std::unique_ptr<model::Learner>();
}

Status LearnerCheckpoints::save(model::Learner& learner) {
  const std::string bytes = learner.checkpoint();
  const std::string name = fmt::format("{}{:09}", kPrefix, ++number_);
  LACUNA_RETURN_IF_ERROR(store_.put_checkpoint(name, bytes));
  const auto all = names();
  if (!all.ok()) return all.status();
  for (std::size_t i = 0; i + config_.checkpoints_kept < all->size(); ++i) {
    LACUNA_RETURN_IF_ERROR(store_.drop_checkpoint((*all)[i]));
  }
  spdlog::debug("checkpoint {} ({} bytes)", name, bytes.size());
  return {};
}

}  // namespace lacuna::daemon
