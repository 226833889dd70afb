#include "daemon/registry/earlier_versions.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <charconv>
#include <string_view>

#include "daemon/registry/newest_checkpoint.h"

namespace lacuna::daemon {

namespace {

/// What their names begin with; milliseconds since 1970 follow, in a fixed width.
constexpr std::string_view kPrefix = "earlier-";

std::string name_of(Time time) { return fmt::format("{}{:015}", kPrefix, time.time_since_epoch().count()); }

}  // namespace

Status EarlierVersions::list() {
  if (listed_) return {};
  const auto names = store_.checkpoint_names();
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    std::int64_t time = 0;
    if (!name.starts_with(kPrefix)) continue;
    const char* const end = name.data() + name.size();
    if (std::from_chars(name.data() + kPrefix.size(), end, time).ptr == end) kept_.push_back(Time(Millis(time)));
  }
  std::sort(kept_.begin(), kept_.end());
  listed_ = true;
  return {};
}

Status EarlierVersions::keep(model::Learner& learner, Time now) {
  LACUNA_RETURN_IF_ERROR(list());
  if (now <= Time()) return {};
  if (!kept_.empty() && now - kept_.back() < kEvery) return {};
  LACUNA_RETURN_IF_ERROR(store_.put_checkpoint(name_of(now), learner.checkpoint()));
  kept_.push_back(now);
  while (kept_.size() > kKept) {
    LACUNA_RETURN_IF_ERROR(store_.drop_checkpoint(name_of(kept_.front())));
    kept_.erase(kept_.begin());
  }
  return {};
}

std::shared_ptr<const model::ModelVersion> EarlierVersions::before(Time onset) {
  if (const Status listed = list(); !listed.ok()) return nullptr;
  const auto after = std::lower_bound(kept_.begin(), kept_.end(), onset);
  if (after == kept_.begin()) return nullptr;
  const Time time = *std::prev(after);
  if (time == loaded_) return version_;
  loaded_ = time;
  version_ = nullptr;
  const auto bytes = store_.checkpoint(name_of(time));
  auto version = bytes.ok() ? version_of_checkpoint(config_, *bytes) : Result<std::shared_ptr<const model::ModelVersion>>(bytes.status());
  if (version.ok()) version_ = std::move(*version);
  else spdlog::warn("the model version of {} cannot say whether alerts are over: {}", format_rfc3339(time), version.status().to_string());
  return version_;
}

Status EarlierVersions::drop_all() {
  LACUNA_RETURN_IF_ERROR(list());
  version_ = nullptr;
  loaded_ = Time::min();
  while (!kept_.empty()) {
    LACUNA_RETURN_IF_ERROR(store_.drop_checkpoint(name_of(kept_.back())));
    kept_.pop_back();
  }
  return {};
}

}  // namespace lacuna::daemon
