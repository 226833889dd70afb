#include "tests/soak/observer.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

namespace lacuna::soak {

namespace {
constexpr std::size_t kRecordsPerRead = 2'000;
constexpr Millis kReadWait{10};
constexpr Millis kPause{50};
constexpr std::chrono::milliseconds kStallMin{500};
}  // namespace

std::optional<SourcePosition> source_of(const std::string& imputation) {
  const auto json = nlohmann::json::parse(imputation, nullptr, false);
  if (!json.is_object() || !json.contains("source")) return std::nullopt;
  const auto& source = json["source"];
  return SourcePosition{source.value("topic", ""), source.value("partition", -1), source.value("offset", std::int64_t{-1})};
}

Observer::Observer(streaming::TopicReader& reader, const Journal& journal, std::string imputations, std::int32_t partitions)
    : reader_(reader),
      journal_(journal),
      topic_(std::move(imputations)),
      count_(partitions),
      partitions_(std::make_unique<Progress[]>(static_cast<std::size_t>(partitions))) {
  for (std::int32_t p = 0; p < count_; ++p) partitions_[p].moved = std::chrono::steady_clock::now();
}

void Observer::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    for (std::int32_t p = 0; p < count_; ++p) read(p);
    std::this_thread::sleep_for(kPause);
  }
}

/// Imputations are keyed as events are and have as many partitions, so those of an input partition are in the
/// same one.
void Observer::read(std::int32_t partition) {
  Progress& progress = partitions_[partition];
  const bool had_lag = has_lag(partition);
  const auto records = reader_.read({topic_, partition}, progress.next, kRecordsPerRead, kReadWait);
  const Moment now = std::chrono::steady_clock::now();
  // No topic yet, no broker: nothing new.
  const bool moved = records.ok() && !records->empty();
  if (moved) {
    progress.next = records->back().position.offset + 1;
    std::int64_t newest = progress.consumed;
    for (const streaming::Record& record : *records) {
      const auto source = source_of(record.value.value_or(""));
      if (source && source->partition == partition) newest = std::max(newest, source->offset);
    }
    progress.consumed = newest;
    imputations_seen_ += records->size();
  }
  if (had_lag && !moved) return;
  const std::lock_guard lock(mutex_);
  if (had_lag && now - progress.moved >= kStallMin) stalls_.push_back({partition, progress.moved, now});
  progress.moved = now;
}

bool Observer::has_lag(std::int32_t partition) const { return partitions_[partition].consumed < journal_.newest_change(partition); }

std::int64_t Observer::lag() const {
  std::int64_t lag = 0;
  for (std::int32_t p = 0; p < count_; ++p) {
    if (has_lag(p)) lag += journal_.end(p) - partitions_[p].consumed - 1;
  }
  return lag;
}

bool Observer::caught_up() const {
  for (std::int32_t p = 0; p < count_; ++p) {
    if (has_lag(p)) return false;
  }
  return true;
}

std::vector<Stall> Observer::stalls() const {
  const std::lock_guard lock(mutex_);
  std::vector<Stall> out = stalls_;
  const Moment now = std::chrono::steady_clock::now();
  for (std::int32_t p = 0; p < count_; ++p) {
    if (has_lag(p)) out.push_back({p, partitions_[p].moved, now});
  }
  return out;
}

}  // namespace lacuna::soak
